//! A server whose objects change while a discovery watches.

use discovery::Event;
use fake_apiserver::{Action, Fault, Rule, Server};
use serde_json::{Value, json};

use super::pod;
use super::running::Running;

pub const GARBAGE: &str = "<html>no event</html>\n";

/// Adds an Endpoints object with one ready address, or replaces it; gives its version.
pub fn put(server: &Server, name: &str, ip: &str) -> String {
    let body = json!({
        "metadata": {"labels": {"app": "web"}},
        "subsets": [{"addresses": [{"ip": ip}]}],
    });
    version(&server.put_object("endpoints", "default", name, &body))
}

pub fn version(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

/// Moves the server's version without touching what is watched; gives it.
pub fn elsewhere(server: &Server) -> String {
    let before = server.objects("pods").len();
    version(&server.put_object("pods", "default", &format!("other-{before}"), &pod("10.9.9.9")))
}

/// The parameters of each watch so far.
pub fn watches(server: &Server) -> Vec<Value> {
    let requests = server.journal().into_iter();
    requests
        .filter(|it| it["watch"] == true)
        .map(|it| it["query"].clone())
        .collect()
}

/// A line of a watch, as the server would send it.
pub fn line(kind: &str, name: &str, ip: &str, version: &str) -> String {
    let metadata = json!({"name": name, "namespace": "default", "resourceVersion": version});
    let object = json!({"metadata": metadata, "subsets": [{"addresses": [{"ip": ip}]}]});
    format!("{}\n", json!({"type": kind, "object": object}))
}

/// The line that ends a watch for this reason.
pub fn error_line(code: u16) -> String {
    let status =
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "the reason", "code": code});
    format!("{}\n", json!({"type": "ERROR", "object": status}))
}

pub fn on_watch(action: Action) -> Fault {
    Fault::on_request(action).verb("watch")
}

/// A watch that breaks off now has been heard, once this returns: an object came and went.
#[track_caller]
pub fn let_it_hear(server: &Server, running: &Running, name: &str) {
    put(server, name, "10.6.6.6");
    assert!(running.snapshot().ready.contains(&"app@10.6.6.6".to_owned()));
    server.delete_object("endpoints", "default", name);
    assert!(!running.snapshot().ready.contains(&"app@10.6.6.6".to_owned()));
}

/// Fails unless a change still arrives by itself.
#[track_caller]
pub fn assert_works(server: &Server, running: &Running) {
    put(server, "at-last", "10.7.7.7");
    running.until(
        |event| matches!(event, Event::Snapshot(snapshot) if snapshot.ready.contains(&"app@10.7.7.7".to_owned())),
    );
}

pub fn lists_only() -> Vec<Rule> {
    vec![Rule::new(&["list"], &["endpoints"], &["default"])]
}
