//! Streams that end and are resumed from where they were: nothing is lost, and no list is asked for.

mod common;

use std::time::{Duration, Instant};

use common::running::{Running, errors, snapshots};
use common::watching::{assert_works, elsewhere, error_line, let_it_hear, on_watch, put, watches};
use common::{assert_complete, config, server, status, wait};
use discovery::{Config, Event, Kind};
use fake_apiserver::Action;
use serde_json::json;

/// The names that [`server`] has ready.
const FIRST: [&str; 2] = ["app@10.0.0.1", "app@10.0.0.2"];

#[test]
fn a_clean_end_is_resumed_from_the_last_event() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    let last = put(&server, "more", "10.0.0.7");
    running.snapshot();
    elsewhere(&server);
    server.end_watches();
    running.expect_watching();
    assert_eq!(watches(&server)[1]["resourceVersion"], json!(last));
    assert_works(&server, &running);
    assert_eq!((server.summary().lists, server.summary().handshakes_completed), (1, 1));
}

#[test]
fn a_clean_end_is_resumed_from_the_last_bookmark() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    put(&server, "more", "10.0.0.7");
    running.snapshot();
    let last = elsewhere(&server);
    server.send_bookmarks();
    server.end_watches();
    running.expect_watching();
    assert_eq!(watches(&server)[1]["resourceVersion"], json!(last));
    assert_eq!(server.summary().lists, 1);
}

/// Nobody has to list because a cluster was quiet for longer than the server remembers.
#[test]
fn a_bookmark_saves_a_quiet_watch_from_compaction() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    elsewhere(&server);
    server.compact();
    server.send_bookmarks();
    server.end_watches();
    running.expect_watching();
    assert_works(&server, &running);
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn a_stream_that_ends_before_it_is_heard_is_resumed_without_a_word() {
    let server = server();
    let (running, first) = Running::watching(config(&server));
    server.end_watches();
    wait(&server, |summary| summary.watches == 2);
    assert_eq!(watches(&server)[1]["resourceVersion"], json!(first.resource_version));
    assert_works(&server, &running);
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn streams_that_end_at_once_back_off() {
    let server = server();
    server.set_faults(vec![on_watch(Action::RawBody(String::new()))]);
    let (_running, _) = Running::watching(config(&server));
    let more = server.wait_until(Duration::from_millis(1_500), |summary| summary.watches > 8);
    assert!(more.is_err(), "{:?}", server.summary());
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn a_cut_stream_is_resumed_and_nothing_is_lost() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    let_it_hear(&server, &running, "heard");
    server.cut_watches();
    put(&server, "meanwhile", "10.0.0.7");
    let said = running.until_ready(&["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.7"]);
    assert!(errors(&said).is_empty(), "a stream that worked: {said:?}");
    assert_eq!((server.summary().lists, server.summary().watches), (1, 2));
}

#[test]
fn a_stream_that_is_cut_before_it_is_heard_is_an_error() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    server.cut_watches();
    let error = running.error();
    assert_eq!(error.kind, Kind::Connect);
    assert!(error.message.contains("cannot watch endpoints"), "{error}");
    assert_works(&server, &running);
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn a_line_that_is_cut_short_counts_only_when_it_comes_whole() {
    for bytes in [1, 40, 150] {
        let server = server();
        server.set_faults(vec![on_watch(Action::CutAfterBytes(bytes)).times(1)]);
        let (running, _) = Running::watching(config(&server));
        put(&server, "more", "10.0.0.7");
        let said = running.until_ready(&["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.7"]);
        assert_eq!(errors(&said).len(), 1, "{said:?}");
        assert_eq!(errors(&said)[0].kind, Kind::Connect);
        assert_eq!((server.summary().lists, server.summary().watches), (1, 2));
    }
}

#[test]
fn what_changed_while_the_server_was_away_arrives_when_it_is_back() {
    let server = server();
    put(&server, "leaving", "10.0.0.6");
    let (running, _) = Running::watching(config(&server));
    let_it_hear(&server, &running, "heard-1");
    server.set_listening(false).unwrap();
    assert_eq!(running.error().kind, Kind::Connect);
    put(&server, "more", "10.0.0.7");
    put(&server, "changing", "10.0.0.8");
    put(&server, "changing", "10.0.0.9");
    server.delete_object("endpoints", "default", "leaving");
    server.set_listening(true).unwrap();
    let said = running.until_ready(&["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.7", "app@10.0.0.9"]);
    assert!(said.iter().any(|event| matches!(event, Event::Watching)));
    assert!(errors(&said).iter().all(|error| error.kind == Kind::Connect));
    for snapshot in snapshots(&said) {
        assert!(
            FIRST
                .iter()
                .all(|&name| snapshot.ready.iter().any(|ready| ready == name))
        );
    }
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn an_error_event_of_a_stream_that_was_heard_is_resumed_without_a_word() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    for code in [500, 429, 403] {
        let last = put(&server, "counter", &format!("10.0.1.{}", code - 400));
        running.snapshot();
        server.send_to_watches(error_line(code));
        running.expect_watching();
        assert_eq!(watches(&server).last().unwrap()["resourceVersion"], json!(last));
    }
    assert_works(&server, &running);
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn an_error_event_of_a_stream_that_told_nothing_is_an_error() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    server.send_to_watches(error_line(500));
    let error = running.error();
    assert_eq!(error.status, Some(500));
    assert!(error.message.contains("the reason"), "{error}");
    assert_works(&server, &running);
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn a_watch_that_fails_to_open_is_an_error_and_tried_again_without_a_list() {
    let server = server();
    server.set_faults(vec![
        on_watch(status(503)).times(1),
        // It is repeated once on a new connection.
        on_watch(Action::Close).times(2),
        on_watch(Action::RawResponse("no HTTP\r\n\r\n".to_owned())).times(1),
    ]);
    let running = Running::start(Config {
        watch: true,
        ..config(&server)
    });
    assert_complete(&running.snapshot());
    let kinds: Vec<_> = errors(&running.until_watching())
        .iter()
        .map(|error| error.kind)
        .collect();
    assert_eq!(kinds.len(), 3, "{kinds:?}");
    assert_eq!(kinds[0], Kind::Server);
    assert_works(&server, &running);
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn a_watch_that_is_asked_to_wait_waits() {
    let server = server();
    let start = Instant::now();
    server.set_faults(vec![
        on_watch(Action::Status {
            code: 429,
            body: None,
            headers: vec![("retry-after".to_owned(), "1".to_owned())],
        })
        .times(1),
    ]);
    let running = Running::start(Config {
        watch: true,
        ..config(&server)
    });
    assert_complete(&running.snapshot());
    let error = running.error();
    assert_eq!(error.kind, Kind::RateLimited);
    assert!(error.message.contains("cannot watch endpoints"), "{error}");
    running.expect_watching();
    assert!(start.elapsed() >= Duration::from_secs(1), "after {:?}", start.elapsed());
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn a_watch_without_an_answer_times_out_and_is_tried_again() {
    let server = server();
    server.set_faults(vec![on_watch(Action::Hang).times(1)]);
    let running = Running::start(Config {
        watch: true,
        request_timeout: Duration::from_millis(300),
        ..config(&server)
    });
    assert_complete(&running.snapshot());
    let error = running.error();
    assert_eq!(error.kind, Kind::Timeout);
    assert!(error.message.contains("no complete answer"), "{error}");
    running.expect_watching();
    assert_works(&server, &running);
    assert_eq!(server.summary().lists, 1);
}
