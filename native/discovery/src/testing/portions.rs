//! A stream that arrives in portions.

use std::io::{self, Read};

/// Hands out a stream in portions of these sizes, and then the rest.
pub(crate) struct Portions<'a> {
    rest: &'a [u8],
    sizes: std::slice::Iter<'a, usize>,
}

impl<'a> Portions<'a> {
    pub(crate) fn new(stream: &'a [u8], sizes: &'a [usize]) -> Self {
        let sizes = sizes.iter();
        Self { rest: stream, sizes }
    }
}

impl Read for Portions<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes.next().copied().unwrap_or(usize::MAX);
        let size = size.clamp(1, buffer.len()).min(self.rest.len());
        buffer[..size].copy_from_slice(&self.rest[..size]);
        self.rest = &self.rest[size..];
        Ok(size)
    }
}
