//! Who gets the token: only the server that `ca.crt` vouches for. And what happens when the files change.

mod common;

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{
    assert_complete, config, endpoints, list, lister, only, page, server, server_with, status_saying, wait, write_token,
};
use discovery::watch::lister::Lister;
use discovery::{Config, Error, Kind};
use fake_apiserver::{Action, Authority, Certificate, Fault, Rule, Server};
use serde_json::json;

/// What the service account's token looks like in a real cluster: a JWT of some 900 characters.
fn long_token() -> String {
    let part = |letter: &str, length| letter.repeat(length);
    format!("{}.{}.{}", part("h", 90), part("p", 500), part("s", 342))
}

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
fn a_kept_connection_is_not_used_without_a_ca_file() {
    let server = server();
    let mut lister = lister(&server);
    assert_complete(&lister.list().unwrap());
    fs::remove_file(server.service_account().join("ca.crt")).unwrap();
    assert_eq!(lister.list().unwrap_err().kind, Kind::Credentials);
    assert_eq!(server.summary().requests, 1);
}

#[test]
fn a_replaced_ca_is_believed_at_once_and_ends_the_old_connection() {
    let server = server();
    let ca = server.service_account().join("ca.crt");
    let (own, other) = (fs::read(&ca).unwrap(), fs::read(server.other_ca_file()).unwrap());
    let mut lister = lister(&server);
    assert_complete(&lister.list().unwrap());
    fs::write(&ca, &other).unwrap();
    assert_refused_after_one(&server, lister.list());
    server.set_certificate(&Certificate {
        authority: Authority::Other,
        ..Certificate::default()
    });
    assert_complete(&lister.list().unwrap());
    wait(&server, |summary| summary.connections_open == 1);
    // While authorities rotate, the file holds both; what is no certificate in it does no harm.
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
    fs::write(&ca, [broken, own, other].concat()).unwrap();
    assert_complete(&lister.list().unwrap());
    wait(&server, |summary| summary.connections_open == 1);
    server.set_certificate(&Certificate::default());
    server.set_listening(false).unwrap();
    server.set_listening(true).unwrap();
    assert_complete(&lister.list().unwrap());
}

#[track_caller]
fn assert_refused_after_one(server: &Server, result: Result<discovery::Snapshot, Error>) {
    assert_eq!(result.unwrap_err().kind, Kind::Tls);
    assert_eq!(server.summary().requests, 1);
}

#[test]
fn a_token_rotated_between_two_lists_is_used_on_the_same_connection() {
    let server = server();
    let mut lister = lister(&server);
    assert_complete(&lister.list().unwrap());
    server.put_token(
        "rotated",
        "system:serviceaccount:default:rotated",
        vec![Rule::everything()],
    );
    server.delete_token(server.token());
    write_token(&server, "rotated\n");
    assert_complete(&lister.list().unwrap());
    assert_eq!(server.journal()[1]["user"], "system:serviceaccount:default:rotated");
    assert_eq!(server.summary().handshakes_completed, 1);
}

#[test]
fn a_refused_token_that_did_not_change_is_unauthorized_after_one_request() {
    let server = server();
    server.delete_token(server.token());
    let error = list(&server).unwrap_err();
    assert_eq!((error.kind, error.status), (Kind::Unauthorized, Some(401)));
    assert_eq!(server.summary().requests, 1);
}

/// The file changes while the request with the old token is under way.
#[test]
fn a_refused_token_whose_file_changed_meanwhile_is_tried_anew_at_once() {
    let server = server();
    let token = server.token().to_owned();
    write_token(&server, "stale");
    server.set_faults(vec![
        Fault::on_request(Action::Drip {
            bytes: 40,
            every: Duration::from_millis(100),
        })
        .times(1),
    ]);
    std::thread::scope(|scope| {
        let listing = scope.spawn(|| list(&server));
        wait(&server, |summary| summary.requests == 1);
        write_token(&server, &token);
        assert_complete(&listing.join().unwrap().unwrap());
    });
    let journal = server.journal();
    assert_eq!(
        (&journal[0]["status"], &journal[1]["status"]),
        (&json!(401), &json!(200))
    );
    assert_eq!(journal.len(), 2);
}

#[test]
fn a_token_that_keeps_being_refused_while_it_changes_is_tried_twice_only() {
    let server = server();
    write_token(&server, "stale");
    server.set_faults(vec![Fault::on_request(Action::Drip {
        bytes: 40,
        every: Duration::from_millis(100),
    })]);
    std::thread::scope(|scope| {
        let listing = scope.spawn(|| list(&server));
        wait(&server, |summary| summary.requests == 1);
        write_token(&server, "stale as well");
        write_token(&server, "stale-as-well");
        wait(&server, |summary| summary.requests == 2);
        write_token(&server, "the-third");
        assert_eq!(listing.join().unwrap().unwrap_err().kind, Kind::Unauthorized);
    });
    assert_eq!(server.summary().requests, 2);
}

#[test]
fn the_token_goes_only_into_the_header() {
    let server = server();
    list(&server).unwrap();
    let request = &server.journal()[0];
    assert_eq!(request["headers"]["authorization"], true);
    assert!(!request.to_string().contains(server.token()));
}

#[test]
fn a_token_echoed_in_a_status_is_redacted() {
    let server = server();
    let message = format!("no user for token {:?}", server.token());
    for code in [401, 403, 500] {
        server.set_faults(vec![Fault::on_request(status_saying(code, &message))]);
        let error = list(&server).unwrap_err();
        assert!(!format!("{error:?}").contains(server.token()), "{error}");
        assert!(error.message.contains("[token]"), "{error}");
    }
}

#[test]
fn a_long_token_echoed_in_a_status_is_redacted() {
    let token = long_token();
    // Wherever the message is cut off, no part of the token may be left of it.
    for before in [0, 100, 450, 499] {
        let server = server_with(status_saying(500, &format!("{} {token}", "x".repeat(before))));
        write_token(&server, &token);
        let error = list(&server).unwrap_err();
        assert!(!error.message.contains("hhhhhhhhhh"), "{before}: {error}");
    }
}

#[test]
fn a_token_echoed_in_a_malformed_answer_is_redacted() {
    let server = server();
    for body in [
        json!({"kind": server.token(), "metadata": {"resourceVersion": "1"}, "items": []}),
        json!({"kind": "EndpointsList", "metadata": {"resourceVersion": "1"}, "items": server.token()}),
        json!(server.token()),
    ] {
        server.set_faults(vec![Fault::on_request(Action::RawBody(body.to_string()))]);
        let error = list(&server).unwrap_err();
        assert_eq!(error.kind, Kind::Malformed);
        assert!(!error.message.contains(server.token()), "{error}");
    }
}

#[test]
fn a_token_echoed_in_answers_that_are_not_http_is_not_shown() {
    let server = server();
    let token = server.token().to_owned();
    for raw in [
        format!("{token}\r\n\r\n"),
        format!("HTTP/1.1 {token}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{token}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\ncontent-length: {token}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: {token}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{token}\r\n"),
        format!("HTTP/1.1 302 Found\r\nlocation: https://{token}/\r\ncontent-length: 0\r\n\r\n"),
    ] {
        server.set_faults(vec![Fault::on_request(Action::RawResponse(raw.clone()))]);
        let error = list(&server).unwrap_err();
        assert!(!format!("{error:?}").contains(&token), "{raw:?}: {error}");
    }
}

#[test]
fn a_lister_prints_no_secret() {
    let server = server();
    let mut lister = lister(&server);
    lister.list().unwrap();
    let printed = format!("{lister:?} {lister:#?}");
    assert!(!printed.contains(server.token()), "{printed}");
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

#[test]
fn a_service_account_that_is_replaced_by_a_symlink_is_read_anew() {
    let server = server();
    let folder = server.service_account();
    // As the kubelet does: files are links into `..data`, which is a link to a folder with a date.
    let (old, new) = (folder.join("..1"), folder.join("..2"));
    for (target, token) in [(&old, server.token()), (&new, "rotated")] {
        fs::create_dir(target).unwrap();
        fs::copy(folder.join("ca.crt"), target.join("ca.crt")).unwrap();
        fs::write(target.join("token"), token).unwrap();
    }
    let data = folder.join("..data");
    std::os::unix::fs::symlink(&old, &data).unwrap();
    for file in ["token", "ca.crt"] {
        fs::remove_file(folder.join(file)).unwrap();
        std::os::unix::fs::symlink(data.join(file), folder.join(file)).unwrap();
    }
    let mut lister = lister(&server);
    assert_complete(&lister.list().unwrap());
    server.delete_token(server.token());
    server.put_token("rotated", "rotated", vec![Rule::everything()]);
    std::os::unix::fs::symlink(&new, folder.join("..tmp")).unwrap();
    fs::rename(folder.join("..tmp"), &data).unwrap();
    assert_complete(&lister.list().unwrap());
    assert_eq!(server.summary().handshakes_completed, 1);
}

#[test]
fn an_answer_that_repeats_the_token_is_refused() {
    let server = server();
    let object = endpoints(server.token());
    server.set_faults(vec![Fault::on_request(Action::RawBody(page(&json!([object]), None)))]);
    let error = list(&server).unwrap_err();
    assert_eq!(error.kind, Kind::Malformed);
    assert!(error.message.contains("repeats the token"), "{error}");
    assert!(!error.message.contains(server.token()), "{error}");
}
