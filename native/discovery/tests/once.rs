//! What is asked once: a list of what is true now, and a probe. Each answers by one call, unless it is stopped.

mod common;

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use common::{Blackhole, LIMIT, SOON, assert_complete, config, only, server, server_with, wait, wait_up_to};
use discovery::diagnosis::probe::{self, Facts};
use discovery::watch::lister::Lister;
use discovery::watch::thread::Thread;
use discovery::{Config, Kind};
use fake_apiserver::{Action, Fault, Rule, Server};

/// A limit far beyond what a stop may take.
fn patient(server: &Server) -> Config {
    Config {
        request_timeout: Duration::from_mins(1),
        watch: true,
        ..config(server)
    }
}

fn asked<T: Send + 'static>(
    start: impl FnOnce(Config, Box<dyn FnOnce(T) + Send>) -> io::Result<Thread>,
    config: Config,
) -> (Thread, Receiver<T>) {
    let (sender, answers) = channel();
    let answer = move |answer| sender.send(answer).unwrap();
    (start(config, Box::new(answer)).unwrap(), answers)
}

fn probed(config: Config) -> Facts {
    let (_once, answers) = asked(probe::start, config);
    answers.recv_timeout(LIMIT).unwrap()
}

#[test]
fn a_list_is_of_what_is_true_now_whatever_the_configuration_says() {
    let server = server();
    let (_once, answers) = asked(Lister::start, patient(&server));
    assert_complete(&answers.recv_timeout(LIMIT).unwrap().unwrap());
    let requests = server.journal();
    assert_eq!(requests.len(), 1);
    assert!(requests[0]["query"]["resourceVersion"].is_null(), "{requests:?}");
    wait_up_to(&server, SOON, |summary| summary.connections_open == 0);
}

#[test]
fn a_list_that_fails_is_not_repeated() {
    let server = server_with(common::status(500));
    let (_once, answers) = asked(Lister::start, patient(&server));
    assert_eq!(answers.recv_timeout(LIMIT).unwrap().unwrap_err().kind, Kind::Server);
    assert_eq!(answers.recv_timeout(LIMIT).err(), Some(RecvTimeoutError::Disconnected));
    assert_eq!(server.summary().lists, 1);
}

/// Whatever it waits for: the thread is gone when what it would have called is.
#[track_caller]
fn assert_stops<T>(once: Thread, answers: &Receiver<T>, server: &Server) {
    drop(once);
    assert_eq!(
        answers.recv_timeout(SOON).err(),
        Some(RecvTimeoutError::Disconnected),
        "no answer"
    );
    wait_up_to(server, SOON, |summary| summary.connections_open == 0);
}

#[test]
fn who_is_stopped_says_nothing_and_is_gone() {
    for fault in [
        Fault::on_accept(Action::Hang),
        Fault::on_accept(Action::HangInHandshake),
        Fault::on_request(Action::Hang),
        Fault::on_request(Action::HeadersThenHang),
    ] {
        let server = server();
        server.set_faults(vec![fault]);
        let (once, answers) = asked(Lister::start, patient(&server));
        wait(&server, |summary| summary.connections_open == 1);
        assert_stops(once, &answers, &server);
        let (once, answers) = asked(probe::start, patient(&server));
        wait(&server, |summary| summary.connections_open == 1);
        assert_stops(once, &answers, &server);
    }
}

#[test]
fn a_probe_that_is_stopped_while_it_connects_is_gone() {
    let server = server();
    let Some(blackhole) = Blackhole::new() else {
        println!("not tested: this machine takes every connection");
        return;
    };
    let (once, answers) = asked(
        probe::start,
        Config {
            api: only(blackhole.url()),
            ..patient(&server)
        },
    );
    blackhole.wait_for_visitor();
    assert_stops(once, &answers, &server);
}

#[test]
fn a_probe_opens_a_watch() {
    let server = server();
    probed(patient(&server)).watch.unwrap().unwrap();
    assert_eq!(server.summary().watches, 1);
    let last = server
        .journal()
        .into_iter()
        .find(|request| request["watch"] == true)
        .unwrap();
    assert_eq!(last["query"]["resourceVersion"], "3", "the one of the list");
}

#[test]
fn a_watch_that_does_not_work_is_found() {
    for (action, kind) in [
        (Action::RawBody(String::new()), Kind::Malformed),
        (Action::RawBody("<html>\n".to_owned()), Kind::Malformed),
        (Action::RawBody("<html>".to_owned()), Kind::Connect),
        (Action::CutAfterBytes(0), Kind::Connect),
        (Action::Reset, Kind::Connect),
        (common::status(503), Kind::Server),
    ] {
        let server = server();
        server.send_bookmarks();
        server.set_bookmarks(Some(Duration::from_millis(20)));
        server.set_faults(vec![Fault::on_request(action.clone()).verb("watch")]);
        let facts = probed(patient(&server));
        assert_complete(&facts.snapshot.unwrap().unwrap());
        let error = facts.watch.unwrap().unwrap_err();
        assert_eq!(error.kind, kind, "{action:?}: {error}");
        assert!(error.message.starts_with("cannot watch endpoints"), "{error}");
    }
}

#[test]
fn a_watch_is_tried_where_one_is_wanted_and_the_role_decides() {
    let server = server();
    let polling = Config {
        watch: false,
        ..config(&server)
    };
    assert!(probed(polling).watch.is_none());
    assert_eq!(server.summary().watches, 0);
    server.put_token(
        server.token(),
        "limited",
        vec![Rule::new(&["list"], &["endpoints"], &["default"])],
    );
    assert_eq!(
        probed(patient(&server)).watch.unwrap().unwrap_err().kind,
        Kind::Forbidden
    );
}
