//! Who gets the token: only the server that `ca.crt` vouches for.

mod common;

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{assert_complete, config, list, only, server, write_token};
use discovery::watch::lister::Lister;
use discovery::{Config, Error, Kind};
use fake_apiserver::{Authority, Certificate, Rule, Server};

/// No request arrived, and the error is one of TLS.
#[track_caller]
fn assert_refused(server: &Server, result: Result<discovery::Snapshot, Error>) {
    let error = result.unwrap_err();
    assert_eq!(error.kind, Kind::Tls, "{error}");
    assert!(error.message.contains("TLS failed"), "{error}");
    assert!(server.journal().is_empty(), "the token went to a stranger");
}

#[test]
fn without_a_ca_file_nothing_is_sent() {
    let server = server();
    let ca = server.service_account().join("ca.crt");
    fs::write(&ca, "").unwrap();
    assert_eq!(list(&server).unwrap_err().kind, Kind::Credentials);
    fs::remove_file(&ca).unwrap();
    let error = list(&server).unwrap_err();
    assert_eq!(error.kind, Kind::Credentials);
    assert!(error.message.contains("ca.crt"), "{error}");
    assert_eq!(server.summary().connections_accepted, 0);
}

#[test]
fn without_a_token_nothing_is_sent() {
    let server = server();
    write_token(&server, " \n");
    assert_eq!(list(&server).unwrap_err().kind, Kind::Credentials);
    fs::remove_file(server.service_account().join("token")).unwrap();
    let error = list(&server).unwrap_err();
    assert_eq!(error.kind, Kind::Credentials);
    assert!(error.message.contains("token"), "{error}");
    assert_eq!(server.summary().connections_accepted, 0);
}

/// Those of identity providers carry the groups of their users.
#[test]
fn a_long_token_is_sent_and_one_beyond_every_header_is_an_error() {
    let server = server();
    let long = "t".repeat(12 * 1024);
    server.put_token(&long, "long", vec![Rule::everything()]);
    write_token(&server, &long);
    assert_complete(&list(&server).unwrap());
    write_token(&server, &"t".repeat(512 * 1024));
    let error = list(&server).unwrap_err();
    assert!(
        error.message.len() < 2_000 && !error.message.contains("tttt"),
        "{error}"
    );
}

#[test]
fn a_server_of_another_authority_gets_no_token() {
    let server = server();
    server.set_certificate(&Certificate {
        authority: Authority::Other,
        ..Certificate::default()
    });
    assert_refused(&server, list(&server));
}

#[test]
fn a_server_with_another_name_gets_no_token() {
    let server = server();
    for sans in [&["example.com"][..], &["10.0.0.1"], &["localhost"]] {
        server.set_certificate(&Certificate {
            sans: sans.iter().map(|&san| san.to_owned()).collect(),
            ..Certificate::default()
        });
        assert_refused(&server, list(&server));
    }
}

#[test]
fn an_expired_certificate_gets_no_token() {
    let server = server();
    server.set_certificate(&Certificate {
        expired: true,
        ..Certificate::default()
    });
    let result = list(&server);
    let message = result.as_ref().unwrap_err().message.clone();
    assert!(message.contains("has expired"), "{message}");
    assert_refused(&server, result);
}

#[test]
fn a_token_with_a_line_break_cannot_make_a_header() {
    let server = server();
    write_token(&server, "a\r\nx-remote-user: admin");
    let error = list(&server).unwrap_err();
    assert_eq!(error.kind, Kind::Credentials);
    assert!(!error.message.contains("admin"), "{error}");
    assert_eq!(server.summary().connections_accepted, 0);
}

const CHILD: &str = "DISCOVERY_TEST_PROXY_CHILD";
const PROXY_VARIABLES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Runs this very test again, as a child with a proxy in its environment: changing our own environment is unsafe.
#[test]
fn a_proxy_in_the_environment_is_ignored() {
    if std::env::var_os(CHILD).is_some() {
        assert!(PROXY_VARIABLES.iter().all(|name| std::env::var_os(name).is_some()));
        assert_complete(&list(&server()).unwrap());
        return;
    }
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_proxy_in_the_environment_is_ignored"])
        .env(CHILD, "1")
        .envs(PROXY_VARIABLES.map(|name| (name, &url)))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("1 passed"),
        "{output:?}"
    );
    let visitor = proxy.accept();
    assert!(visitor.is_err(), "{visitor:?}");
}

#[test]
fn an_unencrypted_address_is_refused() {
    let server = server();
    let plain = Config {
        api: only(server.url().replace("https://", "http://")),
        ..config(&server)
    };
    let started = Instant::now();
    assert!(Lister::new(Arc::new(plain)).list().is_err());
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(server.summary().connections_accepted, 0);
}
