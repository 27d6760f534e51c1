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
        let output = &self.buffers.output()[..amount];
        socket.write_all(output).map_err(|error| timed_out(error, limit))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let limit = self.signals.limit(timeout.for_read());
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
mod tests {
    use super::*;
    use crate::server::resolver::{self, Later};
    use std::net::TcpListener;
    use std::thread;
    use ureq::Agent;

    /// The peer of a connection to one of these.
    fn connect(addresses: &[SocketAddr], limit: Duration) -> Result<SocketAddr, Error> {
        let signals = Signals::default();
        let try_one = |address, limit| super::connect(address, limit, &signals);
        let socket = connect_to_one(addresses, limit, Timeout::Global, try_one)?;
        Ok(socket.0.peer_addr().unwrap().as_socket().unwrap())
    }

    fn server() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").unwrap()
    }

    /// An address where nobody listens any more.
    fn closed() -> SocketAddr {
        server().local_addr().unwrap()
    }

    /// An address that takes no connection, filled to the brim.
    fn blackhole() -> (Socket, Vec<TcpStream>, SocketAddr) {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(1).unwrap();
        let blackhole = listener.local_addr().unwrap().as_socket().unwrap();
        let fill = |_| TcpStream::connect_timeout(&blackhole, Duration::from_millis(100));
        let queue = (0..16).map_while(|number| fill(number).ok()).collect();
        (listener, queue, blackhole)
    }

    fn at_once(after: Duration) -> NextTimeout {
        NextTimeout {
            after: after.into(),
            reason: Timeout::Global,
            per_read: None,
            per_write: None,
        }
    }

    #[test]
    fn the_next_address_is_tried_when_one_refuses() {
        let server = server();
        let open = server.local_addr().unwrap();
        assert_eq!(
            connect(&[closed(), closed(), open], Duration::from_secs(5)).unwrap(),
            open
        );
    }

    #[test]
    fn one_address_that_does_not_answer_leaves_time_for_the_next() {
        // Or else it answers without taking the connection, which is as good.
        let (_listener, _queue, blackhole) = blackhole();
        let server = server();
        let open = server.local_addr().unwrap();
        assert_eq!(connect(&[blackhole, open], Duration::from_secs(1)).unwrap(), open);
    }

    #[test]
    fn when_all_addresses_refuse_the_last_one_says_why() {
        match connect(&[closed(), closed()], Duration::from_secs(5)) {
            Err(Error::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_system_without_sockets_of_one_family_tries_the_other() {
        let server = server();
        let open = server.local_addr().unwrap();
        let signals = Signals::default();
        let without_ipv6 = |address: SocketAddr, limit| match address {
            SocketAddr::V6(_) => Err(io::Error::other("no such family")),
            SocketAddr::V4(_) => super::connect(address, limit, &signals),
        };
        let ipv6: SocketAddr = "[::1]:443".parse().unwrap();
        let connect = |addresses: &[_]| {
            connect_to_one(addresses, Duration::from_secs(5), Timeout::Global, without_ipv6).map(|_| ())
        };
        connect(&[ipv6, open]).unwrap();
        assert!(connect(&[ipv6]).unwrap_err().to_string().contains("no such family"));
    }

    /// Between the two, a socket cannot be shut yet.
    #[test]
    fn a_stop_after_the_last_look_and_before_the_connect_is_not_lost() {
        let (_listener, queue, blackhole) = blackhole();
        if queue.len() == 16 {
            println!("not tested: this machine takes every connection");
            return;
        }
        let socket = Arc::new(Interruptible(new_socket(Domain::IPV4).unwrap()));
        Arc::clone(&socket).interrupt();
        let started = Instant::now();
        assert!(
            socket
                .0
                .connect_timeout(&blackhole.into(), Duration::from_mins(1))
                .is_err()
        );
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "after {:?}",
            started.elapsed()
        );
    }

    #[test]
    fn a_kept_connection_needs_no_name_server() {
        let server = server();
        let authority = format!("localhost:{}", server.local_addr().unwrap().port());
        let serving = thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut request = Vec::new();
            for _ in 0..2 {
                request.clear();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    request.extend(byte);
                }
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
            }
        });
        let connector = InterruptibleConnector {
            resolver: SharedResolver {
                signals: Arc::default(),
            },
            lookup_limit: Duration::from_millis(100),
            connections: Arc::default(),
        };
        let config = Agent::config_builder()
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(5)));
        let agent = Agent::with_parts(config.build(), connector, Later);
        let get = || agent.get(format!("http://{authority}")).call();
        assert_eq!(get().unwrap().status(), 204);
        resolver::hold(&authority);
        assert_eq!(get().unwrap().status(), 204);
        serving.join().unwrap();
        // Now the connection is closed, and to make one needs the name server.
        assert!(get().unwrap_err().to_string().contains("does not answer"));
    }

    #[test]
    fn sockets_notice_a_peer_that_is_gone() {
        let socket = new_socket(Domain::IPV4).unwrap();
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE_IDLE);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), KEEPALIVE_INTERVAL);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), KEEPALIVE_PROBES);
        assert!(socket.tcp_nodelay().unwrap());
        #[cfg(any(target_os = "linux", target_os = "android"))]
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
    }

    #[test]
    fn no_time_left_is_a_timeout_and_not_no_limit() {
        assert!(matches!(
            left(at_once(Duration::ZERO)),
            Err(Error::Timeout(Timeout::Global))
        ));
        assert_eq!(left(at_once(Duration::from_nanos(1))).unwrap(), Duration::from_nanos(1));
        assert_eq!(left(at_once(Duration::MAX)).unwrap(), Duration::from_hours(24));
    }

    #[test]
    fn only_a_limit_that_passed_is_a_timeout() {
        let limit = || at_once(Duration::from_secs(1));
        for kind in [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut] {
            assert!(matches!(
                timed_out(kind.into(), limit()),
                Error::Timeout(Timeout::Global)
            ));
        }
        let reset = timed_out(io::ErrorKind::ConnectionReset.into(), limit());
        assert!(matches!(reset, Error::Io(error) if error.kind() == io::ErrorKind::ConnectionReset));
    }

    #[test]
    fn an_idle_connection_is_open_until_something_comes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = || {
            let socket = new_socket(Domain::IPV4).unwrap();
            socket.connect(&listener.local_addr().unwrap().into()).unwrap();
            let transport = InterruptibleTransport {
                socket: Arc::new(Interruptible(socket)),
                signals: Arc::default(),
                buffers: LazyBuffers::new(1024, 1024),
            };
            (transport, listener.accept().unwrap().0)
        };
        let (mut closed, peer) = connect();
        assert!(closed.is_open() && closed.is_open());
        assert!(!closed.socket.0.nonblocking().unwrap());
        drop(peer);
        assert!(!becomes(|| closed.is_open()));
        let (mut chatty, mut peer) = connect();
        peer.write_all(b"x").unwrap();
        assert!(!becomes(|| chatty.is_open()));
    }

    /// Whether something stays true for five seconds; what a peer does takes a moment to arrive.
    fn becomes(mut open: impl FnMut() -> bool) -> bool {
        let deadline = Instant::now() + Duration::from_secs(5);
        while open() {
            if Instant::now() > deadline {
                return true;
            }
            thread::yield_now();
        }
        false
    }
}
