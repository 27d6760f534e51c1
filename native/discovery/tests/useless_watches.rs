//! Watches that open, or not, and are of no use, as behind a proxy that takes each answer for one that ends: lists work, so the
//! topology polls, and says so.

mod common;

use std::time::{Duration, Instant};

use common::running::{Running, errors};
use common::watching::{assert_works, error_line, on_watch, put};
use common::{LIMIT, assert_complete, config, endpoints, page, server, status};
use discovery::{Config, Event};
use fake_apiserver::Action;
use serde_json::json;

/// Streams must have been useless for five seconds; pauses and a busy machine come on top.
const POLLS_WITHIN: Duration = Duration::from_secs(30);

/// Starts one whose watches are like that, and finds it polling: a new member is seen, and the snapshot says why.
fn assert_polls(what: &str, action: Action, reason: &str) {
    let server = server();
    server.set_faults(vec![on_watch(action)]);
    let running = Running::start(Config {
        watch: true,
        watch_retry: Duration::from_hours(1),
        ..config(&server)
    });
    assert_complete(&running.snapshot());
    let warned = |event: &Event| matches!(event, Event::Snapshot(snapshot) if !snapshot.warnings.is_empty());
    let mut said = running.ticking_until(POLLS_WITHIN, warned);
    let Some(Event::Snapshot(snapshot)) = said.pop() else {
        panic!("{what}: {said:?}");
    };
    assert_complete(&snapshot);
    let [warning] = &snapshot.warnings[..] else {
        panic!("{what}: {:?}", snapshot.warnings);
    };
    assert!(
        warning.ends_with(" Until then it polls every polling_interval") && warning.contains(reason),
        "{what}: {warning}"
    );
    assert!(
        !said.iter().any(|event| matches!(event, Event::Snapshot(_))),
        "{what}: {said:?}"
    );
    // Now each tick is answered.
    put(&server, "more", "10.0.0.7");
    let watches = server.summary().watches;
    running.refresh();
    let said = running.until_ready(&["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.7"]);
    assert!(errors(&said).is_empty(), "{what}: {said:?}");
    for _ in 0..3 {
        running.refresh();
        running.expect_unchanged();
    }
    assert_eq!(server.summary().watches, watches, "{what}: not tried again so soon");
}

#[test]
fn whatever_breaks_watches_only_the_topology_polls() {
    let list = page(&json!([endpoints("10.0.0.1")]), None);
    let cut_short =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n14\r\n{\"type\":\"ADDED\",\"obj\r\n".to_owned();
    let cases = [
        ("200 and empty", Action::RawBody(String::new()), "tell nothing"),
        ("cut at once", Action::CutAfterBytes(0), "cannot watch endpoints"),
        (
            "cut after 20 bytes",
            Action::RawResponse(cut_short),
            "cannot watch endpoints",
        ),
        ("reset", Action::Reset, "cannot watch endpoints"),
        (
            "a list instead",
            Action::RawBody(list.clone()),
            "cannot watch endpoints",
        ),
        (
            "a list and a line feed",
            Action::RawBody(list + "\n"),
            "cannot watch endpoints",
        ),
        ("ERROR 500", Action::RawBody(error_line(500)), "the reason"),
        ("ERROR 429", Action::RawBody(error_line(429)), "the reason"),
        (
            "ERROR 410",
            Action::RawBody(error_line(410)),
            "has forgotten each version",
        ),
        ("503", status(503), "HTTP 503"),
    ];
    std::thread::scope(|scope| {
        for (what, action, reason) in cases {
            scope.spawn(move || assert_polls(what, action, reason));
        }
    });
}

#[test]
fn watching_goes_on_when_it_works_again() {
    let server = server();
    server.set_faults(vec![on_watch(Action::RawBody(String::new()))]);
    let running = Running::start(Config {
        watch: true,
        watch_retry: Duration::from_millis(100),
        ..config(&server)
    });
    running.ticking_until(
        POLLS_WITHIN,
        |event| matches!(event, Event::Snapshot(snapshot) if !snapshot.warnings.is_empty()),
    );
    server.clear_faults();
    let watches = server.summary().watches;
    let deadline = Instant::now() + LIMIT;
    while server.summary().watches == watches {
        assert!(Instant::now() < deadline, "not tried again");
        running.refresh();
        let _ = running.events.recv_timeout(Duration::from_millis(20));
    }
    // It is believed when it has told something.
    put(&server, "more", "10.0.0.7");
    let said = running.until_watching();
    assert!(errors(&said).is_empty());
    let told = said.iter().any(
        |event| matches!(event, Event::Snapshot(snapshot) if snapshot.ready.len() == 3 && snapshot.warnings.is_empty()),
    );
    assert!(told, "{said:?}");
    assert_works(&server, &running);
}
