//! Everything a server or network can do wrong: each has its kind, and none is an empty snapshot.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{assert_complete, config, list, lister, page, server, server_with, status};
use discovery::watch::lister::Lister;
use discovery::{Config, Kind, Namespace, Source};
use fake_apiserver::{Action, Fault, Server};
use serde_json::json;

/// Long enough for a handshake on a busy machine, short enough to wait for.
const TIMEOUT: Duration = Duration::from_millis(400);

fn hurried(server: &Server) -> Lister {
    Lister::new(Arc::new(Config {
        request_timeout: TIMEOUT,
        ..config(server)
    }))
}

/// The list ends with a timeout, no earlier and hardly later than configured.
#[track_caller]
fn assert_times_out(server: &Server) {
    let mut lister = hurried(server);
    let started = Instant::now();
    let error = lister.list().unwrap_err();
    let took = started.elapsed();
    assert_eq!(error.kind, Kind::Timeout, "{error}");
    assert!(error.message.contains("kubernetes_request_timeout (400 ms)"), "{error}");
    assert!(took + Duration::from_millis(50) >= TIMEOUT, "after {took:?}");
    assert!(took < TIMEOUT * 3, "after {took:?}");
}

#[test]
fn each_status_has_its_kind_and_the_servers_words() {
    let server = server();
    let mut lister = lister(&server);
    for (code, kind, words) in [
        (400, Kind::Server, "the server rejected our request"),
        (401, Kind::Unauthorized, "Unauthorized"),
        (403, Kind::Forbidden, "cannot list resource \"endpoints\""),
        (404, Kind::NotFound, "could not find the requested resource"),
        (410, Kind::Server, "too old"),
        (429, Kind::RateLimited, ""),
        (500, Kind::Server, ""),
        (503, Kind::Server, ""),
        (504, Kind::Server, ""),
    ] {
        server.set_faults(vec![Fault::on_request(status(code))]);
        let error = lister.list().unwrap_err();
        assert_eq!((error.kind, error.status), (kind, Some(code)), "{error}");
        assert!(error.message.contains(words), "{error}");
        assert!(error.message.contains(&format!("HTTP {code}")), "{error}");
        assert!(!error.advice.unwrap_or_default().contains("proxy"));
    }
}

#[test]
fn a_status_without_a_kubernetes_status_says_so() {
    let server = server();
    let mut lister = lister(&server);
    for code in [201, 204, 206, 301, 400, 401, 403, 404, 429, 500, 502] {
        for body in [
            "",
            "<html>no</html>",
            "{}",
            "[]",
            "null",
            "\u{feff}{\"kind\":\"Status\"}",
        ] {
            server.set_faults(vec![Fault::on_request(Action::Status {
                code,
                body: (code != 204).then(|| body.to_owned()).or(Some(String::new())),
                headers: Vec::new(),
            })]);
            let error = lister.list().unwrap_err();
            assert_eq!(error.status, Some(code), "{error}");
            assert!(error.message.contains("no Kubernetes Status"), "{error}");
            assert!(error.advice.unwrap().contains("proxy"));
        }
    }
}

#[test]
fn a_status_with_a_huge_body_counts_all_the_same() {
    let server = server_with(Action::Status {
        code: 403,
        body: Some("x".repeat(1024 * 1024)),
        headers: Vec::new(),
    });
    let error = list(&server).unwrap_err();
    assert_eq!((error.kind, error.status), (Kind::Forbidden, Some(403)));
}

#[test]
fn retry_after_comes_with_the_error() {
    let server = server_with(Action::Status {
        code: 429,
        body: None,
        headers: vec![("retry-after".to_owned(), "7".to_owned())],
    });
    let error = list(&server).unwrap_err();
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
}

#[test]
fn a_real_lack_of_rights_is_forbidden() {
    let server = server();
    server.put_token(server.token(), "system:serviceaccount:default:poor", Vec::new());
    let error = list(&server).unwrap_err();
    assert_eq!(error.kind, Kind::Forbidden);
    assert!(error.message.contains("system:serviceaccount:default:poor"), "{error}");
    assert!(error.advice.unwrap().starts_with("Bind a Role"));
}

#[test]
fn a_server_silent_at_accept_times_out() {
    let server = server();
    server.set_faults(vec![Fault::on_accept(Action::Hang)]);
    assert_times_out(&server);
}

#[test]
fn a_server_silent_after_the_request_times_out() {
    assert_times_out(&server_with(Action::Hang));
}

#[test]
fn a_server_silent_in_the_body_times_out() {
    assert_times_out(&server_with(Action::HeadersThenHang));
}

#[test]
fn an_endless_body_times_out() {
    assert_times_out(&server_with(Action::EndlessBody));
}

#[test]
fn a_body_that_drips_too_slowly_times_out() {
    let every = Duration::from_millis(20);
    assert_times_out(&server_with(Action::Drip { bytes: 1, every }));
}

#[test]
fn a_body_that_drips_in_time_is_whole() {
    let every = Duration::ZERO;
    let server = server_with(Action::Drip { bytes: 7, every });
    let mut lister = lister(&server);
    assert_complete(&lister.list().unwrap());
    assert_complete(&lister.list().unwrap());
    assert_eq!(server.summary().handshakes_completed, 1);
}

#[test]
fn the_time_limit_holds_for_each_request_anew() {
    let server = server();
    let mut lister = hurried(&server);
    for _ in 0..2 {
        server.set_faults(vec![Fault::on_request(Action::Hang).times(1)]);
        assert_eq!(lister.list().unwrap_err().kind, Kind::Timeout);
        assert_complete(&lister.list().unwrap());
    }
}

#[test]
fn a_broken_connection_is_a_connect_error() {
    for action in [Action::Reset, Action::Close] {
        let server = server_with(action.clone());
        let error = list(&server).unwrap_err();
        assert_eq!(error.kind, Kind::Connect, "{action:?}: {error}");
        server.set_faults(vec![Fault::on_accept(action.clone())]);
        let error = list(&server).unwrap_err();
        assert_eq!(error.kind, Kind::Connect, "{action:?} at accept: {error}");
    }
}

#[test]
fn a_truncated_body_is_an_error_wherever_it_ends() {
    let server = server();
    let mut lister = lister(&server);
    for length in [0, 1, 12, 100, 300] {
        server.set_faults(vec![Fault::on_request(Action::TruncateBody(length))]);
        let error = lister.list().unwrap_err();
        assert_eq!(error.kind, Kind::Connect, "{length}: {error}");
    }
}

#[test]
fn an_early_end_that_tls_signs_is_an_error_too() {
    let body = page(&json!([common::endpoints("10.0.0.1")]), None);
    for answer in [
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len() + 1),
        format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n",
            body.len()
        ),
        format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}",
            body.len() + 1
        ),
    ] {
        let server = server_with(Action::RawResponse(answer.clone()));
        let result = list(&server);
        assert!(result.is_err(), "{answer}: {result:?}");
    }
}

#[test]
fn an_answer_that_is_not_http_is_malformed() {
    for raw in [
        "garbage\r\n\r\n",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "\0\0\0\0\0\0\0\0\r\n\r\n",
    ] {
        let server = server_with(Action::RawResponse(raw.to_owned()));
        let error = list(&server).unwrap_err();
        assert_eq!(error.kind, Kind::Malformed, "{raw:?}: {error}");
        assert!(!error.message.contains(['\n', '\r', '\0']), "{raw:?}: {error:?}");
    }
}

#[test]
fn a_server_without_tls_is_a_tls_error() {
    let server = server();
    for text in ["HTTP/1.1 400 Bad Request\r\n\r\n", "garbage of some length\r\n"] {
        server.set_faults(vec![Fault::on_accept(Action::RawResponse(text.to_owned()))]);
        let error = list(&server).unwrap_err();
        assert_eq!(error.kind, Kind::Tls, "{text:?}: {error}");
    }
    assert!(server.journal().is_empty());
}

#[test]
fn headers_over_the_limit_are_too_large() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(128 * 1024));
    let server = server_with(Action::RawResponse(long));
    let error = list(&server).unwrap_err();
    assert_eq!(error.kind, Kind::TooLarge, "{error}");
}

#[test]
fn a_body_that_is_not_the_list_is_malformed() {
    let server = server();
    let mut lister = lister(&server);
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "<html></html>",
        "{\"kind\":\"Status\"}",
        "{\"kind\":\"EndpointsList\",\"metadata\":{\"resourceVersion\":\"1\"}}",
        "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[]}",
        "{\"kind\":\"EndpointsList\",\"metadata\":{},\"items\":[]}",
    ] {
        server.set_faults(vec![Fault::on_request(Action::RawBody(body.to_owned()))]);
        let error = lister.list().unwrap_err();
        assert_eq!((error.kind, error.status), (Kind::Malformed, None), "{body:?}: {error}");
        assert!(
            error.message.contains("endpoints") && error.message.contains("default"),
            "{error}"
        );
    }
}

#[test]
fn a_malformed_answer_makes_one_short_line() {
    let long = "a\nb".repeat(100_000);
    for body in [
        json!({"kind": long, "metadata": {"resourceVersion": "1"}, "items": []}),
        json!({"kind": "EndpointsList", "metadata": {"resourceVersion": "1"}, "items": long}),
        json!({"kind": "EndpointsList", "metadata": long, "items": []}),
    ] {
        let server = server_with(Action::RawBody(body.to_string()));
        let error = list(&server).unwrap_err();
        assert_eq!(error.kind, Kind::Malformed);
        let length = error.message.len();
        assert!(length < 2_000, "{length} bytes");
        assert!(!error.message.contains('\n'));
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let (server, elsewhere) = (server(), server());
    for code in [301, 302, 303, 307, 308] {
        server.set_faults(vec![Fault::on_request(Action::Status {
            code,
            body: None,
            headers: vec![(
                "location".to_owned(),
                format!("{}/api/v1/namespaces/default/endpoints", elsewhere.url()),
            )],
        })]);
        let error = list(&server).unwrap_err();
        assert_eq!((error.kind, error.status), (Kind::Server, Some(code)));
        assert!(error.advice.unwrap().contains("not followed"));
    }
    assert_eq!(elsewhere.summary().connections_accepted, 0);
    assert_eq!(server.summary().requests, 5);
}

#[test]
fn a_refused_connection_is_a_connect_error_until_the_server_is_back() {
    let server = server();
    let mut lister = lister(&server);
    server.set_listening(false).unwrap();
    let error = lister.list().unwrap_err();
    assert_eq!(error.kind, Kind::Connect, "{error}");
    assert!(error.message.contains(&server.url()), "{error}");
    server.set_listening(true).unwrap();
    assert_complete(&lister.list().unwrap());
}

#[test]
fn the_same_failure_reads_the_same_each_time() {
    let server = server();
    for action in [
        status(403),
        Action::Close,
        Action::TruncateBody(5),
        Action::RawBody("{".to_owned()),
    ] {
        server.set_faults(vec![Fault::on_request(action)]);
        assert_eq!(list(&server).unwrap_err(), list(&server).unwrap_err());
    }
}

#[test]
fn errors_of_pods_name_pods() {
    let server = server_with(status(403));
    let pods = Config {
        source: Source::Pods,
        namespace: Namespace::Named("prod".to_owned()),
        ..config(&server)
    };
    let error = Lister::new(Arc::new(pods)).list().unwrap_err();
    assert!(
        error.message.starts_with("cannot list pods in namespace \"prod\""),
        "{error}"
    );
}
