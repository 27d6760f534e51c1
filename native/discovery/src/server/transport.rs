//! TCP connections that can be interrupted from the moment they begin, and that notice a peer that is gone.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};
use ureq::{Error, Timeout};

use crate::server::gathering::Gathering;
use crate::server::resolver::SharedResolver;
use crate::server::signals::{Interrupt, Signals};

// A peer behind a cut cable or a firewall that forgot the connection is given up after 10 + 3 * 5 = 25 seconds idle,
// or after 25 seconds without an acknowledgement.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;
// For a second in all: whoever is stopped is gone by then.
const SHUT_AGAIN: Duration = Duration::from_millis(20);
const SHUT_TRIES: u32 = 50;
#[cfg(any(target_os = "linux", target_os = "android"))]
const USER_TIMEOUT: Duration = Duration::from_secs(25);

#[derive(Debug)]
pub(crate) struct InterruptibleConnector {
    pub(crate) resolver: SharedResolver,
    /// A name server that does not answer leaves time for another address of the API.
    pub(crate) lookup_limit: Duration,
    /// Counts the connections that are made.
    pub(crate) connections: Arc<AtomicU64>,
}

impl Connector<()> for InterruptibleConnector {
    type Out = InterruptibleTransport;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<Self::Out>, Error> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        let budget = *self.resolver.signals.limit(details.timeout).after;
        let authority = details.uri.authority().ok_or(Error::HostNotFound)?;
        let found = self.resolver.addresses(authority, budget.min(self.lookup_limit));
        let addresses = found.map_err(|unresolved| Error::Other(Box::new(unresolved)))?;
        let left = budget.saturating_sub(started.elapsed());
        let try_one = |address, limit| connect(address, limit, &self.resolver.signals);
        let socket = connect_to_one(&addresses, left, details.timeout.reason, try_one)?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        let signals = Arc::clone(&self.resolver.signals);
        Ok(Some(InterruptibleTransport {
            socket,
            signals,
            buffers,
            gathering: Gathering::default(),
        }))
    }
}

/// Connects to the first of these that answers. One that does not leaves time for the next.
fn connect_to_one(
    addresses: &[SocketAddr],
    budget: Duration,
    reason: Timeout,
    try_one: impl Fn(SocketAddr, Duration) -> io::Result<Arc<Interruptible>>,
) -> Result<Arc<Interruptible>, Error> {
    let started = Instant::now();
    let mut last = Error::HostNotFound;
    for (tried, address) in addresses.iter().enumerate() {
        let left = budget.saturating_sub(started.elapsed());
        let attempts = u32::try_from(addresses.len() - tried).unwrap_or(1);
        if left.is_zero() {
            return Err(Error::Timeout(reason));
        }
        // A system without sockets of this family may have those of the other.
        match try_one(*address, left / attempts) {
            Ok(socket) => return Ok(socket),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => last = Error::Timeout(Timeout::Connect),
            Err(error) => last = Error::Io(error),
        }
    }
    Err(last)
}

/// Connects a socket that `stop` interrupts, for as long as it is kept.
pub(crate) fn connect(address: SocketAddr, limit: Duration, signals: &Signals) -> io::Result<Arc<Interruptible>> {
    let socket = Arc::new(Interruptible(new_socket(Domain::for_address(address))?));
    let handle: Weak<dyn Interrupt> = Arc::<Interruptible>::downgrade(&socket);
    if !signals.connecting(handle) {
        return Err(io::Error::other("stopped"));
    }
    socket.0.connect_timeout(&address.into(), limit)?;
    Ok(socket)
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

/// The socket, kept by its transport; the signals hold it weakly.
pub(crate) struct Interruptible(Socket);

impl Interruptible {
    /// The same socket, for who speaks no HTTP over it.
    pub(crate) fn stream(&self) -> io::Result<TcpStream> {
        Ok(self.0.try_clone()?.into())
    }

    /// Whether it took: a socket cannot be shut before it begins to connect.
    fn shut(&self) -> bool {
        // Closing resets the connection then. A server that was sending into a full window would not notice a FIN for as
        // long as our kernel remembers the connection.
        let _ = self.0.set_linger(Some(Duration::ZERO));
        self.0.shutdown(Shutdown::Both).is_ok()
    }
}

impl Interrupt for Interruptible {
    fn interrupt(self: Arc<Self>) {
        if self.shut() {
            return;
        }
        // It is down already, or about to connect: then it is tried again until that has begun.
        let socket = Arc::downgrade(&self);
        drop(self);
        let again = move || {
            for _ in 0..SHUT_TRIES {
                thread::sleep(SHUT_AGAIN);
                if socket.upgrade().is_none_or(|socket| socket.shut()) {
                    return;
                }
            }
        };
        // Without a thread the connect has its own limit.
        let _ = thread::Builder::new().name("k8s-interrupt".to_owned()).spawn(again);
    }
}

pub(crate) struct InterruptibleTransport {
    socket: Arc<Interruptible>,
    signals: Arc<Signals>,
    buffers: LazyBuffers,
    gathering: Gathering,
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
        let limit = self.signals.limit(timeout.for_write());
        let mut socket = &self.socket.0;
        socket.set_write_timeout(Some(left(limit)?))?;
        self.gathering = Gathering::default();
        let output = &self.buffers.output()[..amount];
        socket.write_all(output).map_err(|error| timed_out(error, limit))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if let Some(pause) = self.gathering.pause() {
            thread::sleep(pause);
        }
        let limit = self.signals.limit(timeout.for_read());
        let mut socket = &self.socket.0;
        socket.set_read_timeout(Some(left(limit)?))?;
        let buffer = self.buffers.input_append_buf();
        let (room, asked) = (buffer.len(), Instant::now());
        let amount = socket.read(buffer).map_err(|error| timed_out(error, limit))?;
        self.gathering.came(amount, room, asked.elapsed());
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

impl Signals {
    /// No longer than what is waited for may take.
    fn limit(&self, mut timeout: NextTimeout) -> NextTimeout {
        if let Some(patience) = self.patience() {
            timeout.after = (*timeout.after).min(patience).into();
        }
        timeout
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

#[cfg(test)]
mod tests;
