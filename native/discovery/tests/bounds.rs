//! What no server can do, however it lies: have a discovery ask, remember or try without end.

mod common;

use std::time::Duration;

use common::running::Running;
use common::{LIMIT, config, server, wait_up_to};
use discovery::fuzzing::Offline;
use discovery::server::credentials::{self, Token};
use discovery::{Config, Event, Kind};
use fake_apiserver::Server;
use serde_json::json;

/// As many objects as an answer may have.
const MANY: usize = 20_000;

fn token(server: &Server) -> Token {
    credentials::token(&server.service_account()).unwrap()
}

fn page(objects: &[String], next: &str) -> Vec<u8> {
    let items: Vec<_> = objects.iter().map(|name| endpoints(name)).collect();
    let metadata = json!({"resourceVersion": "1", "continue": next});
    json!({"kind": "EndpointsList", "metadata": metadata, "items": items})
        .to_string()
        .into()
}

fn endpoints(name: &str) -> serde_json::Value {
    json!({"metadata": {"name": name, "resourceVersion": "1"}, "subsets": null})
}

#[track_caller]
fn assert_too_large(told: Option<Event>) {
    match told {
        Some(Event::Error(error)) if error.kind == Kind::TooLarge => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_list_whose_pages_never_end_is_an_error() {
    let server = server();
    let (config, token) = (config(&server), token(&server));
    let mut offline = Offline::new(&config, &token);
    let body = page(&[], "next");
    let told = (0..MANY).find_map(|_| offline.page(&body));
    assert_too_large(told);
}

#[test]
fn a_list_of_too_many_objects_without_names_is_an_error() {
    let server = server();
    let (config, token) = (config(&server), token(&server));
    let objects: Vec<_> = (0..=MANY).map(|number| format!("web-{number}")).collect();
    assert_too_large(Offline::new(&config, &token).page(&page(&objects, "")));
}

#[test]
fn a_watch_that_adds_objects_without_end_is_an_error() {
    let server = server();
    let token = token(&server);
    let config = Config {
        watch: true,
        ..config(&server)
    };
    let mut offline = Offline::new(&config, &token);
    let mut names = (0..).map(|number| format!("web-{number}"));
    let objects: Vec<_> = names.by_ref().take(MANY - 1).collect();
    offline.page(&page(&objects, ""));
    let added = |name: String| json!({"type": "ADDED", "object": endpoints(&name)});
    let stream = format!("{}\n{}\n", added(names.next().unwrap()), added(names.next().unwrap()));
    let mut watch = offline.watch(stream.as_bytes(), false);
    assert!(!matches!(watch.read(), Some(Event::Error(_))));
    assert_too_large(watch.read());
}

/// A version from which the server cannot watch costs a list, and no more.
fn assert_survives_version(version: &str) {
    let server = server();
    let (running, _) = Running::watching(Config {
        request_timeout: Duration::from_secs(1),
        ..config(&server)
    });
    let bookmark = json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}});
    server.send_to_watches(format!("{bookmark}\n"));
    server.end_watches();
    server.put_object(
        "endpoints",
        "default",
        "web",
        &json!({
            "metadata": {"labels": {"app": "web"}},
            "subsets": [{"addresses": [{"ip": "10.0.0.7"}]}],
        }),
    );
    wait_up_to(&server, LIMIT, |summary| summary.lists >= 2);
    running.until_ready(&["app@10.0.0.7"]);
}

#[test]
fn a_version_that_is_no_number_costs_one_list() {
    assert_survives_version("nonsense");
}

#[test]
fn a_version_that_fits_in_no_url_costs_one_list() {
    assert_survives_version(&"9".repeat(100_000));
}
