//! Watches that are refused: by a role, by what knows none, by a token or an authority that has changed.

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::running::{Running, errors};
use common::watching::{assert_works, let_it_hear, lists_only, on_watch, put};
use common::{LIMIT, assert_complete, config, server, status, wait, write_token};
use discovery::{Config, Event, Kind};
use fake_apiserver::{Action, Authority, Certificate, Rule};
use serde_json::json;

#[test]
fn a_watch_that_is_forbidden_becomes_polling_with_a_warning_that_names_the_verb() {
    let server = server();
    server.put_token(server.token(), "limited", lists_only());
    let running = Running::start(Config {
        watch: true,
        ..config(&server)
    });
    let first = running.snapshot();
    assert_complete(&first);
    assert!(first.warnings.is_empty());
    let snapshot = running.snapshot();
    assert_complete(&snapshot);
    let [warning] = &snapshot.warnings[..] else {
        panic!("{:?}", snapshot.warnings);
    };
    assert!(
        warning.contains("verb \"watch\"") && warning.contains("\"endpoints\""),
        "{warning}"
    );
    for lists in 3..6 {
        running.refresh();
        running.expect_unchanged();
        assert_eq!(server.summary().lists, lists);
    }
    assert!(errors(&running.events.try_iter().collect::<Vec<_>>()).is_empty());
    assert_eq!(server.summary().watches, 1, "not tried again before its time");
}

#[test]
fn a_watch_that_is_granted_later_is_opened_by_a_later_list() {
    let server = server();
    server.put_token(server.token(), "limited", lists_only());
    let running = Running::start(Config {
        watch: true,
        watch_retry: Duration::from_millis(100),
        ..config(&server)
    });
    let refused = |event: &Event| matches!(event, Event::Snapshot(snapshot) if !snapshot.warnings.is_empty());
    running.until(refused);
    // Refused again, and no error either.
    let deadline = Instant::now() + LIMIT;
    while server.summary().watches < 2 {
        assert!(Instant::now() < deadline, "not tried again");
        running.refresh();
        running.expect_unchanged();
    }
    server.put_token(server.token(), "trusted", vec![Rule::everything()]);
    let mut watching = false;
    while !watching {
        assert!(Instant::now() < deadline, "not tried again");
        running.refresh();
        watching = match running.event() {
            Event::Error(error) => panic!("{error}"),
            event => matches!(event, Event::Watching),
        };
    }
    put(&server, "more", "10.0.0.7");
    let snapshot = running.snapshot();
    assert_eq!((snapshot.ready.len(), snapshot.warnings.len()), (3, 0));
}

#[test]
fn what_knows_no_watches_is_polled() {
    for code in [400, 404, 405, 406, 501] {
        let server = server();
        server.set_faults(vec![on_watch(status(code))]);
        let running = Running::start(Config {
            watch: true,
            ..config(&server)
        });
        assert_complete(&running.snapshot());
        let snapshot = running.snapshot();
        assert_complete(&snapshot);
        assert_eq!(snapshot.warnings.len(), 1, "{code}");
        put(&server, "more", "10.0.0.7");
        running.refresh();
        assert_eq!(running.snapshot().ready.len(), 3);
    }
}

#[test]
fn a_role_that_is_lost_while_watching_becomes_polling() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    let_it_hear(&server, &running, "heard");
    server.put_token(server.token(), "limited", lists_only());
    server.end_watches();
    assert_eq!(running.snapshot().warnings.len(), 1);
    put(&server, "more", "10.0.0.7");
    running.refresh();
    assert_eq!(running.snapshot().ready.len(), 3);
}

#[test]
fn a_rotated_token_is_used_when_the_watch_goes_on() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    let_it_hear(&server, &running, "heard");
    server.put_token("the-rotated-token", "same", vec![Rule::everything()]);
    write_token(&server, "the-rotated-token");
    server.delete_token(server.token());
    server.end_watches();
    running.expect_watching();
    let last = server.journal().pop().unwrap();
    assert_eq!((&last["user"], &last["status"]), (&json!("same"), &json!(200)));
    assert_works(&server, &running);
    assert_eq!((server.summary().lists, server.summary().handshakes_completed), (1, 1));
}

#[test]
fn a_token_that_is_no_longer_accepted_is_an_error_until_there_is_a_new_one() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    let_it_hear(&server, &running, "heard");
    server.delete_token(server.token());
    server.cut_watches();
    let error = running.error();
    assert_eq!(error.kind, Kind::Unauthorized);
    server.put_token("the-rotated-token", "same", vec![Rule::everything()]);
    write_token(&server, "the-rotated-token");
    let said = running.until_watching();
    assert!(errors(&said).iter().all(|error| error.kind == Kind::Unauthorized));
    assert_works(&server, &running);
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn a_rotated_authority_is_believed_when_the_watch_goes_on() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    let_it_hear(&server, &running, "heard");
    server.set_certificate(&Certificate {
        authority: Authority::Other,
        ..Certificate::default()
    });
    fs::copy(server.other_ca_file(), server.service_account().join("ca.crt")).unwrap();
    server.end_watches();
    running.expect_watching();
    assert_works(&server, &running);
    let summary = server.summary();
    assert_eq!((summary.lists, summary.handshakes_completed), (1, 2));
    wait(&server, |summary| summary.connections_open == 1);
}

#[test]
fn a_server_of_another_authority_gets_no_watch() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    let_it_hear(&server, &running, "heard");
    server.set_certificate(&Certificate {
        authority: Authority::Other,
        ..Certificate::default()
    });
    let requests = server.summary().requests;
    server.cut_watches();
    assert_eq!(running.error().kind, Kind::Tls);
    assert_eq!(server.summary().requests, requests);
    server.set_certificate(&Certificate::default());
    running.until_watching();
    assert_works(&server, &running);
}

/// The request timeout is for all of it, though it is not for a stream.
#[test]
fn a_refusal_whose_body_drips_is_one_all_the_same() {
    let server = server();
    server.put_token(server.token(), "limited", lists_only());
    let slowly = Action::Drip {
        bytes: 1,
        every: Duration::from_millis(100),
    };
    server.set_faults(vec![on_watch(slowly)]);
    let running = Running::start(Config {
        watch: true,
        request_timeout: Duration::from_millis(500),
        ..config(&server)
    });
    assert_complete(&running.snapshot());
    let snapshot = running.snapshot();
    assert!(snapshot.warnings[0].contains("HTTP 403"), "{:?}", snapshot.warnings);
}

#[test]
fn a_watch_that_is_to_wait_is_not_listed_before_that_time() {
    let server = server();
    let seconds = 2;
    server.set_faults(vec![on_watch(Action::Status {
        code: 503,
        body: None,
        headers: vec![("retry-after".to_owned(), seconds.to_string())],
    })]);
    let running = Running::start(Config {
        watch: true,
        ..config(&server)
    });
    // It is given up in the end.
    running.ticking_until(
        Duration::from_secs(30),
        |event| matches!(event, Event::Snapshot(snapshot) if !snapshot.warnings.is_empty()),
    );
    let requests = server.journal();
    assert!(requests.len() > 2, "{requests:?}");
    for pair in requests.windows(2).filter(|pair| pair[0]["watch"] == true) {
        let waited = pair[1]["at_ms"].as_u64().unwrap() - pair[0]["at_ms"].as_u64().unwrap();
        assert!(waited >= seconds * 1_000, "only {waited} ms: {requests:?}");
    }
}
