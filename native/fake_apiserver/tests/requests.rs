//! What is no request of a list or watch, and what the journal tells of those that are.

mod common;

use common::{ENDPOINTS, connect, get, wait};
use fake_apiserver::{Rule, Server};
use serde_json::{Value, json};

#[test]
fn what_is_not_there_is_404_and_what_is_not_get_is_405() {
    let server = Server::start().unwrap();
    let missing = get(&server, "/api/v1/namespaces/default/services").unwrap();
    assert_eq!(missing.status, 404);
    assert_eq!(
        missing.json()["message"],
        "the server could not find the requested resource"
    );
    let nowhere = get(&server, "/apis/apps/v1/deployments").unwrap();
    assert_eq!((nowhere.status, nowhere.text()), (404, "404 page not found\n"));
    let old = get(&server, "/apis/discovery.k8s.io/v1beta1/endpointslices").unwrap();
    assert_eq!((old.status, &old.json()["kind"]), (404, &json!("Status")));
    let lost = get(&server, "/nowhere").unwrap();
    assert_eq!((lost.status, &lost.json()["paths"][0]), (404, &json!("/apis")));
    let token = server.token();
    let post = format!("POST {ENDPOINTS} HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Length: 2\r\n\r\n{{}}");
    let mut client = connect(&server).unwrap();
    let refused = client.exchange(&post).unwrap();
    assert_eq!(
        (refused.status, &refused.json()["reason"]),
        (405, &json!("MethodNotAllowed"))
    );
    assert_eq!(client.get(ENDPOINTS, Some(token)).unwrap().status, 200);
}

#[test]
fn bad_requests_end_their_connection_only() {
    let server = Server::start().unwrap();
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000));
    for (request, status) in [
        ("nonsense\r\n\r\n", 400),
        (long.as_str(), 431),
        ("GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
    ] {
        let mut client = connect(&server).unwrap();
        let answer = client.exchange(request).unwrap();
        assert_eq!((answer.status, &*answer.headers["connection"]), (status, "close"));
    }
    common::tcp(server.address()).unwrap();
    wait(&server, |summary| summary.connections_open == 0);
    assert_eq!(server.summary().requests, 0);
    assert_eq!(get(&server, ENDPOINTS).unwrap().status, 200);
}

#[test]
fn the_journal_tells_what_was_asked_but_not_the_token() {
    let server = Server::start().unwrap();
    server.put_token("secret", "someone", vec![Rule::everything()]);
    let mut client = connect(&server).unwrap();
    client
        .get(&format!("{ENDPOINTS}?labelSelector=a%3Db"), Some("secret"))
        .unwrap();
    client.get("/version", None).unwrap();
    let journal = server.journal();
    assert_eq!(journal.len(), 2);
    let (list, version) = (&journal[0], &journal[1]);
    assert_eq!(list["path"], ENDPOINTS);
    assert_eq!(list["query"], json!({"labelSelector": "a=b"}));
    assert_eq!(list["headers"], json!({"host": "x", "authorization": true}));
    assert_eq!((&list["user"], &list["status"]), (&json!("someone"), &json!(200)));
    assert_eq!((&version["user"], &version["status"]), (&Value::Null, &json!(401)));
    assert_eq!(list["connection"], version["connection"]);
    assert!(!format!("{journal:?}").contains("secret"));
    let summary = server.summary();
    assert_eq!(
        (summary.requests, summary.lists, summary.connections_accepted),
        (2, 1, 1)
    );
    server.clear_journal();
    let summary = server.summary();
    assert_eq!((summary.requests, summary.connections_open), (0, 1));
    assert!(server.journal().is_empty());
    drop(client);
    wait(&server, |summary| summary.connections_open == 0);
}
