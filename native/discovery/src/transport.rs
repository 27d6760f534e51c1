//! TCP connections that can be interrupted from the moment they begin, and that notice a peer that is gone.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};
use ureq::{Error, Timeout};

use crate::signals::{Interrupt, Signals};

// A peer behind a cut cable or a firewall that forgot the connection is given up after 10 + 3 * 5 = 25 seconds idle,
// or after 25 seconds without an acknowledgement.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;
#[cfg(any(target_os = "linux", target_os = "android"))]
const USER_TIMEOUT: Duration = Duration::from_secs(25);

#[derive(Debug)]
pub(crate) struct InterruptibleConnector {
    pub(crate) signals: Arc<Signals>,
}

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
            let handle: Weak<dyn Interrupt> = Arc::<Interruptible>::downgrade(&socket);
            if !self.signals.connecting(handle) {
                return Err(Error::Io(io::Error::other("stopped")));
            }
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

/// The socket, kept by its transport; the signals hold it weakly.
struct Interruptible(Socket);

impl Interrupt for Interruptible {
    fn interrupt(&self) {
        // Closing resets the connection then. A server that was sending into a full window would not notice a FIN for as
        // long as our kernel remembers the connection.
        let _ = self.0.set_linger(Some(Duration::ZERO));
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{SocketAddr, TcpListener};
    use std::thread;
    use ureq::Agent;
    use ureq::config::Config;
    use ureq::http::Uri;
    use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};

    /// A name with these addresses.
    #[derive(Debug)]
    struct Addresses(Vec<SocketAddr>);

    impl Resolver for Addresses {
        fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
            let mut found = self.empty();
            for address in &self.0 {
                found.push(*address);
            }
            Ok(found)
        }
    }

    /// Asks a host with these addresses over this connector alone, without TLS.
    fn get(addresses: &[SocketAddr], limit: Duration) -> Result<u16, Error> {
        let config = Agent::config_builder().proxy(None).timeout_global(Some(limit)).build();
        let connector = InterruptibleConnector {
            signals: Arc::default(),
        };
        let agent = Agent::with_parts(config, connector, Addresses(addresses.to_vec()));
        let response = agent.get("http://host.test").call()?;
        Ok(response.status().as_u16())
    }

    /// A server for one request, which it answers without looking at it.
    fn server() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
        });
        address
    }

    /// An address where nobody listens any more.
    fn closed() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
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
        let addresses = [closed(), closed(), server()];
        assert_eq!(get(&addresses, Duration::from_secs(5)).unwrap(), 204);
    }

    #[test]
    fn one_address_that_does_not_answer_leaves_time_for_the_next() {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(1).unwrap();
        let blackhole = listener.local_addr().unwrap().as_socket().unwrap();
        let connect = |_| std::net::TcpStream::connect_timeout(&blackhole, Duration::from_millis(100));
        // Filled to the brim, or else it answers without taking the connection, which is as good.
        let _queue: Vec<_> = (0..16).map_while(|number| connect(number).ok()).collect();
        assert_eq!(get(&[blackhole, server()], Duration::from_secs(1)).unwrap(), 204);
    }

    #[test]
    fn when_all_addresses_refuse_the_last_one_says_why() {
        match get(&[closed(), closed()], Duration::from_secs(5)) {
            Err(Error::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused),
            other => panic!("{other:?}"),
        }
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
