//! Every fault of an answer, as the client sees it.

mod common;

use std::io::ErrorKind;
use std::time::Duration;

use common::{ENDPOINTS, connect, control, get, wait};
use fake_apiserver::{Action, Fault, Server};
use serde_json::json;

/// A server with one object and one fault on requests.
fn server_with(action: Action) -> Server {
    let server = Server::start().unwrap();
    let body = json!({"subsets": [{"addresses": [{"ip": "10.0.0.1"}]}]});
    server.put_object("endpoints", "default", "web", &body);
    server.set_faults(vec![Fault::on_request(action)]);
    server
}

fn status(code: u16) -> Action {
    Action::Status {
        code,
        body: None,
        headers: Vec::new(),
    }
}

#[test]
fn a_status_comes_with_the_body_that_belongs_to_it() {
    let server = server_with(status(200));
    for (code, reason) in [
        (400, "BadRequest"),
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "NotFound"),
        (410, "Expired"),
        (429, "TooManyRequests"),
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
        (504, "Timeout"),
    ] {
        server.set_faults(vec![Fault::on_request(status(code))]);
        let answer = get(&server, ENDPOINTS).unwrap();
        assert_eq!(answer.status, code);
        assert_eq!(answer.json()["reason"], reason);
        assert_eq!(answer.json()["code"], code);
    }
    server.set_faults(vec![Fault::on_request(status(403))]);
    assert_eq!(
        get(&server, ENDPOINTS).unwrap().json()["message"],
        "endpoints is forbidden: User \"system:serviceaccount:default:default\" cannot list resource \
         \"endpoints\" in API group \"\" in the namespace \"default\""
    );
}

#[test]
fn a_status_has_the_body_and_headers_it_is_given() {
    let server = server_with(Action::Status {
        code: 429,
        body: Some("slow down".to_owned()),
        headers: vec![
            ("retry-after".to_owned(), "3".to_owned()),
            ("content-type".to_owned(), "text/plain".to_owned()),
        ],
    });
    let mut client = connect(&server).unwrap();
    let answer = client.get(ENDPOINTS, Some(server.token())).unwrap();
    assert_eq!((answer.status, answer.text()), (429, "slow down"));
    assert_eq!(answer.headers["retry-after"], "3");
    assert_eq!(answer.headers["content-type"], "text/plain");
    server.clear_faults();
    let answer = client.get(ENDPOINTS, Some(server.token())).unwrap();
    assert_eq!(answer.status, 200, "the connection lives on");
    assert_eq!(server.journal()[0]["status"], 429);
}

#[test]
fn faults_strike_so_many_times_and_only_where_they_should() {
    let server = server_with(Action::Close);
    server.set_faults(vec![
        Fault::on_request(status(500)).resource("pods"),
        Fault::on_request(status(503)).verb("list").times(2),
    ]);
    let mut client = connect(&server).unwrap();
    let mut code = |path| client.get(path, Some(server.token())).unwrap().status;
    assert_eq!(code("/version"), 200);
    assert_eq!(code(ENDPOINTS), 503);
    assert_eq!(code("/api/v1/pods"), 500);
    assert_eq!(code(ENDPOINTS), 503);
    assert_eq!(code(ENDPOINTS), 200);
    assert_eq!(code("/api/v1/pods"), 500);
}

#[test]
fn a_hanging_request_is_seen_and_ends_when_the_faults_change() {
    let server = server_with(Action::Hang);
    let mut client = connect(&server).unwrap();
    client.send_get(ENDPOINTS, Some(server.token())).unwrap();
    wait(&server, |summary| summary.lists == 1);
    assert!(server.journal()[0]["status"].is_null());
    assert_eq!(server.summary().connections_open, 1);
    server.clear_faults();
    let (bytes, _) = client.rest();
    assert!(bytes.is_empty());
    wait(&server, |summary| summary.connections_open == 0);
    assert_eq!(get(&server, ENDPOINTS).unwrap().status, 200);
}

#[test]
fn a_hanging_request_ends_when_the_peer_closes() {
    let server = server_with(Action::Hang);
    let mut client = connect(&server).unwrap();
    client.send_get(ENDPOINTS, Some(server.token())).unwrap();
    wait(&server, |summary| summary.lists == 1);
    drop(client);
    wait(&server, |summary| summary.connections_open == 0);
}

#[test]
fn a_server_stops_under_hanging_requests() {
    let server = server_with(Action::Hang);
    let mut client = connect(&server).unwrap();
    client.send_get(ENDPOINTS, Some(server.token())).unwrap();
    wait(&server, |summary| summary.lists == 1);
    drop(server);
    assert!(client.rest().0.is_empty());
}

#[test]
fn a_reset_is_one() {
    let server = server_with(Action::Reset);
    let error = get(&server, ENDPOINTS).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    wait(&server, |summary| summary.connections_open == 0);
}

#[test]
fn a_close_ends_tls_properly_without_an_answer() {
    let server = server_with(Action::Close);
    let mut client = connect(&server).unwrap();
    client.send_get(ENDPOINTS, Some(server.token())).unwrap();
    let (bytes, end) = client.rest();
    assert!(bytes.is_empty());
    end.unwrap();
}

#[test]
fn headers_then_hang_sends_the_head_alone() {
    let server = server_with(Action::HeadersThenHang);
    let mut client = connect(&server).unwrap();
    client.send_get(ENDPOINTS, Some(server.token())).unwrap();
    let (code, headers) = client.receive_head().unwrap();
    assert_eq!(code, 200);
    assert_ne!(headers["content-length"], "0");
    server.clear_faults();
    let (bytes, end) = client.rest();
    assert!(bytes.is_empty());
    assert_eq!(end.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn a_hang_after_bytes_can_be_anywhere_in_head_and_body() {
    let server = server_with(Action::HangAfterBytes(0));
    let whole = {
        server.clear_faults();
        let mut client = connect(&server).unwrap();
        client.send_get(ENDPOINTS, Some(server.token())).unwrap();
        client.piece().unwrap()
    };
    for length in [1, 20, whole.len() - 1] {
        server.set_faults(vec![Fault::on_request(Action::HangAfterBytes(length))]);
        let mut client = connect(&server).unwrap();
        client.send_get(ENDPOINTS, Some(server.token())).unwrap();
        let mut bytes = Vec::new();
        while bytes.len() < length {
            bytes.extend(client.piece().unwrap());
        }
        assert_eq!(server.summary().connections_open, 1, "it hangs");
        server.clear_faults();
        let (rest, end) = client.rest();
        bytes.extend(rest);
        assert_eq!(bytes, whole[..length]);
        assert_eq!(end.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        wait(&server, |summary| summary.connections_open == 0);
    }
    server.set_faults(vec![Fault::on_request(Action::HangAfterBytes(usize::MAX))]);
    let mut client = connect(&server).unwrap();
    client
        .send_get(&format!("{ENDPOINTS}?watch=true"), Some(server.token()))
        .unwrap();
    assert_eq!(client.receive_head().unwrap().0, 200);
    server.clear_faults();
    assert!(client.rest().0.is_empty());
}

#[test]
fn a_truncated_body_is_cut_after_so_many_bytes() {
    let server = server_with(Action::TruncateBody(12));
    let mut client = connect(&server).unwrap();
    client.send_get(ENDPOINTS, Some(server.token())).unwrap();
    let (_, headers) = client.receive_head().unwrap();
    assert!(headers["content-length"].parse::<usize>().unwrap() > 12);
    let (bytes, end) = client.rest();
    assert_eq!(bytes, br#"{"kind":"End"#);
    assert_eq!(end.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn a_dripping_body_is_whole_in_the_end() {
    let every = Duration::from_millis(1);
    let server = server_with(Action::Drip { bytes: 7, every });
    let mut client = connect(&server).unwrap();
    client.send_get(ENDPOINTS, Some(server.token())).unwrap();
    let (_, headers) = client.receive_head().unwrap();
    let length: usize = headers["content-length"].parse().unwrap();
    let mut body = Vec::new();
    while body.len() < length {
        let piece = client.piece().unwrap();
        assert!((1..=7).contains(&piece.len()));
        body.extend(piece);
    }
    assert!(body.starts_with(br#"{"kind":"EndpointsList""#) && body.ends_with(b"}]}"));
    let again = client.get("/version", Some(server.token())).unwrap();
    assert_eq!(again.status, 200, "the connection lives on");
}

#[test]
fn a_dripping_body_ends_with_its_client_or_its_fault() {
    let every = Duration::from_mins(10);
    let server = server_with(Action::Drip { bytes: 1, every });
    let mut gone = connect(&server).unwrap();
    gone.send_get(ENDPOINTS, Some(server.token())).unwrap();
    gone.receive_head().unwrap();
    drop(gone);
    wait(&server, |summary| summary.connections_open == 0);
    let mut cut = connect(&server).unwrap();
    cut.send_get(ENDPOINTS, Some(server.token())).unwrap();
    cut.receive_head().unwrap();
    server.clear_faults();
    assert!(cut.rest().0.is_empty());
}

#[test]
fn a_dripping_head_is_whole_in_the_end_and_what_follows_is_as_usual() {
    let every = Duration::from_millis(1);
    let server = server_with(Action::DripHead { bytes: 50, every });
    let mut client = connect(&server).unwrap();
    client.send_get(ENDPOINTS, Some(server.token())).unwrap();
    assert_eq!(client.piece().unwrap().len(), 50);
    let mut client = connect(&server).unwrap();
    let answer = client.get(ENDPOINTS, Some(server.token())).unwrap();
    assert_eq!(answer.json()["kind"], "EndpointsList");
    // And it lives on.
    client
        .send_get(
            &format!("{ENDPOINTS}?watch=true&timeoutSeconds=-1"),
            Some(server.token()),
        )
        .unwrap();
    assert_eq!(client.receive_head().unwrap().0, 200);
    assert!(client.chunk().unwrap().starts_with(br#"{"type":"ADDED""#));
}

#[test]
fn raw_bytes_need_not_be_text_and_can_leave_the_connection_open() {
    let server = server_with(Action::Close);
    let answer = r#"[{"at":"request","times":1,"do":{"raw_response":{"latin1":"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nÿ\u0000","keep_alive":true}}},
        {"at":"request","do":{"raw_response":{"latin1":"\u0080"}}}]"#;
    assert_eq!(control(&server, "PUT", "/faults", answer).status, 200);
    let mut client = connect(&server).unwrap();
    assert_eq!(client.get(ENDPOINTS, Some(server.token())).unwrap().body, [0xff, 0]);
    client.send_get(ENDPOINTS, Some(server.token())).unwrap();
    let (bytes, end) = client.rest();
    assert_eq!(bytes, [0x80]);
    end.unwrap();
}

#[test]
fn raw_bodies_and_responses_come_as_they_are() {
    let server = server_with(Action::RawBody("{oops".to_owned()));
    let answer = get(&server, ENDPOINTS).unwrap();
    assert_eq!((answer.status, answer.text()), (200, "{oops"));
    let raw = "HTTP/1.0 200 Fine\r\n\r\nuntil the end";
    server.set_faults(vec![Fault::on_request(Action::RawResponse(raw.to_owned()))]);
    let mut client = connect(&server).unwrap();
    client.send_get(ENDPOINTS, Some(server.token())).unwrap();
    let (bytes, end) = client.rest();
    assert_eq!(bytes, raw.as_bytes());
    end.unwrap();
}

#[test]
fn an_endless_body_goes_on_until_the_client_has_enough() {
    let server = server_with(Action::EndlessBody);
    let mut client = connect(&server).unwrap();
    client.send_get(ENDPOINTS, Some(server.token())).unwrap();
    let (code, headers) = client.receive_head().unwrap();
    assert_eq!((code, &*headers["transfer-encoding"]), (200, "chunked"));
    let mut count = 0;
    while count < 2_000_000 {
        count += client.piece().unwrap().len();
    }
    drop(client);
    wait(&server, |summary| summary.connections_open == 0);
}
