//! Where the frames of a watch go: to the client, all of them or so many bytes, at once or in pieces.

use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use crate::protocol::http::{Wire, chunk};
use crate::protocol::tls::Tls;

/// What a client may send ahead while a watch runs.
const AHEAD_LIMIT: usize = 64 * 1024;

/// Where frames go.
pub(super) struct Sink<'a> {
    wire: &'a mut Wire<Tls>,
    /// How many bytes of the body may still go.
    left: Option<usize>,
    drip: Option<(usize, Duration)>,
}

impl<'a> Sink<'a> {
    pub(super) fn new(wire: &'a mut Wire<Tls>, left: Option<usize>, drip: Option<(usize, Duration)>) -> Self {
        Self { wire, left, drip }
    }

    /// Whether nothing of the body may go.
    pub(super) fn is_full(&self) -> bool {
        self.left == Some(0)
    }

    /// Sends a part of the body as one chunk, at once.
    pub(super) fn chunk(&mut self, body: &[u8]) -> io::Result<()> {
        if body.is_empty() {
            // It would be the end.
            return Ok(());
        }
        let bytes = chunk(body);
        if let Some(left) = self.left {
            if left <= body.len() {
                let head = bytes.len() - body.len() - 2;
                self.send(&bytes[..head + left])?;
                return Err(ErrorKind::ConnectionAborted.into());
            }
            self.left = Some(left - body.len());
        }
        self.send(&bytes)
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some((size, every)) = self.drip else {
            return self.wire.send(bytes);
        };
        for piece in bytes.chunks(size.max(1)) {
            self.wire.send(piece)?;
            if !self.wire.stream.sock.silent_for(every) {
                return Err(ErrorKind::ConnectionAborted.into());
            }
        }
        Ok(())
    }

    /// Looks, without waiting, whether the client closed; what it sent ahead is kept.
    pub(super) fn client_is_there(&mut self) -> bool {
        if self.wire.buffer.len() > AHEAD_LIMIT {
            return true;
        }
        if self.wire.stream.sock.set_nonblocking(true).is_err() {
            return false;
        }
        let mut bytes = [0; 4096];
        let there = loop {
            match self.wire.stream.read(&mut bytes) {
                Ok(0) => break false,
                Ok(count) => self.wire.buffer.extend_from_slice(&bytes[..count]),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    kind => break kind == ErrorKind::WouldBlock,
                },
            }
            if self.wire.buffer.len() > AHEAD_LIMIT {
                break true;
            }
        };
        self.wire.stream.sock.set_nonblocking(false).is_ok() && there
    }
}
