//! Streams whose version is not to be believed any more: a list tells what is true, and nobody is forgotten meanwhile.

mod common;

use std::time::Duration;

use common::running::{Running, errors, snapshots};
use common::watching::{GARBAGE, assert_works, error_line, line, on_watch, put};
use common::{assert_complete, config, server, status, wait};
use discovery::{Config, Kind};
use fake_apiserver::{Action, Server};

/// The names that [`server`] has ready.
const FIRST: [&str; 2] = ["app@10.0.0.1", "app@10.0.0.2"];

/// Loses the history that the watch would go on from; what changed meanwhile is 10.0.0.6 gone and 10.0.0.7 new.
fn expire(server: &Server, running: &Running) {
    put(server, "leaving", "10.0.0.6");
    running.snapshot();
    server.set_watches_silent(true);
    put(server, "more", "10.0.0.7");
    server.delete_object("endpoints", "default", "leaving");
    server.compact();
    server.end_watches();
    server.set_watches_silent(false);
}

#[test]
fn a_version_that_expired_meanwhile_is_listed_anew_and_nobody_is_forgotten() {
    for as_status in [false, true] {
        let server = server();
        server.set_expired_as_status(as_status);
        let (running, _) = Running::watching(config(&server));
        expire(&server, &running);
        let said = running.until_ready(&["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.7"]);
        assert!(errors(&said).is_empty(), "that is no failure: {said:?}");
        for snapshot in snapshots(&said) {
            assert!(
                FIRST
                    .iter()
                    .all(|&name| snapshot.ready.iter().any(|ready| ready == name))
            );
        }
        assert_works(&server, &running);
        assert_eq!(server.summary().lists, 2);
    }
}

/// A cache may be older than what the watch has told.
#[test]
fn a_list_that_follows_a_watch_is_not_from_a_cache() {
    let server = server();
    let (running, _) = Running::watching(Config {
        cached: true,
        ..config(&server)
    });
    server.send_to_watches(error_line(410));
    running.expect_unchanged();
    let cached: Vec<_> = server
        .journal()
        .iter()
        .filter(|request| request["watch"] != true)
        .map(|list| list["query"]["resourceVersion"] == "0")
        .collect();
    assert_eq!(cached, [true, false]);
}

/// No more lists than pauses that grow allow: eight pauses of up to 0.5, 1, 2 and then 4 s fit into this time once in
/// 27,000 runs, and eight of up to 0.5 s nearly always.
#[track_caller]
fn assert_backs_off(server: &Server, running: &Running) {
    let more = server.wait_until(Duration::from_millis(2_500), |summary| summary.lists > 8);
    assert!(more.is_err(), "{:?}", server.summary());
    assert!(server.summary().lists > 1);
    assert_complete(snapshots(&running.events.try_iter().collect::<Vec<_>>())[0]);
}

#[test]
fn a_status_410_in_a_loop_backs_off() {
    let server = server();
    server.set_faults(vec![on_watch(status(410))]);
    let running = Running::start(Config {
        watch: true,
        ..config(&server)
    });
    assert_backs_off(&server, &running);
}

#[test]
fn an_error_event_410_in_a_loop_backs_off() {
    let server = server();
    server.set_faults(vec![on_watch(Action::RawBody(error_line(410)))]);
    let running = Running::start(Config {
        watch: true,
        ..config(&server)
    });
    assert_backs_off(&server, &running);
}

/// As from something in between that ignores `watch=true` and answers with a list, and a line feed after it.
#[test]
fn garbage_in_a_loop_backs_off() {
    let server = server();
    server.set_faults(vec![on_watch(Action::RawBody(GARBAGE.to_owned()))]);
    let running = Running::start(Config {
        watch: true,
        ..config(&server)
    });
    assert_backs_off(&server, &running);
}

#[test]
fn a_line_that_is_no_event_is_an_error_and_listed_anew() {
    let lines = [
        GARBAGE.to_owned(),
        line("RENAMED", "web", "10.0.0.1", "9"),
        line("ADDED", "web", "10.0.0.1", ""),
        "{\"type\":\"ADDED\",\"object\":{}}\n".to_owned(),
        "\0\n".to_owned(),
    ];
    for line in lines {
        let server = server();
        let (running, _) = Running::watching(config(&server));
        server.send_to_watches(&line);
        let error = running.error();
        assert_eq!(error.kind, Kind::Malformed, "{line}");
        assert!(
            error.message.contains("cannot watch endpoints") && !error.message.contains('\n'),
            "{error}"
        );
        running.expect_unchanged();
        assert_works(&server, &running);
        assert_eq!(server.summary().lists, 2);
        wait(&server, |summary| summary.connections_open == 1);
    }
}

#[test]
fn what_came_before_garbage_is_told_before_it() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    server.send_to_watches(line("ADDED", "more", "10.0.0.7", "99") + GARBAGE);
    assert_eq!(running.snapshot().ready.len(), 3);
    assert_eq!(running.error().kind, Kind::Malformed);
    // The list knows better.
    assert_complete(&running.snapshot());
}

#[test]
fn what_came_before_garbage_is_told_before_it_though_more_follows() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    server.send_to_watches(line("ADDED", "more", "10.0.0.7", "99") + GARBAGE + GARBAGE);
    assert_eq!(running.snapshot().ready.len(), 3);
    assert_eq!(running.error().kind, Kind::Malformed);
}

#[test]
fn what_came_before_the_end_of_history_has_its_version() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    server.send_to_watches(line("ADDED", "more", "10.0.0.7", "99") + &error_line(410));
    let snapshot = running.snapshot();
    assert_eq!((snapshot.ready.len(), &*snapshot.resource_version), (3, "99"));
}

#[test]
fn a_frame_over_the_limit_is_an_error_and_listed_anew() {
    let server = server();
    server.set_faults(vec![on_watch(Action::HugeFrame(9 * 1024 * 1024)).times(1)]);
    let (running, _) = Running::watching(config(&server));
    assert_eq!(running.error().kind, Kind::TooLarge);
    running.expect_unchanged();
    assert_works(&server, &running);
    assert_eq!(server.summary().lists, 2);
}

#[test]
fn a_frame_that_repeats_the_token_is_an_error_that_does_not() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    server.send_to_watches(line("ADDED", server.token(), "10.0.0.1", "9"));
    let error = running.error();
    assert_eq!(error.kind, Kind::Malformed);
    assert!(!format!("{error:?}").contains(server.token()));
    running.expect_unchanged();
}
