//! A stream that never pauses. In a process of its own, for it looks at the memory of the whole.

mod common;

use std::fs;
use std::time::Duration;

use common::running::Running;
use common::{assert_complete, config, pod, server, wait};
use discovery::Config;
use fake_apiserver::{Action, Fault};

/// The memory of this process, where the system tells.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[test]
fn endless_bookmarks_are_heard_and_tell_nobody_anything() {
    let server = server();
    let endless = Fault::on_request(Action::EndlessBookmarks).verb("watch").times(1);
    server.set_faults(vec![endless]);
    let running = Running::start(Config {
        watch: true,
        ..config(&server)
    });
    assert_complete(&running.snapshot());
    running.expect_watching();
    let warm_up = running.events.recv_timeout(Duration::from_millis(300));
    assert!(warm_up.is_err(), "{warm_up:?}");
    let before = resident_bytes();
    let stored = server.put_object("pods", "default", "other", &pod("10.9.9.9"));
    let nothing = running.events.recv_timeout(Duration::from_secs(1));
    assert!(nothing.is_err(), "{nothing:?}");
    if let (Some(before), Some(after)) = (before, resident_bytes()) {
        let grown = after.saturating_sub(before);
        assert!(grown < 4 * 1024 * 1024, "{grown} bytes more");
    }
    // What comes after the flood is not drowned.
    server.clear_faults();
    running.expect_watching();
    let watch = server.journal().pop().unwrap();
    assert_eq!(watch["query"]["resourceVersion"], stored["metadata"]["resourceVersion"]);
    assert_eq!(server.summary().lists, 1);
    running.assert_stops(&server);
    wait(&server, |summary| summary.watches_open == 0);
}

#[test]
fn stop_is_heard_through_endless_bookmarks() {
    let server = server();
    server.set_faults(vec![Fault::on_request(Action::EndlessBookmarks).verb("watch")]);
    let (running, _) = Running::watching(config(&server));
    running.assert_stops(&server);
}
