//! What a test can make of watches, and their faults.

mod common;

use std::io::ErrorKind;

use common::watch::{Watch, put, set_fault, version};
use common::{ENDPOINTS, connect, control, get, wait};
use fake_apiserver::{Action, Fault, Server};
use serde_json::{Value, json};

#[test]
fn a_test_can_send_what_it_likes_into_the_streams() {
    let server = Server::start().unwrap();
    let mut watch = Watch::open(&server, "resourceVersion=1");
    put(&server, "a", "web", 1);
    assert_eq!(server.send_to_watches("nonsense\n"), 1);
    assert_eq!(server.send_to_watches(""), 1, "an empty chunk would be the end");
    let deleted = r#"{"type":"DELETED","object":{"kind":"Endpoints","metadata":{"name":"never"}}}"#;
    server.send_to_watches(format!("{deleted}\n"));
    put(&server, "a", "web", 2);
    watch.expect("ADDED", "a", 2);
    assert_eq!(watch.0.chunk().unwrap(), b"nonsense\n");
    watch.expect("DELETED", "never", 0);
    watch.expect("MODIFIED", "a", 3);
}

#[test]
fn silence_holds_back_everything_but_the_words_of_the_test() {
    let server = Server::start().unwrap();
    put(&server, "a", "web", 1);
    let mut open = Watch::open(&server, "resourceVersion=2&allowWatchBookmarks=true");
    server.set_watches_silent(true);
    let mut new = Watch::open(&server, "timeoutSeconds=-1");
    put(&server, "a", "web", 2);
    server.send_bookmarks();
    server.send_to_watches("now\n");
    assert_eq!(open.0.chunk().unwrap(), b"now\n");
    assert_eq!(new.0.chunk().unwrap(), b"now\n");
    // Neither the present nor the timeout came.
    assert_eq!(server.summary().watches_open, 2);
    server.set_watches_silent(false);
    open.expect("MODIFIED", "a", 3);
    open.expect("BOOKMARK", "", 3);
    new.expect("ADDED", "a", 2);
    new.expect("MODIFIED", "a", 3);
    new.expect_end();
    server.set_watches_silent(true);
    put(&server, "a", "web", 3);
    server.end_watches();
    open.expect_end();
}

#[test]
fn the_control_port_does_what_the_handle_does_with_watches() {
    let server = Server::start().unwrap();
    let call = |method, path: &str, body: &str| {
        let answer = control(&server, method, path, body);
        (answer.status, answer.json())
    };
    let ok = (200, json!({}));
    let one = (200, json!({"watches": 1}));
    let mut watch = Watch::open(&server, "allowWatchBookmarks=true");
    let waited = "/journal/summary?watches=1&watches_open=1";
    assert_eq!(call("GET", waited, "").0, 200);
    assert_eq!(call("GET", "/journal/summary?watches_open=0&timeout_ms=1", "").0, 408);
    assert_eq!(call("PUT", "/objects/endpoints/default/a", "{}").0, 200);
    watch.expect("ADDED", "a", 2);
    assert_eq!(call("POST", "/bookmark", ""), one);
    watch.expect("BOOKMARK", "", 2);
    assert_eq!(call("PUT", "/watches/silent", "true"), ok);
    assert_eq!(call("POST", "/watches/send", "\"}\n"), one);
    assert_eq!(watch.0.chunk().unwrap(), b"\"}\n");
    assert_eq!(call("DELETE", "/objects", ""), ok);
    assert_eq!(call("PUT", "/watches/silent", "false"), ok);
    watch.expect("DELETED", "a", 3);
    assert_eq!(call("PUT", "/bookmarks", r#"{"every_ms":5}"#), ok);
    watch.expect("BOOKMARK", "", 3);
    assert_eq!(call("PUT", "/bookmarks", r#"{"every_ms":0}"#), ok);
    assert_eq!(call("POST", "/watches/end", ""), ok);
    while watch.frame() != Value::Null {}
    assert_eq!(call("POST", "/compact", ""), ok);
    assert_eq!(call("PUT", "/watches/expired_as_status", "true"), ok);
    let expired = get(&server, &format!("{ENDPOINTS}?watch=1&resourceVersion=1")).unwrap();
    assert_eq!(expired.status, 410);
    watch.start(&server, ENDPOINTS, "");
    assert_eq!(call("POST", "/watches/cut", ""), ok);
    watch.expect_cut();
    assert_eq!(call("GET", "/journal/summary?watches_open=0", "").1["watches"], 3);
    for (method, path, body) in [
        ("PUT", "/bookmarks", "{}"),
        ("PUT", "/bookmarks", r#"{"every":1}"#),
        ("PUT", "/watches/silent", "1"),
        ("PUT", "/watches/expired_as_status", ""),
    ] {
        assert_eq!(call(method, path, body).0, 400, "{method} {path} {body}");
    }
}

#[test]
fn the_journal_tells_watches_from_lists() {
    let server = Server::start().unwrap();
    let mut watch = Watch::open(&server, "resourceVersion=1");
    let journal = server.journal();
    assert_eq!(
        (&journal[0]["watch"], &journal[0]["status"]),
        (&json!(true), &json!(200))
    );
    assert_eq!(journal[0]["query"], json!({"watch": "true", "resourceVersion": "1"}));
    server.clear_journal();
    let summary = server.summary();
    assert_eq!((summary.watches, summary.watches_open), (0, 1));
    server.end_watches();
    watch.expect_end();
    watch.0.get(ENDPOINTS, Some(server.token())).unwrap();
    assert!(server.journal()[0].get("watch").is_none());
    let summary = server.summary();
    assert_eq!((summary.watches, summary.lists, summary.watches_open), (0, 1, 0));
}

#[test]
fn the_faults_of_lists_strike_watches_too() {
    let server = Server::start().unwrap();
    put(&server, "a", "web", 1);
    let path = format!("{ENDPOINTS}?watch=1&timeoutSeconds=-1");
    let fault = |action: Value| {
        let fault = json!({"at": "request", "verb": "watch", "times": 1, "do": action});
        set_fault(&server, &fault);
    };
    let ask = || {
        let mut client = connect(&server).unwrap();
        client.send_get(&path, Some(server.token())).unwrap();
        client
    };
    fault(json!({"status": {"code": 429, "headers": {"retry-after": 1}}}));
    assert_eq!(get(&server, ENDPOINTS).unwrap().status, 200, "a list is no watch");
    assert_eq!(ask().receive().unwrap().status, 429);
    fault(json!({"status": {"code": 410}}));
    assert_eq!(ask().receive().unwrap().json()["reason"], "Expired");
    fault(json!({"raw_body": "{oops"}));
    assert_eq!(ask().receive().unwrap().text(), "{oops");
    fault(json!("close"));
    let (bytes, end) = ask().rest();
    assert!(bytes.is_empty() && end.is_ok());
    fault(json!("reset"));
    assert_eq!(ask().rest().1.unwrap_err().kind(), ErrorKind::ConnectionReset);
    for action in [json!("hang"), json!({"headers_then_hang": true})] {
        fault(action.clone());
        let before = server.summary().watches;
        let mut client = ask();
        if action != "hang" {
            let (status, headers) = client.receive_head().unwrap();
            assert_eq!((status, &*headers["transfer-encoding"]), (200, "chunked"));
        }
        wait(&server, |summary| summary.watches > before);
        server.clear_faults();
        assert!(client.rest().0.is_empty());
    }
    fault(json!({"drip": {"bytes": 20, "every_ms": 1}}));
    let dripped = ask().receive().unwrap();
    assert_eq!(dripped.json()["type"], "ADDED");
    assert_eq!(ask().receive().unwrap().text(), dripped.text());
}

#[test]
fn a_stream_can_be_cut_after_any_byte() {
    let server = Server::start().unwrap();
    put(&server, "a", "web", 1);
    let whole = get(&server, &format!("{ENDPOINTS}?watch=1&timeoutSeconds=-1"))
        .unwrap()
        .body;
    put(&server, "a", "web", 2);
    for length in [0, 1, 100, whole.len(), whole.len() + 10] {
        let action = json!({"cut_after_bytes": length});
        set_fault(&server, &json!({"at": "request", "times": 1, "do": action}));
        assert_eq!(get(&server, ENDPOINTS).unwrap().status, 200, "it is for watches only");
        let mut watch = Watch::open(&server, "resourceVersion=1");
        let (bytes, end) = watch.0.rest();
        assert_eq!(end.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        let body: Vec<u8> = String::from_utf8(bytes)
            .unwrap()
            .split_inclusive("\r\n")
            .filter(|line| usize::from_str_radix(line.trim_end(), 16).is_err() && *line != "\r\n")
            .flat_map(|line| line.trim_end_matches("\r\n").bytes())
            .collect();
        assert_eq!(body.len(), length);
        assert_eq!(body[..length.min(whole.len())], whole[..length.min(whole.len())]);
    }
}

#[test]
fn endless_bookmarks_end_with_their_client_or_their_fault() {
    let server = Server::start().unwrap();
    server.set_faults(vec![Fault::on_request(Action::EndlessBookmarks)]);
    let mut gone = Watch::open(&server, "allowWatchBookmarks=true");
    for _ in 0..10_000 {
        assert_eq!(gone.event().0, "BOOKMARK");
    }
    drop(gone);
    wait(&server, |summary| summary.connections_open == 0);
    let mut cut = Watch::open(&server, "allowWatchBookmarks=true");
    cut.frame();
    server.clear_faults();
    cut.expect_cut();
}

#[test]
fn endless_bookmarks_are_not_beyond_what_they_hold_back() {
    let server = Server::start().unwrap();
    let first = put(&server, "a", "web", 1);
    server.set_faults(vec![Fault::on_request(Action::EndlessBookmarks)]);
    let query = format!("allowWatchBookmarks=true&labelSelector=app%3Dweb&resourceVersion={first}");
    let mut watch = Watch::open(&server, &query);
    watch.expect("BOOKMARK", "", first);
    let passed = put(&server, "b", "other", 1);
    while watch.event().2 < passed {}
    put(&server, "a", "web", 2);
    for _ in 0..10_000 {
        watch.expect("BOOKMARK", "", passed);
    }
}

#[test]
fn endless_bookmarks_are_not_beyond_what_a_silent_watch_holds_back() {
    let server = Server::start().unwrap();
    let first = put(&server, "a", "web", 1);
    server.set_watches_silent(true);
    server.set_faults(vec![Fault::on_request(Action::EndlessBookmarks)]);
    let mut watch = Watch::open(&server, &format!("allowWatchBookmarks=true&resourceVersion={first}"));
    watch.expect("BOOKMARK", "", first);
    put(&server, "a", "web", 2);
    for _ in 0..10_000 {
        watch.expect("BOOKMARK", "", first);
    }
}

#[test]
fn a_huge_frame_comes_first() {
    let server = Server::start().unwrap();
    let first = put(&server, "a", "web", 1);
    let second = put(&server, "a", "web", 2);
    server.set_faults(vec![Fault::on_request(Action::HugeFrame(200_000)).times(1)]);
    let mut watch = Watch::open(&server, &format!("resourceVersion={first}"));
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        line.extend(watch.0.chunk().unwrap());
    }
    assert_eq!(line.len(), 200_001);
    let frame: Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(frame["object"]["metadata"]["name"], "huge");
    // Whoever goes on from it misses nothing.
    assert_eq!(version(&frame["object"]), first);
    watch.expect("MODIFIED", "a", second);
}

#[test]
fn faults_for_watches_ask_for_watches() {
    for bad in [
        json!({"at": "accept", "do": {"huge_frame": 1}}),
        json!({"at": "request", "verb": "list", "do": {"cut_after_bytes": 1}}),
        json!({"at": "request", "do": {"cut_after_bytes": "x"}}),
    ] {
        assert!(Fault::from_json(&bad).is_err(), "{bad}");
    }
}
