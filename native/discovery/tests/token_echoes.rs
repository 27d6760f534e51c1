//! The token appears nowhere, whatever a server makes of it.

mod common;

use common::{endpoints, list, lister, page, server, server_with, status_saying, write_token};
use discovery::Kind;
use fake_apiserver::{Action, Fault};
use serde_json::json;

/// What the service account's token looks like in a real cluster: a JWT of some 900 characters.
fn long_token() -> String {
    let part = |letter: &str, length| letter.repeat(length);
    format!("{}.{}.{}", part("h", 90), part("p", 500), part("s", 342))
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
fn an_answer_that_repeats_the_token_is_refused() {
    let server = server();
    let object = endpoints(server.token());
    server.set_faults(vec![Fault::on_request(Action::RawBody(page(&json!([object]), None)))]);
    let error = list(&server).unwrap_err();
    assert_eq!(error.kind, Kind::Malformed);
    assert!(error.message.contains("repeats the token"), "{error}");
    assert!(!error.message.contains(server.token()), "{error}");
}
