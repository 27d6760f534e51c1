//! A server that cannot be reached, or whose connection is just gone: what is tried before that is an error.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::running::Running;
use common::{Blackhole, assert_complete, config, server, wait};
use discovery::watch::lister::Lister;
use discovery::{ApiAddress, Config, Kind};
use fake_apiserver::{Action, Certificate, Fault, Server};

/// With the account of this server, and a limit of which half is enough for a healthy answer.
fn lister(account: &Server, primary: &str, fallback: &Server) -> Lister {
    Lister::new(Arc::new(Config {
        api: ApiAddress {
            primary: primary.to_owned(),
            fallback: Some(fallback.url()),
        },
        request_timeout: Duration::from_secs(2),
        ..config(account)
    }))
}

/// In each way in which a server cannot be reached.
fn out_of_reach() -> Vec<Server> {
    let refuses = server();
    refuses.set_listening(false).unwrap();
    let of_another_name = server();
    of_another_name.set_certificate(&Certificate {
        sans: vec!["other.example".to_owned()],
        ..Certificate::default()
    });
    let mut all = vec![refuses, of_another_name];
    for action in [Action::Hang, Action::HangInHandshake, Action::Close, Action::Reset] {
        let server = server();
        server.set_faults(vec![Fault::on_accept(action)]);
        all.push(server);
    }
    all
}

#[test]
fn a_server_that_cannot_be_reached_in_any_way_leaves_time_for_the_fallback() {
    let fallback = server();
    for primary in out_of_reach() {
        fallback.clear_journal();
        let mut lister = lister(&fallback, &primary.url(), &fallback);
        for _ in 0..2 {
            assert_complete(&lister.list().unwrap());
        }
        assert_eq!(fallback.summary().lists, 2, "stays there while it answers");
        assert_eq!(primary.summary().lists, 0);
    }
    let Some(blackhole) = Blackhole::new() else {
        println!("not tested: this machine takes every connection");
        return;
    };
    assert_complete(&lister(&fallback, &blackhole.url(), &fallback).list().unwrap());
}

#[test]
fn what_a_server_answers_is_the_answer_and_so_is_its_silence() {
    let (primary, fallback) = (server(), server());
    for (action, kind) in [
        (common::status(503), Kind::Server),
        (common::status(403), Kind::Forbidden),
        (Action::RawBody("{}".to_owned()), Kind::Malformed),
        (Action::Hang, Kind::Timeout),
        (Action::HeadersThenHang, Kind::Timeout),
    ] {
        primary.set_faults(vec![Fault::on_request(action.clone())]);
        let error = lister(&primary, &primary.url(), &fallback).list().unwrap_err();
        assert_eq!(error.kind, kind, "{action:?}: {error}");
    }
    assert_eq!(fallback.summary().connections_accepted, 0);
}

/// One that polls, and whose next request meets this.
fn polling(server: &Server, faults: Vec<Fault>) -> Running {
    let running = Running::start(config(server));
    running.snapshot();
    server.set_faults(faults);
    running.refresh();
    running
}

#[test]
fn a_kept_connection_that_is_closed_as_it_is_used_costs_no_word() {
    for action in [Action::Close, Action::Reset] {
        let server = server();
        let running = polling(&server, vec![Fault::on_request(action).times(1)]);
        running.expect_unchanged();
        assert_eq!((server.summary().lists, server.summary().handshakes_completed), (3, 2));
    }
}

#[test]
fn a_connection_that_was_made_for_the_request_is_none_that_was_kept() {
    let server = server();
    let running = polling(&server, vec![Fault::on_request(Action::Close).times(2)]);
    assert_eq!(running.error().kind, Kind::Connect);
    wait(&server, |summary| summary.lists == 4);
    running.expect_unchanged();
    server.set_faults(vec![Fault::on_request(Action::Close)]);
    let mut lister = Lister::new(Arc::new(config(&server)));
    server.clear_journal();
    assert_eq!(lister.list().unwrap_err().kind, Kind::Connect);
    assert_eq!(server.summary().lists, 1);
}
