//! The thread: when it lists, when it waits, and that it is gone within a second, whatever the server does.

mod common;

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use common::running::Running;
use common::{
    Blackhole, LIMIT, SOON, assert_complete, config, only, server, server_with, status, unavailable, wait, wait_up_to,
};
use discovery::{Config, Discovery, Event};
use fake_apiserver::{Action, Fault, Server};

/// A limit far beyond what a stop may take.
fn patient(server: &Server) -> Config {
    Config {
        request_timeout: Duration::from_mins(1),
        ..config(server)
    }
}

#[test]
fn the_first_snapshot_comes_by_itself_and_no_other() {
    let server = server();
    let running = Running::start(config(&server));
    assert_complete(&running.snapshot());
    assert!(running.events.recv_timeout(Duration::from_millis(200)).is_err());
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn each_refresh_is_answered_on_the_same_connection() {
    let server = server();
    let running = Running::start(config(&server));
    assert_complete(&running.snapshot());
    for _ in 0..5 {
        running.refresh();
        running.expect_unchanged();
    }
    assert_eq!(server.summary().lists, 6);
    assert_eq!(server.summary().handshakes_completed, 1);
}

#[test]
fn a_refresh_finds_what_changed() {
    let server = server();
    let running = Running::start(config(&server));
    let before = running.snapshot();
    server.delete_object("endpoints", "default", "web");
    running.refresh();
    let after = running.snapshot();
    assert!(after.ready.is_empty() && after.not_ready.is_empty());
    assert_ne!(before.resource_version, after.resource_version);
}

#[test]
fn refreshes_during_a_list_are_answered_by_it() {
    let server = server();
    let running = Running::start(config(&server));
    running.snapshot();
    let slow = Action::Drip {
        bytes: 50,
        every: Duration::from_millis(20),
    };
    server.set_faults(vec![Fault::on_request(slow).times(1)]);
    running.refresh();
    wait(&server, |summary| summary.lists == 2);
    for _ in 0..100 {
        running.refresh();
    }
    running.expect_unchanged();
    // Whatever is still owed would come before the answer to this one.
    running.refresh();
    running.expect_unchanged();
    assert!(running.events.recv_timeout(Duration::from_millis(100)).is_err());
    assert_eq!(server.summary().lists, 3);
}

#[test]
fn a_refresh_from_within_the_sink_is_not_lost() {
    let server = server();
    let handle: Arc<OnceLock<Discovery>> = Arc::default();
    let (sender, events) = channel();
    let mut answers = 0;
    let inside = Arc::clone(&handle);
    let discovery = Discovery::start(config(&server), move |event| {
        if matches!(event, Event::Report(_)) {
            return true;
        }
        answers += 1;
        if answers < 3 {
            inside.wait().refresh();
        } else {
            inside.wait().stop();
        }
        sender
            .send(matches!(event, Event::Snapshot(_) | Event::Unchanged))
            .is_ok()
    });
    handle.set(discovery.unwrap()).unwrap();
    for _ in 0..3 {
        assert!(events.recv_timeout(LIMIT).unwrap());
    }
    assert_eq!(events.recv_timeout(SOON), Err(RecvTimeoutError::Disconnected));
    wait_up_to(&server, SOON, |summary| summary.connections_open == 0);
}

#[test]
fn stop_ends_a_resting_thread_and_its_idle_connection() {
    let server = server();
    let running = Running::start(config(&server));
    running.snapshot();
    assert_eq!(server.summary().connections_open, 1);
    running.assert_stops(&server);
}

#[test]
fn drop_ends_a_resting_thread_and_its_idle_connection() {
    let server = server();
    let running = Running::start(config(&server));
    running.snapshot();
    running.assert_ends_when_dropped(&server);
}

#[test]
fn stop_can_be_called_again_and_ends_all_refreshing() {
    let server = server();
    let running = Running::start(config(&server));
    running.snapshot();
    for _ in 0..3 {
        running.discovery.stop();
        running.refresh();
    }
    running.assert_ends();
    assert!(running.events.try_recv().is_err());
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn stop_and_drop_end_a_pause() {
    let server = server_with(unavailable("300"));
    for stop in [Running::assert_stops, Running::assert_ends_when_dropped] {
        let running = Running::start(config(&server));
        running.error();
        stop(running, &server);
    }
}

#[test]
fn stop_and_drop_end_a_handshake_that_hangs() {
    let server = server();
    server.set_faults(vec![Fault::on_accept(Action::Hang)]);
    for stop in [Running::assert_stops, Running::assert_ends_when_dropped] {
        server.clear_journal();
        let running = Running::start(patient(&server));
        wait(&server, |summary| summary.connections_accepted == 1);
        stop(running, &server);
    }
}

#[test]
fn stop_and_drop_end_a_request_that_hangs() {
    let server = server_with(Action::Hang);
    for stop in [Running::assert_stops, Running::assert_ends_when_dropped] {
        server.clear_journal();
        let running = Running::start(patient(&server));
        wait(&server, |summary| summary.lists == 1);
        stop(running, &server);
    }
}

#[test]
fn stop_and_drop_end_a_request_that_hangs_on_a_kept_connection() {
    let server = server();
    for stop in [Running::assert_stops, Running::assert_ends_when_dropped] {
        server.clear_faults();
        let running = Running::start(patient(&server));
        running.snapshot();
        server.set_faults(vec![Fault::on_request(Action::Hang)]);
        server.clear_journal();
        running.refresh();
        wait(&server, |summary| summary.lists == 1);
        stop(running, &server);
    }
}

#[test]
fn stop_and_drop_end_a_body_that_hangs() {
    for action in [
        Action::HeadersThenHang,
        Action::EndlessBody,
        Action::Drip {
            bytes: 1,
            every: Duration::from_millis(50),
        },
    ] {
        let server = server_with(action);
        for stop in [Running::assert_stops, Running::assert_ends_when_dropped] {
            server.clear_journal();
            let running = Running::start(patient(&server));
            wait(&server, |summary| summary.lists == 1);
            stop(running, &server);
        }
    }
}

#[test]
fn stop_and_drop_end_a_connect_that_hangs() {
    let server = server();
    let Some(blackhole) = Blackhole::new() else {
        println!("not tested: this machine takes every connection");
        return;
    };
    for stop in [Running::assert_stops, Running::assert_ends_when_dropped] {
        let running = Running::start(Config {
            api: only(blackhole.url()),
            ..patient(&server)
        });
        blackhole.wait_for_visitor();
        assert!(running.events.try_recv().is_err(), "the connect did not hang");
        stop(running, &server);
    }
}

#[test]
fn stop_right_after_the_start_leaves_nothing_behind() {
    let server = server();
    let running: Vec<_> = (0..50).map(|_| Running::start(config(&server))).collect();
    for running in &running {
        running.discovery.stop();
    }
    for running in &running {
        running.assert_ends();
    }
    wait_up_to(&server, SOON, |summary| summary.connections_open == 0);
}

#[test]
fn a_sink_that_has_enough_ends_the_thread_and_the_connection() {
    let server = server();
    let running = Running::start_while(config(&server), |_| false);
    running.snapshot();
    running.assert_ends();
    // The handle is still there: nothing but the thread itself closes the connection.
    wait_up_to(&server, SOON, |summary| summary.connections_open == 0);
    running.refresh();
    running.discovery.stop();
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn a_sink_that_has_enough_of_failures_ends_the_thread() {
    let server = server_with(status(500));
    let running = Running::start_while(config(&server), |event| matches!(event, Event::Snapshot(_)));
    running.error();
    running.assert_ends();
    assert_eq!(server.summary().lists, 1);
}

/// Its panic ends the thread alone, and nothing is left of it once its owner drops the handle.
#[test]
fn a_sink_that_panics_ends_its_thread_alone() {
    let server = server();
    let running = Running::start_while(config(&server), |_| panic!("on purpose"));
    running.assert_ends();
    running.refresh();
    drop(running);
    wait_up_to(&server, SOON, |summary| summary.connections_open == 0);
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn two_discoveries_do_not_disturb_each_other() {
    let server = server();
    let (one, other) = (Running::start(config(&server)), Running::start(config(&server)));
    one.snapshot();
    other.snapshot();
    one.discovery.stop();
    one.assert_ends();
    other.refresh();
    other.expect_unchanged();
    wait_up_to(&server, SOON, |summary| summary.connections_open == 1);
}

#[test]
fn a_handle_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Discovery>();
}
