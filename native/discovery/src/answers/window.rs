//! A view of a body while it arrives: as much of it in one piece as is needed, in a buffer that is used again.

use std::io::{self, Read};

/// How much is asked for at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// What is kept of a buffer for the next body.
const KEPT_BYTES: usize = 256 * 1024;

/// What has been read of a body, and not yet taken.
#[derive(Debug)]
pub(crate) struct Window<'b, R> {
    reader: R,
    /// Longer than what is in it: it is cleared once, not for every read.
    buffer: &'b mut Vec<u8>,
    start: usize,
    end: usize,
    /// How many bytes were taken before `start`.
    taken: u64,
}

impl<'b, R: Read> Window<'b, R> {
    pub(crate) fn new(reader: R, buffer: &'b mut Vec<u8>) -> Self {
        Self {
            reader,
            buffer,
            start: 0,
            end: 0,
            taken: 0,
        }
    }

    /// How many bytes were taken.
    pub(crate) fn position(&self) -> u64 {
        self.taken
    }

    /// The next bytes, fewer than `length` only where the body ends.
    pub(crate) fn peek(&mut self, length: usize) -> io::Result<&[u8]> {
        while self.end - self.start < length {
            if self.start + length > self.buffer.len() {
                self.make_room(length);
            }
            if self.fill()? == 0 {
                break;
            }
        }
        Ok(&self.buffer[self.start..self.end.min(self.start + length)])
    }

    /// The next `length` bytes, or none where the body ends before.
    pub(crate) fn take(&mut self, length: usize) -> io::Result<Option<&[u8]>> {
        if self.peek(length)?.len() < length {
            return Ok(None);
        }
        let taken = self.start..self.start + length;
        self.start = taken.end;
        self.taken += length as u64;
        Ok(Some(&self.buffer[taken]))
    }

    /// Steps over `length` bytes; whether there were so many.
    pub(crate) fn skip(&mut self, mut length: u64) -> io::Result<bool> {
        while length > 0 {
            let step = usize::try_from(length).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
            if self.take(step)?.is_none() {
                return Ok(false);
            }
            length -= step as u64;
        }
        Ok(true)
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> io::Result<&[u8]> {
        loop {
            if self.end == self.buffer.len() {
                self.make_room(2 * (self.end - self.start));
            }
            if self.fill()? == 0 {
                let length = self.end - self.start;
                return Ok(self.take(length)?.unwrap_or_default());
            }
        }
    }

    fn make_room(&mut self, length: usize) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() < length.max(CHUNK_BYTES) {
            self.buffer.resize(length.max(CHUNK_BYTES), 0);
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(read) => {
                    self.end += read;
                    return Ok(read);
                }
            }
        }
    }
}

/// Lets go of what one long body has made of a buffer.
pub(crate) fn trim(buffer: &mut Vec<u8>) {
    if buffer.len() > KEPT_BYTES {
        *buffer = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::portions::Portions;
    use proptest::prelude::*;

    #[test]
    fn a_buffer_that_grew_is_let_go() {
        let mut buffer = Vec::new();
        let body = vec![7; KEPT_BYTES + 1];
        assert_eq!(Window::new(&body[..], &mut buffer).rest().unwrap(), body);
        trim(&mut buffer);
        assert_eq!(buffer.capacity(), 0);
        assert_eq!(Window::new(&body[..9], &mut buffer).rest().unwrap(), &body[..9]);
        trim(&mut buffer);
        assert_eq!(buffer.len(), CHUNK_BYTES);
    }

    proptest! {
        /// However a body arrives, and whatever the buffer held before.
        #[test]
        fn what_is_taken_is_the_body_in_order(
            body in prop::collection::vec(any::<u8>(), 0..300_000),
            portions in prop::collection::vec(1_usize..90_000, 0..20),
            steps in prop::collection::vec((0_usize..100_000, any::<bool>()), 0..20),
            before in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let mut buffer = before;
            let mut window = Window::new(Portions::new(&body, &portions), &mut buffer);
            let mut at = 0;
            for (length, skip) in steps {
                let end = at + length;
                let expected = body.get(at..end);
                let peeked = window.peek(length).unwrap();
                prop_assert_eq!(peeked, &body[at..end.min(body.len())]);
                let there = if skip {
                    window.skip(length as u64).unwrap()
                } else {
                    let taken = window.take(length).unwrap();
                    prop_assert_eq!(taken, expected);
                    taken.is_some()
                };
                prop_assert_eq!(there, expected.is_some());
                if !there {
                    return Ok(());
                }
                at = end;
                prop_assert_eq!(window.position(), at as u64);
            }
            prop_assert_eq!(window.rest().unwrap(), &body[at..]);
            prop_assert_eq!(window.position(), body.len() as u64);
        }
    }
}
