use super::*;
use crate::server::resolver::{self, Later};
use std::net::{TcpListener, TcpStream};
use std::thread;
use ureq::Agent;

const LIMIT: Duration = Duration::from_secs(5);

/// The peer of a connection to one of these.
fn connect(addresses: &[SocketAddr], limit: Duration) -> Result<SocketAddr, Error> {
    let socket = connect_to_one(addresses, limit, Timeout::Global, &Signals::default(), new_socket)?;
    Ok(socket.0.peer_addr().unwrap().as_socket().unwrap())
}

fn server() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// An address whose queue of connections is full: it does not answer, or else it answers without taking the connection,
/// which is as good. And what fills it.
fn blackhole() -> (SocketAddr, (Socket, Vec<TcpStream>)) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(1).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let fill = |_| TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
    let queue = (0..16).map_while(fill).collect();
    (address, (listener, queue))
}

/// An address where nobody listens any more.
fn closed() -> SocketAddr {
    server().local_addr().unwrap()
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
    let (blackhole, _queue) = blackhole();
    let server = server();
    let open = server.local_addr().unwrap();
    assert_eq!(connect(&[blackhole, open], Duration::from_secs(1)).unwrap(), open);
}

#[test]
fn a_system_without_one_family_may_have_the_other() {
    let only_ipv4 = |domain| match domain {
        Domain::IPV4 => new_socket(domain),
        _ => Err(io::ErrorKind::Unsupported.into()),
    };
    let connect =
        |addresses: &[SocketAddr]| connect_to_one(addresses, LIMIT, Timeout::Global, &Signals::default(), only_ipv4);
    let server = server();
    let open = server.local_addr().unwrap();
    let ipv6 = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], open.port()));
    for addresses in [[ipv6, open], [open, ipv6]] {
        assert!(connect(&addresses).is_ok());
    }
    match connect(&[ipv6]) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::Unsupported),
        other => panic!("{:?}", other.map(drop)),
    }
}

/// Between the socket's registration and its connect nothing is there that could be shut.
#[test]
fn a_stop_that_comes_just_before_a_connect_is_not_lost() {
    let (blackhole, _queue) = blackhole();
    let socket = Arc::new(Interruptible(new_socket(Domain::IPV4).unwrap()));
    let handle: Weak<dyn Interrupt> = Arc::<Interruptible>::downgrade(&socket);
    let signals = Signals::default();
    assert!(signals.connecting(handle));
    signals.stop();
    match socket.0.connect_timeout(&blackhole.into(), LIMIT) {
        Err(error) => assert_ne!(error.kind(), io::ErrorKind::TimedOut, "{error}"),
        Ok(()) => println!("not tested: this machine takes every connection"),
    }
}

#[test]
fn when_all_addresses_refuse_the_last_one_says_why() {
    match connect(&[closed(), closed()], Duration::from_secs(5)) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused),
        other => panic!("{other:?}"),
    }
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
