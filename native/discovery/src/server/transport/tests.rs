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
    let connect =
        |addresses: &[_]| connect_to_one(addresses, Duration::from_secs(5), Timeout::Global, without_ipv6).map(|_| ());
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
            gathering: Gathering::default(),
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
