//! One poll after the other: what is asked for.

mod common;

use common::running::Running;
use common::server;
use discovery::Config;
use fake_apiserver::Server;

fn config(server: &Server) -> Config {
    Config {
        cached: false,
        ..common::config(server)
    }
}

/// The version that each request named, in order.
fn versions(server: &Server) -> Vec<String> {
    let journal = server.journal();
    let versions = journal
        .iter()
        .map(|request| request["query"]["resourceVersion"].as_str());
    versions.map(|version| version.unwrap_or("none").to_owned()).collect()
}

#[test]
fn a_poll_is_a_plain_list() {
    let server = server();
    let running = Running::start(config(&server));
    running.snapshot();
    running.refresh();
    running.expect_unchanged();
    server.delete_object("endpoints", "default", "web");
    running.refresh();
    assert!(running.snapshot().ready.is_empty());
    assert_eq!(versions(&server), ["none", "none", "none"]);
}

#[test]
fn cached_resources_are_asked_for_as_they_are() {
    let server = server();
    let cached = Config {
        cached: true,
        ..config(&server)
    };
    let running = Running::start(cached);
    running.snapshot();
    running.refresh();
    running.expect_unchanged();
    assert_eq!(versions(&server), ["0", "0"]);
}
