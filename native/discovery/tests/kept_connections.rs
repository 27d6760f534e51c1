//! A connection that is kept for the next request, and closed by the server just when that is sent.

mod common;

use common::running::Running;
use common::watching::on_watch;
use common::{assert_complete, config, server};
use discovery::{Config, Kind};
use fake_apiserver::{Action, Fault};

#[test]
fn a_request_on_a_connection_that_was_just_closed_is_repeated_without_a_word() {
    for end in [Action::Close, Action::Reset] {
        let server = server();
        let running = Running::start(config(&server));
        assert_complete(&running.snapshot());
        for _ in 0..3 {
            server.set_faults(vec![Fault::on_request(end.clone()).times(1)]);
            running.refresh();
            running.expect_unchanged();
        }
        assert_eq!(server.summary().handshakes_completed, 4);
    }
}

#[test]
fn a_watch_on_such_a_connection_is_repeated_too() {
    let server = server();
    server.set_faults(vec![on_watch(Action::Close).times(1)]);
    let (_running, _) = Running::watching(config(&server));
    let summary = server.summary();
    assert_eq!(
        (summary.lists, summary.watches, summary.handshakes_completed),
        (1, 2, 2)
    );
}

#[test]
fn it_is_repeated_once_and_not_on_a_connection_of_its_own() {
    let server = server();
    let running = Running::start(Config {
        watch: false,
        ..config(&server)
    });
    assert_complete(&running.snapshot());
    server.set_faults(vec![Fault::on_request(Action::Close).times(3)]);
    running.refresh();
    // On the kept connection and on a new one, and then, after a pause, on a new one alone.
    for requests in [3, 4] {
        assert_eq!(running.error().kind, Kind::Connect);
        assert_eq!(server.summary().requests, requests);
    }
    running.expect_unchanged();
}
