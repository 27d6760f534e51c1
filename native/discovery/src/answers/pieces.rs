//! The pieces of a stream, lines of JSON or blocks of protobuf, with a limit, and never a part of one.

use std::io::{self, Read};
use std::ops::Range;

/// etcd takes objects of up to 1.5 MB; no frame is much longer.
pub(crate) const MAX_PIECE_BYTES: usize = 8 * 1024 * 1024;
const CHUNK_BYTES: usize = 16 * 1024;
const LENGTH_BYTES: usize = 4;

/// What comes after the last piece.
#[derive(Debug)]
pub(crate) enum End {
    /// The server ended the stream between two pieces.
    Clean,
    /// It broke, or ended inside a piece.
    Broken(io::Error),
    /// A piece is over the limit.
    TooLong,
}

/// How pieces are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delimiter {
    /// Each ends with a line feed: JSON.
    LineFeed,
    /// Each begins with its length, four bytes, the highest first: protobuf.
    Length,
}

impl Delimiter {
    /// How those of a stream are, in protobuf or in JSON.
    pub(crate) fn of(protobuf: bool) -> Self {
        if protobuf { Self::Length } else { Self::LineFeed }
    }
}

/// Splits a reader into pieces, without what delimits them; empty ones are left out.
#[derive(Debug)]
pub(crate) struct Pieces<R> {
    reader: R,
    delimiter: Delimiter,
    buffer: Vec<u8>,
    /// Where the next piece starts.
    start: usize,
    /// Up to where there is no line feed.
    searched: usize,
    /// How many bytes have come.
    received: u64,
}

impl<R: Read> Pieces<R> {
    pub(crate) fn new(reader: R, delimiter: Delimiter) -> Self {
        Self {
            reader,
            delimiter,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            received: 0,
        }
    }

    /// How many bytes have come so far.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// The next piece; blocks for as long as the reader does.
    pub(crate) fn next(&mut self) -> Result<&[u8], End> {
        loop {
            if let Some((content, end)) = self.piece() {
                self.start = end;
                self.searched = end;
                if !content.is_empty() {
                    return Ok(&self.buffer[content]);
                }
            } else {
                self.fill()?;
            }
        }
    }

    /// Whether the next piece has arrived already.
    pub(crate) fn has_next(&mut self) -> bool {
        while let Some((content, end)) = self.piece() {
            if !content.is_empty() {
                return true;
            }
            self.start = end;
            self.searched = end;
        }
        false
    }

    /// Where the content of the next piece is, and where the piece ends.
    fn piece(&mut self) -> Option<(Range<usize>, usize)> {
        match self.delimiter {
            Delimiter::LineFeed => {
                let found = memchr::memchr(b'\n', &self.buffer[self.searched..]);
                self.searched = found.map_or(self.buffer.len(), |offset| self.searched + offset);
                found.map(|_| (self.start..self.searched, self.searched + 1))
            }
            Delimiter::Length => {
                let start = self.start + LENGTH_BYTES;
                let end = start + self.announced()?;
                (end <= self.buffer.len()).then_some((start..end, end))
            }
        }
    }

    /// The length that the next piece says it has.
    fn announced(&self) -> Option<usize> {
        let length = self.buffer[self.start..].first_chunk::<LENGTH_BYTES>()?;
        usize::try_from(u32::from_be_bytes(*length)).ok()
    }

    fn fill(&mut self) -> Result<(), End> {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        let filled = self.buffer.len();
        let announced = match self.delimiter {
            Delimiter::LineFeed => None,
            Delimiter::Length => self.announced(),
        };
        if filled.max(announced.unwrap_or_default()) > MAX_PIECE_BYTES {
            return Err(End::TooLong);
        }
        self.buffer.resize(filled + CHUNK_BYTES, 0);
        let read = self.reader.read(&mut self.buffer[filled..]);
        let count = read.as_ref().copied().unwrap_or_default();
        self.buffer.truncate(filled + count);
        self.received += count as u64;
        match read {
            Ok(0) if filled == 0 => Err(End::Clean),
            Ok(0) => Err(End::Broken(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(End::Broken(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::portions::Portions;
    use proptest::prelude::*;

    /// A piece as it is in the stream.
    fn delimited(piece: &[u8], delimiter: Delimiter) -> Vec<u8> {
        match delimiter {
            Delimiter::LineFeed => [piece, b"\n"].concat(),
            Delimiter::Length => [&u32::try_from(piece.len()).unwrap().to_be_bytes()[..], piece].concat(),
        }
    }

    fn all(stream: &[u8], sizes: &[usize], delimiter: Delimiter) -> (Vec<Vec<u8>>, End) {
        let mut pieces = Pieces::new(Portions::new(stream, sizes), delimiter);
        let mut found = Vec::new();
        loop {
            match pieces.next() {
                Ok(piece) => found.push(piece.to_vec()),
                Err(end) => return (found, end),
            }
        }
    }

    const BOTH: [Delimiter; 2] = [Delimiter::LineFeed, Delimiter::Length];

    proptest! {
        #[test]
        fn any_cut_of_the_stream_gives_the_same_pieces(
            pieces in prop::collection::vec("[^\n]{1,40}", 0..8),
            sizes in prop::collection::vec(1_usize..20, 0..40),
        ) {
            for delimiter in BOTH {
                let stream: Vec<_> = pieces.iter().flat_map(|piece| delimited(piece.as_bytes(), delimiter)).collect();
                let (found, end) = all(&stream, &sizes, delimiter);
                prop_assert!(matches!(end, End::Clean));
                prop_assert_eq!(found, pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect::<Vec<_>>());
            }
        }

        #[test]
        fn a_stream_that_ends_inside_a_piece_is_broken(
            piece in "[^\n]{1,40}", sizes in prop::collection::vec(1_usize..9, 0..9), cut in 1_usize..44,
        ) {
            for delimiter in BOTH {
                let last = delimited(piece.as_bytes(), delimiter);
                let stream = [&delimited(b"whole", delimiter)[..], &last[..last.len() - cut.min(last.len() - 1)]].concat();
                let (found, end) = all(&stream, &sizes, delimiter);
                prop_assert_eq!(found, [b"whole".to_vec()]);
                prop_assert!(matches!(end, End::Broken(_)));
            }
        }
    }

    #[test]
    fn empty_pieces_are_left_out() {
        let found = [b"a".to_vec(), b"b".to_vec()];
        assert_eq!(all(b"\n\na\n\nb\n", &[], Delimiter::LineFeed).0, found);
        let stream = b"\0\0\0\0\0\0\0\x01a\0\0\0\0\0\0\0\x01b\0\0\0\0";
        assert_eq!(all(stream, &[], Delimiter::Length).0, found);
    }

    #[test]
    fn an_empty_piece_is_not_the_next() {
        for delimiter in BOTH {
            let stream = [
                delimited(b"a", delimiter),
                delimited(b"", delimiter),
                delimited(b"", delimiter),
            ]
            .concat();
            let mut pieces = Pieces::new(&stream[..], delimiter);
            assert_eq!(pieces.next().unwrap(), b"a");
            assert!(!pieces.has_next());
            assert!(matches!(pieces.next(), Err(End::Clean)));
        }
    }

    #[test]
    fn a_piece_over_the_limit_ends_the_stream_and_memory_stays_bounded() {
        for delimiter in BOTH {
            let mut pieces = Pieces::new(io::repeat(b'x'), delimiter);
            assert!(matches!(pieces.next(), Err(End::TooLong)));
            assert!(pieces.buffer.capacity() < 3 * MAX_PIECE_BYTES);
        }
    }
}
