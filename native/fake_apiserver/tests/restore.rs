//! A store that is put back to a backup: versions go back with it.

mod common;

use common::{ENDPOINTS, connect, control, get, wait};
use fake_apiserver::Server;
use serde_json::{Value, json};

fn put(server: &Server, name: &str) -> u64 {
    version(&server.put_object("endpoints", "default", name, &json!({})))
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

#[test]
fn everything_is_as_it_was_versions_included() {
    let server = Server::start().unwrap();
    let before = put(&server, "a");
    server.back_up();
    put(&server, "b");
    server.delete_object("endpoints", "default", "a");
    for _ in 0..2 {
        server.restore();
        let list = get(&server, ENDPOINTS).unwrap().json();
        assert_eq!(version(&list), before);
        let names: Vec<_> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["metadata"]["name"])
            .collect();
        assert_eq!(names, ["a"]);
        assert_eq!(put(&server, "c"), before + 1, "a version that meant something else");
    }
}

#[test]
fn every_connection_is_cut_and_a_watch_from_what_is_no_more_is_accepted_and_silent() {
    let server = Server::start().unwrap();
    put(&server, "a");
    server.back_up();
    let ahead = put(&server, "b");
    let _client = connect(&server).unwrap();
    server.restore();
    wait(&server, |summary| summary.connections_open == 0);
    let path = format!("{ENDPOINTS}?watch=1&resourceVersion={ahead}&allowWatchBookmarks=true&timeoutSeconds=1");
    assert_eq!(put(&server, "c"), ahead);
    let answer = get(&server, &path).unwrap();
    assert_eq!((answer.status, answer.text()), (200, ""));
}

#[test]
fn the_control_port_can_do_it() {
    let server = Server::start().unwrap();
    assert_eq!(control(&server, "POST", "/restore", "").status, 409);
    assert_eq!(control(&server, "POST", "/backup", "").status, 200);
    put(&server, "a");
    assert_eq!(control(&server, "POST", "/restore", "").status, 200);
    assert!(server.objects("endpoints").is_empty());
}
