//! TCP connections that can be interrupted while they connect, and that notice a peer that is gone.
//!
//! ureq's own connector registers a socket for [`ureq::Agent::shutdown`] only once it is connected; this one does before.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, ShutdownHandle, Transport,
};
use ureq::{Error, Timeout};

// A peer behind a cut cable or a firewall that forgot the connection is given up after 10 + 3 * 5 = 25 seconds idle,
// or after 25 seconds without an acknowledgement.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;
#[cfg(any(target_os = "linux", target_os = "android"))]
const USER_TIMEOUT: Duration = Duration::from_secs(25);

#[derive(Debug)]
pub(crate) struct InterruptibleConnector;

impl Connector<()> for InterruptibleConnector {
    type Out = InterruptibleTransport;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<Self::Out>, Error> {
        let started = Instant::now();
        let budget = *details.timeout.after;
        let mut last = Error::HostNotFound;
        for (tried, address) in details.addrs.iter().enumerate() {
            let left = budget.saturating_sub(started.elapsed());
            let attempts = u32::try_from(details.addrs.len() - tried).unwrap_or(1);
            let socket = Arc::new(Interruptible(new_socket(Domain::for_address(*address))?));
            let handle: Weak<dyn ShutdownHandle> = Arc::<Interruptible>::downgrade(&socket);
            (details.register_shutdown)(handle)?;
            if left.is_zero() {
                return Err(Error::Timeout(details.timeout.reason));
            }
            match socket.0.connect_timeout(&(*address).into(), left / attempts) {
                Ok(()) => {
                    let buffers =
                        LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
                    return Ok(Some(InterruptibleTransport { socket, buffers }));
                }
                Err(error) if error.kind() == io::ErrorKind::TimedOut => last = Error::Timeout(Timeout::Connect),
                Err(error) => last = Error::Io(error),
            }
        }
        Err(last)
    }
}

fn new_socket(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL);
    socket.set_tcp_keepalive(&keepalive.with_retries(KEEPALIVE_PROBES))?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(socket)
}

/// The socket, kept by its transport; ureq's registry holds it weakly.
struct Interruptible(Socket);

impl ShutdownHandle for Interruptible {
    fn shutdown(&self) {
        // An error means that it is down already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

pub(crate) struct InterruptibleTransport {
    socket: Arc<Interruptible>,
    buffers: LazyBuffers,
}

impl fmt::Debug for InterruptibleTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InterruptibleTransport")
    }
}

impl Transport for InterruptibleTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let limit = timeout.for_write();
        let mut socket = &self.socket.0;
        socket.set_write_timeout(Some(left(limit)?))?;
        let output = &self.buffers.output()[..amount];
        socket.write_all(output).map_err(|error| timed_out(error, limit))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let limit = timeout.for_read();
        let mut socket = &self.socket.0;
        socket.set_read_timeout(Some(left(limit)?))?;
        let amount = socket
            .read(self.buffers.input_append_buf())
            .map_err(|error| timed_out(error, limit))?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    /// An idle connection is open when there is nothing to read; an end of stream or unasked bytes are something.
    fn is_open(&mut self) -> bool {
        let mut socket = &self.socket.0;
        let idle = socket.set_nonblocking(true).and_then(|()| socket.read(&mut [0]));
        let waiting = matches!(&idle, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        waiting && socket.set_nonblocking(false).is_ok()
    }
}

/// The time left; a socket takes zero for "no limit".
fn left(limit: NextTimeout) -> Result<Duration, Error> {
    // Far enough away to be no limit, near enough for every system's clock arithmetic.
    const NO_LIMIT: Duration = Duration::from_hours(24);
    match (*limit.after).min(NO_LIMIT) {
        Duration::ZERO => Err(Error::Timeout(limit.reason)),
        left => Ok(left),
    }
}

fn timed_out(error: io::Error, limit: NextTimeout) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Timeout(limit.reason),
        _ => Error::Io(error),
    }
}
