//! Watches: bookmarks, and how a stream ends.

mod common;

use std::time::{Duration, Instant};

use common::watch::{Watch, put};
use common::{ENDPOINTS, LIMIT, wait};
use fake_apiserver::Server;
use serde_json::json;

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
    watch.start(&server, ENDPOINTS, "timeoutSeconds=-1");
    watch.expect("ADDED", "a", version);
    watch.expect_end();
    assert_eq!(watch.0.get(ENDPOINTS, Some(server.token())).unwrap().status, 200);
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
    watch.0.send_get(ENDPOINTS, Some(server.token())).unwrap();
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
    ended.start(&server, ENDPOINTS, "resourceVersion=2");
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
