//! Streams that are open and tell nothing whole: they are replaced, and what they do not tell is found.

mod common;

use std::time::Duration;

use common::running::{Running, errors, snapshots};
use common::watching::{assert_works, let_it_hear, on_watch, put};
use common::{config, server};
use discovery::Config;
use fake_apiserver::{Action, Server};
use serde_json::json;

fn impatient(server: &Server) -> Config {
    Config {
        watch_silence: Duration::from_millis(300),
        ..config(server)
    }
}

#[test]
fn a_stream_that_was_heard_and_falls_silent_is_resumed_without_a_word() {
    let server = server();
    let (running, _) = Running::watching(impatient(&server));
    let_it_hear(&server, &running, "heard");
    server.set_watches_silent(true);
    put(&server, "more", "10.0.0.7");
    running.expect_watching();
    server.set_watches_silent(false);
    let said = running.until_ready(&["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.7"]);
    assert!(errors(&said).is_empty());
    let asked = server.journal();
    assert_eq!((&asked[1]["watch"], &asked[2]["watch"]), (&json!(true), &json!(true)));
}

#[test]
fn a_stream_that_tells_nothing_at_all_is_followed_by_a_list() {
    let server = server();
    server.set_watches_silent(true);
    let (running, _) = Running::watching(impatient(&server));
    put(&server, "more", "10.0.0.7");
    let said = running.until_ready(&["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.7"]);
    assert!(errors(&said).is_empty());
    server.set_watches_silent(false);
    assert_works(&server, &running);
}

/// The server's versions are behind then, and until they have caught up it answers a watch with 200 and not a word.
#[test]
fn an_etcd_that_is_restored_from_a_copy_hides_nobody_for_longer_than_a_silence() {
    let server = server();
    put(&server, "leaves", "10.0.0.4");
    server.back_up();
    let (running, _) = Running::watching(impatient(&server));
    put(&server, "comes", "10.0.0.5");
    running.snapshot();
    server.delete_object("endpoints", "default", "leaves");
    running.snapshot();
    for number in 0..100 {
        put(&server, "busy", &format!("10.1.0.{number}"));
    }
    running.until_ready(&["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.5", "app@10.1.0.99"]);
    server.restore();
    let said = running.until_ready(&["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.4"]);
    assert!(errors(&said).is_empty(), "{said:?}");
    for snapshot in snapshots(&said) {
        assert!(
            snapshot.ready.len() > 2 && snapshot.warnings.is_empty(),
            "nothing in between: {snapshot:?}"
        );
    }
    let accepted = server
        .journal()
        .iter()
        .filter(|it| it["watch"] == true)
        .all(|it| it["status"] == 200);
    assert!(accepted);
    assert_works(&server, &running);
}

#[test]
fn a_stream_that_drips_bytes_but_no_whole_event_is_silent() {
    let server = server();
    let too_slowly = Action::Drip {
        bytes: 1,
        every: Duration::from_millis(100),
    };
    server.set_faults(vec![on_watch(too_slowly).times(1)]);
    let (running, _) = Running::watching(impatient(&server));
    put(&server, "more", "10.0.0.7");
    let said = running.until_ready(&["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.7"]);
    assert!(errors(&said).is_empty());
    assert_works(&server, &running);
}
