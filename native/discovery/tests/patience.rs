//! What a server that refuses asks for, and what ends that sooner.

mod common;

use std::time::Duration;

use common::running::Running;
use common::{LIMIT, assert_complete, config, server, wait, write_token};
use discovery::{Config, Kind};
use fake_apiserver::{Action, Fault, Rule};

fn refusal(code: u16, retry_after: u64) -> Action {
    Action::Status {
        code,
        body: None,
        headers: vec![("retry-after".to_owned(), retry_after.to_string())],
    }
}

/// Also when what comes next is a list.
#[test]
fn a_watch_that_is_refused_with_a_time_to_wait_is_not_followed_by_a_list_before() {
    let server = server();
    server.set_faults(vec![Fault::on_request(refusal(403, 1)).verb("watch")]);
    let running = Running::start(Config {
        watch: true,
        ..config(&server)
    });
    assert_complete(&running.snapshot());
    wait(&server, |summary| summary.watches == 1);
    assert!(
        server
            .wait_until(Duration::from_millis(700), |summary| summary.lists == 2)
            .is_err()
    );
    assert_eq!(running.snapshot().warnings.len(), 1);
}

#[test]
fn a_new_token_on_disk_ends_the_pause_after_a_refusal() {
    for code in [401, 403] {
        let server = server();
        server.set_faults(vec![Fault::on_request(refusal(code, 300))]);
        let running = Running::start(config(&server));
        let error = running.error();
        assert!(matches!(error.kind, Kind::Unauthorized | Kind::Forbidden));
        assert_eq!(error.retry_after, Some(Duration::from_mins(5)));
        server.clear_faults();
        server.put_token("the-rotated-token", "rotated", vec![Rule::everything()]);
        write_token(&server, "the-rotated-token");
        assert_complete(&running.snapshot());
        assert_eq!(server.summary().lists, 2);
    }
}

#[test]
fn the_same_token_ends_no_pause() {
    let server = server();
    server.set_faults(vec![Fault::on_request(refusal(403, 300)).times(1)]);
    let running = Running::start(config(&server));
    running.error();
    write_token(&server, server.token());
    assert!(server.wait_until(LIMIT / 2, |summary| summary.lists > 1).is_err());
}
