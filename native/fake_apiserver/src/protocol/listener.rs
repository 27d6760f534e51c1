//! Accepting connections, in a way that can be stopped.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A listening socket with the thread that accepts from it.
#[derive(Debug)]
pub(crate) struct Acceptor {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Acceptor {
    /// Hands every connection to a function, which must not block.
    pub(crate) fn start(listener: TcpListener, on_connection: impl Fn(TcpStream) + Send + 'static) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let thread = thread::Builder::new()
            .name(format!("accept {address}"))
            .spawn(move || accept(&listener, &stop, &on_connection))?;
        Ok(Self {
            address,
            stopping,
            thread,
        })
    }

    /// Closes the listening socket; when this returns, connects are refused.
    pub(crate) fn stop(self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Nothing else wakes a blocking accept.
        let woken = TcpStream::connect_timeout(&reachable(self.address), Duration::from_secs(1));
        if woken.is_ok() || self.thread.is_finished() {
            let _ = self.thread.join();
        }
    }
}

fn accept(listener: &TcpListener, stopping: &AtomicBool, on_connection: &dyn Fn(TcpStream)) {
    loop {
        let accepted = listener.accept();
        if stopping.load(Ordering::SeqCst) {
            return;
        }
        match accepted {
            Ok((stream, _)) => on_connection(stream),
            // Out of file descriptors, most likely: without a pause this would spin.
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Binds; a port that was just closed may take a moment to be free.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        match TcpListener::bind(address) {
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse && address.port() != 0 && Instant::now() < deadline =>
            {
                thread::sleep(Duration::from_millis(10));
            }
            other => return other,
        }
    }
}

/// The address under which a listening socket is reached from this machine.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
