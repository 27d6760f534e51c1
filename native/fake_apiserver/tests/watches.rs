//! Watches: their events, how they begin and end, what a test can make of them, and their faults.

mod common;

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use common::{Client, LIMIT, Tls, connect, control, get, wait};
use fake_apiserver::{Action, Fault, Rule, Server};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/namespaces/default/endpoints";

/// An open watch.
struct Watch(Client<Tls>);

impl Watch {
    fn open(server: &Server, query: &str) -> Self {
        Self::open_at(server, PATH, query)
    }

    fn open_at(server: &Server, path: &str, query: &str) -> Self {
        let mut watch = Self(connect(server).unwrap());
        watch.start(server, path, query);
        watch
    }

    fn start(&mut self, server: &Server, path: &str, query: &str) {
        let path = format!("{path}?watch=true&{query}");
        self.0.send_get(&path, Some(server.token())).unwrap();
        let (status, headers) = self.0.receive_head().unwrap();
        assert_eq!((status, &*headers["content-type"]), (200, "application/json"));
        assert_eq!(headers["transfer-encoding"], "chunked");
        assert!(!headers.contains_key("content-length"));
    }

    fn try_frame(&mut self) -> io::Result<Value> {
        let chunk = self.0.chunk()?;
        if chunk.is_empty() {
            return Ok(Value::Null);
        }
        assert!(chunk.ends_with(b"\n"), "one line is one chunk");
        Ok(serde_json::from_slice(&chunk).expect("JSON"))
    }

    /// The next frame; null is the end.
    fn frame(&mut self) -> Value {
        self.try_frame().unwrap()
    }

    /// Type, name and version of the next frame.
    fn event(&mut self) -> (String, String, u64) {
        let frame = self.frame();
        let metadata = &frame["object"]["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let version = text(&metadata["resourceVersion"]).parse().unwrap_or(0);
        (text(&frame["type"]), text(&metadata["name"]), version)
    }

    fn expect(&mut self, kind: &str, name: &str, version: u64) {
        assert_eq!(self.event(), (kind.to_owned(), name.to_owned(), version));
    }

    fn expect_end(&mut self) {
        assert_eq!(self.frame(), Value::Null);
    }

    /// Fails in the way of a stream that was cut.
    fn expect_cut(&mut self) {
        let (_, end) = self.0.rest();
        let kind = end.unwrap_err().kind();
        assert!(
            [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset].contains(&kind),
            "{kind}"
        );
    }
}

/// Stores an object with a label and a value; gives its version.
fn put(server: &Server, name: &str, app: &str, value: u64) -> u64 {
    let body = json!({"metadata": {"labels": {"app": app}}, "value": value});
    version(&server.put_object("endpoints", "default", name, &body))
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

fn delete(server: &Server, name: &str) -> u64 {
    version(&server.delete_object("endpoints", "default", name).unwrap())
}

fn set_fault(server: &Server, fault: &Value) {
    let faults = json!([fault]).to_string();
    let answer = control(server, "PUT", "/faults", &faults);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn events_look_like_the_real_ones() {
    let server = Server::start().unwrap();
    let mut watch = Watch::open(&server, "resourceVersion=1");
    let body = json!({"metadata": {"labels": {"a": "b"}}, "subsets": [{"addresses": [{"ip": "10.0.0.1"}]}]});
    let stored = server.put_object("endpoints", "default", "web", &body);
    let chunk = watch.0.chunk().unwrap();
    let text = std::str::from_utf8(&chunk).unwrap();
    let start = r#"{"type":"ADDED","object":{"kind":"Endpoints","apiVersion":"v1","metadata":{"name":"web","#;
    assert!(text.starts_with(start), "{text}");
    assert!(text.ends_with("}}\n"), "{text}");
    let frame: Value = serde_json::from_str(text).unwrap();
    assert_eq!(frame["object"]["metadata"], stored["metadata"]);
    assert_eq!(frame["object"]["subsets"], body["subsets"]);
}

#[test]
fn every_resource_can_be_watched_in_one_namespace_or_all() {
    let server = Server::start().unwrap();
    let slices = "/apis/discovery.k8s.io/v1";
    for (resource, prefix, kind, api) in [
        ("endpoints", "/api/v1", "Endpoints", "v1"),
        ("pods", "/api/v1", "Pod", "v1"),
        ("endpointslices", slices, "EndpointSlice", "discovery.k8s.io/v1"),
    ] {
        let mut one = Watch::open_at(&server, &format!("{prefix}/namespaces/default/{resource}"), "");
        let mut all = Watch::open_at(&server, &format!("{prefix}/{resource}"), "");
        // Neither another resource nor a namespace that begins the same.
        let other = if resource == "pods" { "endpoints" } else { "pods" };
        server.put_object(other, "default", "other", &json!({"of": resource}));
        server.put_object(resource, "default2", "far", &json!({}));
        let stored = server.put_object(resource, "default", "near", &json!({"from": resource}));
        let frame = one.frame();
        assert_eq!(frame["object"]["kind"], kind);
        assert_eq!(frame["object"]["apiVersion"], api);
        assert_eq!(version(&frame["object"]), version(&stored));
        let names = [all.event().1, all.event().1];
        assert_eq!(names, ["far", "near"]);
        server.clear_objects();
        assert_eq!(one.event().0, "DELETED");
    }
}

#[test]
fn a_selector_turns_changes_into_additions_and_deletions() {
    let server = Server::start().unwrap();
    let mut web = Watch::open(&server, "labelSelector=app%3Dweb&resourceVersion=1");
    let mut all = Watch::open(&server, "resourceVersion=1");
    put(&server, "a", "web", 1);
    put(&server, "a", "web", 2);
    put(&server, "a", "db", 3);
    put(&server, "a", "db", 4);
    put(&server, "a", "web", 5);
    put(&server, "b", "db", 6);
    delete(&server, "b");
    delete(&server, "a");
    web.expect("ADDED", "a", 2);
    web.expect("MODIFIED", "a", 3);
    let gone = web.frame();
    assert_eq!((&gone["type"], version(&gone["object"])), (&json!("DELETED"), 4));
    let last = &gone["object"];
    assert_eq!(
        (&last["value"], &last["metadata"]["labels"]["app"]),
        (&json!(2), &json!("web")),
        "the last state that was selected"
    );
    web.expect("ADDED", "a", 6);
    web.expect("DELETED", "a", 9);
    for (kind, name, version) in [
        ("ADDED", "a", 2),
        ("MODIFIED", "a", 3),
        ("MODIFIED", "a", 4),
        ("MODIFIED", "a", 5),
        ("MODIFIED", "a", 6),
        ("ADDED", "b", 7),
        ("DELETED", "b", 8),
        ("DELETED", "a", 9),
    ] {
        all.expect(kind, name, version);
    }
}

#[test]
fn a_field_selector_does_the_same() {
    let server = Server::start().unwrap();
    let query = "fieldSelector=status.phase%3DRunning&resourceVersion=1";
    let mut running = Watch::open_at(&server, "/api/v1/namespaces/default/pods", query);
    for phase in ["Pending", "Running", "Succeeded"] {
        server.put_object("pods", "default", "a", &json!({"status": {"phase": phase}}));
    }
    running.expect("ADDED", "a", 3);
    let gone = running.frame();
    assert_eq!((&gone["type"], version(&gone["object"])), (&json!("DELETED"), 4));
    assert_eq!(
        gone["object"]["status"]["phase"], "Running",
        "the last state that was selected"
    );
}

#[test]
fn without_a_version_the_present_comes_first() {
    let server = Server::start().unwrap();
    put(&server, "a", "web", 1);
    put(&server, "b", "db", 1);
    put(&server, "c", "web", 1);
    delete(&server, "c");
    put(&server, "a", "web", 2);
    for (query, next) in [("", 7), ("resourceVersion=", 8), ("resourceVersion=0", 9)] {
        let mut watch = Watch::open(&server, &format!("labelSelector=app%3Dweb&{query}"));
        watch.expect("ADDED", "a", next - 1);
        put(&server, "a", "web", next);
        watch.expect("MODIFIED", "a", next);
    }
}

#[test]
fn a_watch_resumes_without_loss_or_duplicate() {
    let server = Server::start().unwrap();
    let writer = std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            (0..500).for_each(|n| {
                put(&server, "a", "web", n);
            });
        });
        let mut seen = 1;
        while seen < 501 {
            // Another connection after every few events, cut or kept as it comes.
            let mut watch = Watch::open(&server, &format!("resourceVersion={seen}"));
            for _ in 0..7 {
                if seen < 501 {
                    let kind = if seen == 1 { "ADDED" } else { "MODIFIED" };
                    watch.expect(kind, "a", seen + 1);
                    seen += 1;
                }
            }
        }
        writing.join()
    });
    writer.unwrap();
    wait(&server, |summary| summary.watches_open == 0);
}

#[test]
fn a_list_and_a_watch_from_its_version_miss_nothing() {
    let server = Server::start().unwrap();
    put(&server, "a", "web", 1);
    let list = get(&server, PATH).unwrap().json();
    put(&server, "b", "web", 1);
    delete(&server, "a");
    let at = version(&list);
    let mut watch = Watch::open(&server, &format!("resourceVersion={at}"));
    watch.expect("ADDED", "b", at + 1);
    watch.expect("DELETED", "a", at + 2);
}

#[test]
fn an_expired_version_is_an_error_event_or_a_status() {
    let server = Server::start().unwrap();
    let mut open = Watch::open(&server, "resourceVersion=1");
    let mut silent = Watch::open(&server, "resourceVersion=1");
    server.set_watches_silent(true);
    let old = put(&server, "a", "web", 1);
    let current = put(&server, "a", "web", 2);
    server.compact();
    server.set_watches_silent(false);
    for watch in [&mut open, &mut silent] {
        watch.expect("ADDED", "a", old);
        watch.expect("MODIFIED", "a", current);
    }
    let mut expired = Watch::open(&server, &format!("resourceVersion={old}"));
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "too old resource version: 2 (3)", "reason": "Expired", "code": 410,
    });
    assert_eq!(expired.frame(), json!({"type": "ERROR", "object": status}));
    expired.expect_end();
    // The connection lives on, and the current version is not expired.
    expired.start(&server, PATH, &format!("resourceVersion={current}"));
    let next = put(&server, "a", "web", 3);
    expired.expect("MODIFIED", "a", next);
    open.expect("MODIFIED", "a", next);
    server.set_expired_as_status(true);
    let answer = get(&server, &format!("{PATH}?watch=1&resourceVersion=1")).unwrap();
    assert_eq!(
        (answer.status, answer.json()["reason"].as_str()),
        (410, Some("Expired"))
    );
    assert_eq!(answer.json()["message"], "too old resource version: 1 (3)");
}

#[test]
fn a_version_from_the_future_waits_for_it() {
    let server = Server::start().unwrap();
    let mut watch = Watch::open(&server, "resourceVersion=3&allowWatchBookmarks=true");
    server.send_bookmarks();
    put(&server, "a", "web", 1);
    put(&server, "a", "web", 2);
    let next = put(&server, "a", "web", 3);
    watch.expect("MODIFIED", "a", next);
}

#[test]
fn bad_parameters_are_refused_as_the_real_server_does() {
    let server = Server::start().unwrap();
    let refused = |query: &str| {
        let answer = get(&server, &format!("{PATH}?watch=1&{query}")).unwrap();
        (answer.status, answer.json()["message"].as_str().unwrap().to_owned())
    };
    let (status, message) = refused("resourceVersion=x");
    assert_eq!(status, 500);
    assert_eq!(
        message,
        "resourceVersion: Invalid value: \"x\": strconv.ParseUint: parsing \"x\": invalid syntax"
    );
    assert_eq!(refused("resourceVersion=-1").0, 500);
    let syntax = |text: &str| (400, format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"));
    assert_eq!(refused("timeoutSeconds=x"), syntax("x"));
    assert_eq!(refused("timeoutSeconds=0.5"), syntax("0.5"));
    assert_eq!(refused("limit=x"), syntax("x"));
    assert_eq!(refused("labelSelector=a%20b").0, 400);
    assert_eq!(refused("fieldSelector=a%3Db").0, 400);
    assert_eq!(server.summary().watches, 7);
    assert_eq!(server.summary().watches_open, 0);
}

#[test]
fn the_verb_watch_is_a_permission_of_its_own() {
    let server = Server::start().unwrap();
    server.put_token(
        "lists",
        "someone",
        vec![Rule::new(&["list"], &["endpoints"], &["default"])],
    );
    server.put_token(
        "watches",
        "other",
        vec![Rule::new(&["watch"], &["endpoints"], &["default"])],
    );
    let mut client = connect(&server).unwrap();
    let path = format!("{PATH}?watch=1&timeoutSeconds=-1");
    let refused = client.get(&path, Some("lists")).unwrap();
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.json()["message"],
        "endpoints is forbidden: User \"someone\" cannot watch resource \"endpoints\" in API group \"\" in the \
        namespace \"default\""
    );
    assert_eq!(client.get(&path, Some("watches")).unwrap().status, 200);
    assert_eq!(
        client.get("/api/v1/endpoints?watch=1", Some("watches")).unwrap().status,
        403
    );
    assert_eq!(client.get(PATH, Some("watches")).unwrap().status, 403);
    assert_eq!(client.get(&path, None).unwrap().status, 401);
}

#[test]
fn a_timeout_ends_cleanly_and_the_connection_lives_on() {
    let server = Server::start().unwrap();
    let start = Instant::now();
    let mut watch = Watch::open(&server, "timeoutSeconds=1&allowWatchBookmarks=true");
    let version = put(&server, "a", "web", 1);
    watch.expect("ADDED", "a", version);
    watch.expect_end();
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(1) && took < LIMIT, "{took:?}");
    assert_eq!(server.summary().watches_open, 0);
    watch.start(&server, PATH, "timeoutSeconds=-1");
    watch.expect("ADDED", "a", version);
    watch.expect_end();
    assert_eq!(watch.0.get(PATH, Some(server.token())).unwrap().status, 200);
    assert_eq!(server.summary().connections_accepted, 1);
}

#[test]
fn a_bookmark_comes_two_seconds_before_the_timeout() {
    let server = Server::start().unwrap();
    let start = Instant::now();
    let mut with = Watch::open(&server, "timeoutSeconds=3&allowWatchBookmarks=1");
    let mut without = Watch::open(&server, "timeoutSeconds=3");
    with.expect("BOOKMARK", "", 1);
    assert!(start.elapsed() < Duration::from_millis(2500), "{:?}", start.elapsed());
    with.expect_end();
    without.expect_end();
}

#[test]
fn bookmarks_come_regularly_and_on_demand() {
    let server = Server::start().unwrap();
    let mut watch = Watch::open(&server, "resourceVersion=1&allowWatchBookmarks=true");
    let mut plain = Watch::open(&server, "resourceVersion=1");
    assert_eq!(server.send_bookmarks(), 2);
    let object = json!({
        "kind": "Endpoints", "apiVersion": "v1", "metadata": {"resourceVersion": "1", "creationTimestamp": null},
    });
    assert_eq!(watch.frame(), json!({"type": "BOOKMARK", "object": object}));
    // Versions of other resources count, and a bookmark comes after what it covers.
    server.put_object("pods", "default", "x", &json!({}));
    put(&server, "a", "web", 1);
    server.send_bookmarks();
    watch.expect("ADDED", "a", 3);
    watch.expect("BOOKMARK", "", 3);
    server.set_bookmarks(Some(Duration::from_millis(10)));
    for _ in 0..3 {
        watch.expect("BOOKMARK", "", 3);
    }
    server.set_bookmarks(None);
    let next = put(&server, "a", "web", 2);
    let after: Vec<_> = std::iter::repeat_with(|| watch.event())
        .skip_while(|(kind, ..)| kind == "BOOKMARK")
        .take(1)
        .collect();
    assert_eq!(after, [("MODIFIED".to_owned(), "a".to_owned(), next)]);
    plain.expect("ADDED", "a", 3);
    plain.expect("MODIFIED", "a", next);
}

#[test]
fn an_event_is_on_the_wire_at_once() {
    let server = Server::start().unwrap();
    let mut watch = Watch::open(&server, "resourceVersion=1");
    let mut times: Vec<Duration> = (0..51)
        .map(|n| {
            let start = Instant::now();
            let version = put(&server, "a", "web", n);
            assert_eq!(watch.event().2, version);
            start.elapsed()
        })
        .collect();
    times.sort();
    // Usually some 100 microseconds; what it must not be is the 50 ms of the poll.
    assert!(times[25] < Duration::from_millis(10), "{times:?}");
}

#[test]
fn hundreds_of_watches_see_every_event() {
    const COUNT: usize = 300;
    let server = Server::start().unwrap();
    let mut watches: Vec<Watch> = (0..COUNT).map(|_| Watch::open(&server, "resourceVersion=1")).collect();
    wait(&server, |summary| summary.watches_open == COUNT as u64);
    for n in 0..5 {
        put(&server, "a", "web", n);
    }
    for watch in &mut watches {
        watch.expect("ADDED", "a", 2);
        for version in 3..7 {
            watch.expect("MODIFIED", "a", version);
        }
    }
    drop(watches);
    wait(&server, |summary| {
        (summary.watches_open, summary.connections_open) == (0, 0)
    });
}

#[test]
fn a_client_that_hangs_up_is_noticed_without_events() {
    let server = Server::start().unwrap();
    let abrupt = Watch::open(&server, "");
    let mut polite = Watch::open(&server, "");
    wait(&server, |summary| summary.watches_open == 2);
    drop(abrupt);
    wait(&server, |summary| {
        (summary.watches_open, summary.connections_open) == (1, 1)
    });
    polite.0.stream.conn.send_close_notify();
    polite.0.send("").unwrap();
    wait(&server, |summary| {
        (summary.watches_open, summary.connections_open) == (0, 0)
    });
}

#[test]
fn a_request_sent_ahead_waits_for_the_end_of_the_watch() {
    let server = Server::start().unwrap();
    let mut watch = Watch::open(&server, "");
    watch.0.send_get(PATH, Some(server.token())).unwrap();
    // Longer than it takes to notice a client that left.
    for n in 0..20 {
        put(&server, "a", "web", n);
        watch.event();
        assert!(
            server
                .wait_until(Duration::from_millis(10), |s| s.watches_open == 0)
                .is_err()
        );
    }
    server.end_watches();
    watch.expect_end();
    assert_eq!(watch.0.receive().unwrap().status, 200);
}

#[test]
fn streams_end_cleanly_or_are_cut_on_demand() {
    let server = Server::start().unwrap();
    let mut ended = Watch::open(&server, "resourceVersion=1");
    put(&server, "a", "web", 1);
    server.end_watches();
    assert_eq!(server.summary().watches_open, 0);
    ended.expect("ADDED", "a", 2);
    ended.expect_end();
    ended.start(&server, PATH, "resourceVersion=2");
    server.cut_watches();
    assert_eq!(server.summary().watches_open, 0);
    ended.expect_cut();
    wait(&server, |summary| summary.connections_open == 0);
}

#[test]
fn a_server_stops_under_watches() {
    let server = Server::start().unwrap();
    let mut watch = Watch::open(&server, "");
    let start = Instant::now();
    drop(server);
    assert!(start.elapsed() < Duration::from_secs(1));
    watch.expect_cut();
}

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
    let expired = get(&server, &format!("{PATH}?watch=1&resourceVersion=1")).unwrap();
    assert_eq!(expired.status, 410);
    watch.start(&server, PATH, "");
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
    watch.0.get(PATH, Some(server.token())).unwrap();
    assert!(server.journal()[0].get("watch").is_none());
    let summary = server.summary();
    assert_eq!((summary.watches, summary.lists, summary.watches_open), (0, 1, 0));
}

#[test]
fn the_faults_of_lists_strike_watches_too() {
    let server = Server::start().unwrap();
    put(&server, "a", "web", 1);
    let path = format!("{PATH}?watch=1&timeoutSeconds=-1");
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
    assert_eq!(get(&server, PATH).unwrap().status, 200, "a list is no watch");
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
    let whole = get(&server, &format!("{PATH}?watch=1&timeoutSeconds=-1")).unwrap().body;
    put(&server, "a", "web", 2);
    for length in [0, 1, 100, whole.len(), whole.len() + 10] {
        let action = json!({"cut_after_bytes": length});
        set_fault(&server, &json!({"at": "request", "times": 1, "do": action}));
        assert_eq!(get(&server, PATH).unwrap().status, 200, "it is for watches only");
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
