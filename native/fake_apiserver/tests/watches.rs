//! Watches: their events, and how they begin.

mod common;

use common::watch::{Watch, delete, put, version};
use common::{ENDPOINTS, connect, get, wait};
use fake_apiserver::{Rule, Server};
use serde_json::{Value, json};

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
    let list = get(&server, ENDPOINTS).unwrap().json();
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
    expired.start(&server, ENDPOINTS, &format!("resourceVersion={current}"));
    let next = put(&server, "a", "web", 3);
    expired.expect("MODIFIED", "a", next);
    open.expect("MODIFIED", "a", next);
    server.set_expired_as_status(true);
    let answer = get(&server, &format!("{ENDPOINTS}?watch=1&resourceVersion=1")).unwrap();
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
        let answer = get(&server, &format!("{ENDPOINTS}?watch=1&{query}")).unwrap();
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
    let path = format!("{ENDPOINTS}?watch=1&timeoutSeconds=-1");
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
    assert_eq!(client.get(ENDPOINTS, Some("watches")).unwrap().status, 403);
    assert_eq!(client.get(&path, None).unwrap().status, 401);
}
