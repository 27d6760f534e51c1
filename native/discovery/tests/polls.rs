//! One poll after the other: what is asked for, and what a server's cache may answer.

mod common;

use common::running::Running;
use common::{server, status};
use discovery::{Config, Freshness, Report};
use fake_apiserver::{Fault, Server};
use serde_json::json;

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
fn a_poll_asks_for_nothing_older_than_the_objects_that_are_known() {
    // Endpoints of version 2, and a Pod of version 3.
    let server = server();
    let running = Running::start(config(&server));
    assert_eq!(running.snapshot().resource_version, "3");
    running.refresh();
    running.expect_unchanged();
    server.put_object(
        "endpoints",
        "default",
        "web",
        &json!({"metadata": {"labels": {"app": "web"}}}),
    );
    running.refresh();
    assert_eq!(running.snapshot().resource_version, "4");
    running.refresh();
    running.expect_unchanged();
    assert_eq!(versions(&server), ["none", "2", "2", "4"]);
}

#[test]
fn who_asks_for_what_is_true_now_gets_it() {
    let server = server();
    let running = Running::start(config(&server));
    running.snapshot();
    running.refresh();
    running.expect_unchanged();
    running.discovery.list();
    running.expect_unchanged();
    running.discovery.refresh(Freshness::Present);
    running.expect_unchanged();
    assert_eq!(versions(&server), ["none", "2", "none", "none"]);
}

#[test]
fn a_cache_that_is_behind_is_passed_over_and_nothing_has_failed() {
    let server = server();
    let running = Running::start(config(&server));
    running.snapshot();
    assert!(matches!(running.report(), Report::Listed { requests: 1, .. }));
    server.set_faults(vec![Fault::on_request(status(504)).times(1)]);
    running.refresh();
    running.expect_unchanged();
    assert_eq!(versions(&server), ["none", "2", "none"]);
    let report = running.report();
    let of_both = matches!(
        report,
        Report::Listed {
            pages: 2,
            failure: None,
            requests: 3,
            ..
        }
    );
    assert!(of_both, "{report:?}");
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
