//! Which server is asked: names, IPv6, the fallback of an unknown name, and servers that cannot be reached.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{LIMIT, assert_complete, config, only, server};
use discovery::watch::lister::Lister;
use discovery::{ApiAddress, Config, Kind};
use fake_apiserver::{Options, Server};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// RFC 6761: never a host. A label this long is not even asked for.
fn unknown_hosts() -> [String; 2] {
    ["nosuch.invalid".to_owned(), format!("{}.invalid", "x".repeat(64))]
}

fn lister_at(server: &Server, api: ApiAddress) -> Lister {
    Lister::new(Arc::new(Config {
        api,
        // A name server that does not answer may take a third of it.
        request_timeout: Duration::from_secs(3),
        ..config(server)
    }))
}

fn port(server: &Server) -> u16 {
    server.address().port()
}

#[test]
fn a_host_name_is_resolved_and_verified() {
    let server = server();
    let url = format!("https://localhost:{}", port(&server));
    assert_complete(&lister_at(&server, only(url)).list().unwrap());
    assert_eq!(
        server.journal()[0]["headers"]["host"],
        format!("localhost:{}", port(&server))
    );
}

/// rustls takes a name with a trailing dot, and checks it without; ureq hands it on as it is.
#[test]
fn a_host_name_with_a_trailing_dot_verifies() {
    let server = server();
    let pem = std::fs::read(server.service_account().join("ca.crt")).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost.").unwrap();
    let mut connection = ClientConnection::new(Arc::new(tls), name).unwrap();
    let mut socket = std::net::TcpStream::connect_timeout(&server.address(), LIMIT).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut socket).unwrap();
    }
    // Through the library it takes a resolver that knows "localhost."; glibc without one does not.
    let url = format!("https://localhost.:{}", port(&server));
    match lister_at(&server, only(url)).list() {
        Ok(snapshot) => assert_complete(&snapshot),
        Err(error) => assert_eq!(error.kind, Kind::Dns, "{error}"),
    }
}

#[test]
fn an_ipv6_address_is_asked_and_verified() {
    let listen = "[::1]:0".parse().unwrap();
    let options = Options {
        listen,
        ..Options::default()
    };
    let Ok(server) = Server::start_with(options) else {
        println!("not tested: this machine has no ::1");
        return;
    };
    let snapshot = lister_at(&server, only(server.url())).list().unwrap();
    assert_eq!(snapshot.resource_version, "1");
    assert!(server.url().starts_with("https://[::1]:"));
}

#[test]
fn an_unknown_name_is_a_dns_error() {
    let server = server();
    for host in unknown_hosts() {
        let error = lister_at(&server, only(format!("https://{host}"))).list().unwrap_err();
        assert_eq!(error.kind, Kind::Dns, "{error}");
        assert!(error.message.contains(&host), "{error}");
    }
}

#[test]
fn an_unknown_name_is_left_for_the_fallback_for_good() {
    let server = server();
    for host in unknown_hosts() {
        server.clear_journal();
        let api = ApiAddress {
            primary: format!("https://{host}"),
            fallback: Some(server.url()),
        };
        let mut lister = lister_at(&server, api);
        for _ in 0..3 {
            assert_complete(&lister.list().unwrap());
        }
        assert_eq!(server.summary().handshakes_completed, 1);
        // An error that the server answers is an answer.
        server.set_faults(vec![fake_apiserver::Fault::on_request(common::status(500)).times(1)]);
        assert_eq!(lister.list().unwrap_err().status, Some(500));
        assert_complete(&lister.list().unwrap());
        assert_eq!(server.summary().handshakes_completed, 1);
    }
}

#[test]
fn a_fallback_that_went_away_is_found_again() {
    let server = server();
    let api = ApiAddress {
        primary: format!("https://{}", unknown_hosts()[1]),
        fallback: Some(server.url()),
    };
    let mut lister = lister_at(&server, api);
    assert_complete(&lister.list().unwrap());
    server.set_listening(false).unwrap();
    for _ in 0..2 {
        assert_eq!(lister.list().unwrap_err().kind, Kind::Connect);
    }
    server.set_listening(true).unwrap();
    assert_complete(&lister.list().unwrap());
}

#[test]
fn the_fallback_is_verified_like_any_other() {
    let server = server();
    server.set_certificate(&fake_apiserver::Certificate {
        sans: vec![unknown_hosts()[0].clone()],
        ..fake_apiserver::Certificate::default()
    });
    let api = ApiAddress {
        primary: format!("https://{}", unknown_hosts()[0]),
        fallback: Some(server.url()),
    };
    assert_eq!(lister_at(&server, api).list().unwrap_err().kind, Kind::Tls);
    assert!(server.journal().is_empty());
}

#[test]
fn a_server_that_takes_no_connection_times_out() {
    let server = server();
    let Some(blackhole) = common::Blackhole::new() else {
        println!("not tested: this machine takes every connection");
        return;
    };
    let timeout = Duration::from_millis(300);
    let hurried = Config {
        api: only(blackhole.url()),
        request_timeout: timeout,
        ..config(&server)
    };
    let started = Instant::now();
    let error = Lister::new(Arc::new(hurried)).list().unwrap_err();
    assert_eq!(error.kind, Kind::Timeout, "{error}");
    assert!(started.elapsed() < timeout * 3);
}
