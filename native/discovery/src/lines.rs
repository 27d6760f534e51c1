//! The lines of a stream, with a limit, and never a part of one.

use std::io::{self, Read};

/// etcd takes objects of up to 1.5 MB; no frame is much longer.
pub(crate) const MAX_LINE_BYTES: usize = 8 * 1024 * 1024;
const CHUNK_BYTES: usize = 16 * 1024;

/// What comes after the last line.
#[derive(Debug)]
pub(crate) enum End {
    /// The server ended the stream between two lines.
    Clean,
    /// It broke, or ended inside a line.
    Broken(io::Error),
    /// A line is over the limit.
    TooLong,
}

/// Splits a reader into lines, without the line feed; empty ones are left out.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    /// Where the next line starts.
    start: usize,
    /// Up to where there is no line feed.
    searched: usize,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
        }
    }

    /// The next line; blocks for as long as the reader does.
    pub(crate) fn next(&mut self) -> Result<&[u8], End> {
        loop {
            if let Some(end) = self.line_feed() {
                let line = self.start..end;
                self.start = end + 1;
                self.searched = self.start;
                if !line.is_empty() {
                    return Ok(&self.buffer[line]);
                }
            } else {
                self.fill()?;
            }
        }
    }

    /// Whether the next line has arrived already.
    pub(crate) fn has_next(&mut self) -> bool {
        self.line_feed().is_some()
    }

    fn line_feed(&mut self) -> Option<usize> {
        let found = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n');
        match found {
            Some(offset) => self.searched += offset,
            None => self.searched = self.buffer.len(),
        }
        found.map(|_| self.searched)
    }

    fn fill(&mut self) -> Result<(), End> {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        let filled = self.buffer.len();
        if filled > MAX_LINE_BYTES {
            return Err(End::TooLong);
        }
        self.buffer.resize(filled + CHUNK_BYTES, 0);
        let read = self.reader.read(&mut self.buffer[filled..]);
        self.buffer
            .truncate(filled + read.as_ref().copied().unwrap_or_default());
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
    use proptest::prelude::*;

    /// Hands out a stream in pieces of the given sizes.
    struct Pieces<'a> {
        rest: &'a [u8],
        sizes: std::vec::IntoIter<usize>,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let size = self
                .sizes
                .next()
                .unwrap_or(usize::MAX)
                .clamp(1, buffer.len())
                .min(self.rest.len());
            buffer[..size].copy_from_slice(&self.rest[..size]);
            self.rest = &self.rest[size..];
            Ok(size)
        }
    }

    fn all(stream: &[u8], sizes: Vec<usize>) -> (Vec<Vec<u8>>, End) {
        let mut lines = Lines::new(Pieces {
            rest: stream,
            sizes: sizes.into_iter(),
        });
        let mut found = Vec::new();
        loop {
            match lines.next() {
                Ok(line) => found.push(line.to_vec()),
                Err(end) => return (found, end),
            }
        }
    }

    proptest! {
        #[test]
        fn any_cut_of_the_stream_gives_the_same_lines(
            lines in prop::collection::vec("[^\n]{1,40}", 0..8),
            sizes in prop::collection::vec(1_usize..20, 0..40),
        ) {
            let stream: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
            let (found, end) = all(stream.as_bytes(), sizes);
            prop_assert!(matches!(end, End::Clean));
            prop_assert_eq!(found, lines.iter().map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>());
        }

        #[test]
        fn a_stream_that_ends_inside_a_line_is_broken(line in "[^\n]{1,40}", sizes in prop::collection::vec(1_usize..9, 0..9)) {
            let (found, end) = all(format!("whole\n{line}").as_bytes(), sizes);
            prop_assert_eq!(found, [b"whole".to_vec()]);
            prop_assert!(matches!(end, End::Broken(_)));
        }
    }

    #[test]
    fn empty_lines_are_left_out() {
        assert_eq!(all(b"\n\na\n\nb\n", vec![]).0, [b"a".to_vec(), b"b".to_vec()]);
    }

    #[test]
    fn a_line_over_the_limit_ends_the_stream_and_memory_stays_bounded() {
        let mut lines = Lines::new(io::repeat(b'x'));
        assert!(matches!(lines.next(), Err(End::TooLong)));
        assert!(lines.buffer.capacity() < 3 * MAX_LINE_BYTES);
    }
}
