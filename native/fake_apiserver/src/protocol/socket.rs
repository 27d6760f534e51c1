//! A TCP stream that can be closed with an RST.
//!
//! The standard library has no stable way to ask for one, but Linux sends an RST when a socket is
//! closed with unread data. So this stream only *peeks* at what it hands out, and takes it from the
//! kernel at the next read: whatever came last can still be left unread.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// The stream of one connection.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    /// How many bytes were handed out but are still in the kernel.
    owed: usize,
    reset: bool,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            owed: 0,
            reset: false,
        }
    }

    /// Waits until the peer sent something.
    pub(crate) fn wait_for_data(&mut self) {
        let _ = self.read(&mut [0; 16 * 1024]);
    }

    /// Makes dropping this an RST, if the peer sent anything.
    pub(crate) fn reset_on_drop(&mut self) {
        self.reset = true;
    }

    /// Reads and forgets until the peer closes or the connection is cut.
    pub(crate) fn drain(&mut self) {
        let mut scratch = [0; 16 * 1024];
        while matches!(self.read(&mut scratch), Ok(1..)) {}
    }

    /// Pauses, and says whether the peer kept silent; it speaks only to end the connection.
    pub(crate) fn silent_for(&mut self, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        let mut silent = self.settle().is_ok();
        while silent {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            silent = self.stream.set_read_timeout(Some(left)).is_ok()
                && match self.stream.peek(&mut [0]) {
                    Ok(_) => false,
                    Err(error) => matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ),
                };
        }
        silent && self.stream.set_read_timeout(None).is_ok()
    }

    /// Makes reads return at once when there is nothing, or wait again.
    pub(crate) fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.stream.set_nonblocking(nonblocking)
    }

    /// Takes from the kernel what was handed out; never blocks, for it is there.
    fn settle(&mut self) -> io::Result<()> {
        let mut scratch = [0; 4096];
        while self.owed > 0 {
            let part = self.owed.min(scratch.len());
            let count = self.stream.read(&mut scratch[..part])?;
            if count == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.owed -= count;
        }
        Ok(())
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.settle()?;
        self.owed = self.stream.peek(buffer)?;
        Ok(self.owed)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if !self.reset {
            // Else every close would be an RST and could destroy an answer on its way.
            let _ = self.settle();
        }
    }
}
