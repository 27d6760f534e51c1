//! A fake API server, a configuration for it, and what both are asked in most tests.

// Every test file uses its part, and is a crate of its own with this as a private module.
#![allow(dead_code, unreachable_pub)]

pub mod running;
pub mod watching;

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use discovery::watch::lister::Lister;
use discovery::{ApiAddress, Basename, Config, Error, Mode, Names, Namespace, Snapshot, Source};
use fake_apiserver::{Action, Fault, Server, Summary};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

/// No test waits longer than this for anything.
pub const LIMIT: Duration = Duration::from_secs(5);

/// How fast a stopped discovery must be gone.
pub const SOON: Duration = Duration::from_secs(1);

/// A server with an Endpoints object of two ready nodes and one that is not, and a Pod.
pub fn server() -> Server {
    let server = Server::start().unwrap();
    let endpoints = json!({
        "metadata": {"labels": {"app": "web"}},
        "subsets": [{
            "addresses": [{"ip": "10.0.0.2"}, {"ip": "10.0.0.1"}],
            "notReadyAddresses": [{"ip": "10.0.0.3"}],
            "ports": [{"name": "epmd", "port": 4369, "protocol": "TCP"}],
        }],
    });
    server.put_object("endpoints", "default", "web", &endpoints);
    server.put_object("pods", "default", "web-0", &pod("10.0.0.9"));
    server
}

pub fn pod(ip: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {"nodeName": "worker"},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "podIP": ip,
            "podIPs": [{"ip": ip}],
        },
    })
}

pub fn server_with(action: Action) -> Server {
    let server = server();
    server.set_faults(vec![Fault::on_request(action)]);
    server
}

/// Endpoints of the fake's own namespace by IP, no jitter, a limit that no healthy answer comes near.
pub fn config(server: &Server) -> Config {
    Config {
        source: Source::Endpoints,
        namespace: Namespace::Own,
        selector: "app=web".to_owned(),
        field_selector: None,
        cached: true,
        include_not_ready: false,
        ip_family: None,
        rollout: None,
        names: Names {
            basename: Basename::Fixed("app".to_owned()),
            mode: Mode::Ip,
            domain: "cluster.local".to_owned(),
        },
        api: only(server.url()),
        service_account: server.service_account(),
        request_timeout: LIMIT,
        watch: false,
        watch_retry: LIMIT,
        watch_silence: Duration::from_secs(90),
    }
}

/// An address without a fallback.
pub fn only(primary: String) -> ApiAddress {
    let fallback = None;
    ApiAddress { primary, fallback }
}

pub fn lister(server: &Server) -> Lister {
    Lister::new(Arc::new(config(server)))
}

pub fn list(server: &Server) -> Result<Snapshot, Error> {
    lister(server).list()
}

/// The names that [`server`] has ready.
pub fn assert_complete(snapshot: &Snapshot) {
    assert_eq!(snapshot.ready, ["app@10.0.0.1", "app@10.0.0.2"]);
}

pub fn status(code: u16) -> Action {
    Action::Status {
        code,
        body: None,
        headers: Vec::new(),
    }
}

/// 503, and how many seconds to wait.
pub fn unavailable(retry_after: &str) -> Action {
    Action::Status {
        code: 503,
        body: None,
        headers: vec![("retry-after".to_owned(), retry_after.to_owned())],
    }
}

/// A `Status` object with this message.
pub fn status_saying(code: u16, message: &str) -> Action {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code});
    Action::Status {
        code,
        body: Some(body.to_string()),
        headers: Vec::new(),
    }
}

/// A list answer with these items.
pub fn page(items: &Value, next: Option<&str>) -> String {
    let mut metadata = json!({"resourceVersion": "7"});
    if let Some(next) = next {
        metadata["continue"] = json!(next);
    }
    json!({"kind": "EndpointsList", "apiVersion": "v1", "metadata": metadata, "items": items}).to_string()
}

/// An Endpoints object with one ready address.
pub fn endpoints(ip: &str) -> Value {
    json!({
        "metadata": {"name": format!("web-{ip}"), "namespace": "default"},
        "subsets": [{"addresses": [{"ip": ip}]}],
    })
}

pub fn write_token(server: &Server, token: &str) {
    fs::write(server.service_account().join("token"), token).unwrap();
}

#[track_caller]
pub fn wait(server: &Server, wanted: impl Fn(&Summary) -> bool) {
    wait_up_to(server, LIMIT, wanted);
}

#[track_caller]
pub fn wait_up_to(server: &Server, limit: Duration, wanted: impl Fn(&Summary) -> bool) {
    if let Err(summary) = server.wait_until(limit, wanted) {
        panic!("not in time: {summary:?}");
    }
}

/// An address whose queue of connections is full: connecting to it hangs, as it does behind a firewall.
pub struct Blackhole {
    listener: Socket,
    _queue: Vec<TcpStream>,
}

impl Blackhole {
    /// Nothing where the system takes every connection.
    pub fn new() -> Option<Self> {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(1).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut queue = Vec::new();
        for _ in 0..16 {
            match TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
                Ok(stream) => queue.push(stream),
                Err(_) => {
                    return Some(Self {
                        listener,
                        _queue: queue,
                    });
                }
            }
        }
        None
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address())
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap().as_socket().unwrap()
    }

    /// Waits until somebody is trying to connect, as far as the system tells.
    pub fn wait_for_visitor(&self) {
        const CONNECTING: &str = "02";
        let remote = format!("0100007F:{:04X}", self.address().port());
        let deadline = Instant::now() + Duration::from_secs(1);
        while Instant::now() < deadline {
            let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
            let mut sockets = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            if sockets.any(|columns| columns.get(2) == Some(&remote.as_str()) && columns.get(3) == Some(&CONNECTING)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        println!("the system does not show sockets that connect");
    }
}
