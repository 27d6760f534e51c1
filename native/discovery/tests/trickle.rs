//! A watch that trickles: what counts is what is whole.

mod common;

use std::time::Duration;

use common::running::Running;
use common::{assert_complete, config, server};
use discovery::watch::report::Ending;
use discovery::{Config, Event, Kind, Report};
use fake_apiserver::{Action, Fault, Rule, Server};
use serde_json::json;

/// Much slower than any of the limits here, byte for byte, and never silent for as long.
const TRICKLE: Duration = Duration::from_millis(50);

fn watching(server: &Server, action: Action) -> Config {
    server.set_faults(vec![Fault::on_request(action).verb("watch")]);
    Config {
        watch: true,
        request_timeout: Duration::from_millis(400),
        watch_silence: Duration::from_millis(400),
        ..config(server)
    }
}

fn put(server: &Server) {
    let body = json!({
        "metadata": {"labels": {"app": "web"}},
        "subsets": [{"addresses": [{"ip": "10.0.0.7"}]}],
    });
    server.put_object("endpoints", "default", "more", &body);
}

#[test]
fn a_refusal_whose_body_trickles_is_one_within_the_request_timeout() {
    let server = server();
    server.put_token(
        server.token(),
        "limited",
        vec![Rule::new(&["list"], &["endpoints"], &["default"])],
    );
    let drip = Action::Drip {
        bytes: 1,
        every: TRICKLE,
    };
    let running = Running::start(watching(&server, drip));
    assert_complete(&running.snapshot());
    let snapshot = running.snapshot();
    assert!(snapshot.warnings[0].contains("HTTP 403"), "{snapshot:?}");
}

#[test]
fn a_head_that_trickles_is_none_within_the_request_timeout() {
    let server = server();
    let drip = Action::DripHead {
        bytes: 1,
        every: TRICKLE,
    };
    let running = Running::start(watching(&server, drip));
    assert_complete(&running.snapshot());
    assert_eq!(running.error().kind, Kind::Timeout);
}

#[test]
fn a_stream_that_trickles_and_tells_nothing_whole_is_silent() {
    let server = server();
    let drip = Action::Drip {
        bytes: 1,
        every: TRICKLE,
    };
    let running = Running::start(watching(&server, drip));
    assert_complete(&running.snapshot());
    running.expect_watching();
    put(&server);
    let ended = |report: &Report| matches!(report, Report::Watched { ended, .. } if (ended.ending, ended.events) == (Ending::Silent, 0));
    while !ended(&running.report()) {}
    // Nobody knows what it would have told: only a list does.
    running.until(|event| matches!(event, Event::Snapshot(snapshot) if snapshot.ready.len() == 3));
}

#[test]
fn a_stream_that_trickles_and_tells_something_whole_again_and_again_is_not() {
    let server = server();
    let drip = Action::Drip {
        bytes: 40,
        every: TRICKLE / 10,
    };
    let running = Running::start(watching(&server, drip));
    assert_complete(&running.snapshot());
    running.expect_watching();
    for _ in 0..10 {
        server.send_bookmarks();
        assert!(running.events.recv_timeout(Duration::from_millis(100)).is_err());
    }
    put(&server);
    assert_eq!(running.snapshot().ready.len(), 3);
    assert_eq!((server.summary().lists, server.summary().watches), (1, 1));
}

#[test]
fn a_stream_that_ends_at_once_and_tells_nothing_is_reported_as_useless() {
    let server = server();
    let running = Running::start(watching(&server, Action::RawBody(String::new())));
    assert_complete(&running.snapshot());
    let useless = |report: &Report| matches!(report, Report::Watched { ended, .. } if (ended.ending, ended.events) == (Ending::Useless, 0));
    while !useless(&running.report()) {}
}
