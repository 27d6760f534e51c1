//! The pause after a failure: how long it is, and what ends it.

mod common;

use std::time::{Duration, Instant};

use common::running::Running;
use common::{assert_complete, config, server, server_with, status, unavailable, write_token};
use discovery::{Event, Kind};
use fake_apiserver::{Action, Fault, Rule};

#[test]
fn a_failure_is_said_and_tried_again_without_a_refresh() {
    let server = server();
    server.set_faults(vec![Fault::on_request(status(500)).times(2)]);
    let running = Running::start(config(&server));
    for _ in 0..2 {
        assert_eq!(running.error().kind, Kind::Server);
    }
    assert_complete(&running.snapshot());
    assert!(running.events.recv_timeout(Duration::from_millis(100)).is_err());
    assert_eq!(server.summary().lists, 3);
}

/// Pauses are random: up to 0.5 s, 1 s, 2 s and so on. More than eight of them fit into a second once in 10^10 runs.
#[test]
fn refreshes_do_not_shorten_the_pauses_after_failures() {
    let server = server_with(status(500));
    let running = Running::start(config(&server));
    let said = running.refresh_for(Duration::from_secs(1));
    assert!(!said.is_empty());
    let lists = server.summary().lists;
    assert!(lists <= 9, "{lists} lists in a second");
    running.assert_stops(&server);
}

#[test]
fn retry_after_is_obeyed() {
    let server = server_with(unavailable("1"));
    let start = Instant::now();
    let running = Running::start(config(&server));
    running.error();
    server.clear_faults();
    let said = running.refresh_for(Duration::from_millis(1_700));
    let (at, event) = said.first().expect("another try after the pause");
    assert!(*at - start >= Duration::from_secs(1), "after {:?}", *at - start);
    assert!(matches!(event, Event::Snapshot(_)));
    // Now that the pause is over, refreshes count again.
    assert!(said.len() > 2, "{}", said.len());
}

#[test]
fn missing_credentials_are_said_and_found_when_they_come() {
    let server = server();
    let token = server.service_account().join("token");
    std::fs::remove_file(&token).unwrap();
    let running = Running::start(config(&server));
    assert_eq!(running.error().kind, Kind::Credentials);
    std::fs::write(&token, server.token()).unwrap();
    while let Event::Error(error) = running.event() {
        assert_eq!(error.kind, Kind::Credentials);
    }
}

/// A refusal is no outage that a fast retry ends sooner, but a new token may.
#[test]
fn a_token_that_changes_on_disk_ends_the_pause_after_a_refusal() {
    for (code, kind) in [(401, Kind::Unauthorized), (403, Kind::Forbidden)] {
        let server = server();
        let for_ever = vec![("retry-after".to_owned(), "3600".to_owned())];
        let refused = Action::Status {
            code,
            body: None,
            headers: for_ever,
        };
        server.set_faults(vec![Fault::on_request(refused).times(1)]);
        let running = Running::start(config(&server));
        assert_eq!(running.error().kind, kind);
        server.put_token("the-rotated-token", "same", vec![Rule::everything()]);
        write_token(&server, "the-rotated-token");
        assert_complete(&running.snapshot());
    }
}
