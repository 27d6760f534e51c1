use super::*;
use crate::config::{Basename, Rollout};
use crate::names::entry::Named;
use crate::names::longname::Unnameable;
use crate::objects::candidate::Standing;
use crate::testing;
use crate::testing::entries::listed;
use serde_json::{Value, json};

mod changes;
mod list_and_watch;
mod slices;

fn entry(names: &[&str]) -> Entry {
    let ready = |name: &&str| Named {
        name: (*name).to_owned(),
        standing: Standing::Ready,
    };
    Entry {
        named: names.iter().map(ready).collect(),
        ..Entry::default()
    }
}

fn crowd(names: usize) -> Entry {
    let names: Vec<_> = (0..names).map(|number| number.to_string()).collect();
    entry(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

/// One that knows nothing yet, and lives as long as its test, for which it may leak.
fn reflector() -> Reflector<'static> {
    Reflector::new(Box::leak(Box::new(testing::config(Source::Endpoints))))
}

/// One that knows the objects of this list.
fn reflector_of<'c>(list: &[u8], config: &'c Config) -> Reflector<'c> {
    let mut reflector = Reflector::new(config);
    reflector.replace(listed(list, config)).unwrap();
    reflector
}

fn ready(reflector: &Reflector<'_>) -> Vec<String> {
    reflector.snapshot().ready
}

#[test]
fn a_list_takes_the_place_of_everything() {
    let mut reflector = reflector();
    let mut replace = |names: &[&str]| {
        let objects = names.iter().map(|name| ((*name).to_owned(), entry(&[name])));
        let changed = reflector.replace(objects).unwrap();
        reflector.tell();
        assert_eq!(ready(&reflector), names);
        changed
    };
    assert!(replace(&["a"]));
    assert!(!replace(&["a"]));
    assert!(replace(&["a", "b"]));
    assert!(replace(&["b", "c"]));
    assert!(replace(&[]));
    assert!(!replace(&[]));
}

#[test]
fn only_what_counts_is_a_change() {
    let mut reflector = reflector();
    reflector.tell();
    let mut upsert = |key: &str, names: &[&str]| {
        let changed = reflector.upsert(key, entry(names)).unwrap();
        reflector.tell();
        changed
    };
    assert!(!upsert("a", &[]), "a new object without names");
    assert!(upsert("a", &["a"]));
    assert!(!upsert("a", &["a"]));
    assert!(!upsert("b", &["a"]), "known of another object");
    assert!(upsert("b", &["a", "b"]));
    assert!(!reflector.delete("a"));
    assert!(reflector.delete("b"));
    reflector.tell();
    assert!(!reflector.delete("b"));
}

#[test]
fn too_many_names_of_a_list_change_nothing() {
    let mut reflector = reflector();
    reflector.replace([("a".to_owned(), entry(&["a"]))]).unwrap();
    let halves = [("b".to_owned(), crowd(10_000)), ("c".to_owned(), crowd(10_001))];
    assert_eq!(reflector.replace(halves).unwrap_err().kind, Kind::TooLarge);
    assert_eq!(ready(&reflector), ["a"]);
}

#[test]
fn too_many_names_of_an_event_change_nothing() {
    let mut reflector = reflector();
    reflector.replace([("a".to_owned(), entry(&["a"]))]).unwrap();
    let error = reflector.upsert("b", crowd(20_000)).unwrap_err();
    assert_eq!(error.kind, Kind::TooLarge);
    assert_eq!(ready(&reflector).len(), 1);
}

#[test]
fn too_many_names_of_an_event_are_an_error() {
    let mut reflector = reflector();
    assert!(reflector.upsert("a", crowd(20_000)).is_ok());
    let error = reflector.upsert("b", entry(&["b"])).unwrap_err();
    assert_eq!(error.kind, Kind::TooLarge);
    assert!(error.advice.unwrap().contains("kubernetes_selector"));
}

/// What pods come to, in JSON and in protobuf.
fn of_pods(pods: &Value, config: &Config) -> Snapshot {
    let list = json!({"kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": pods});
    let [json, protobuf] = [list.to_string().into_bytes(), testing::protobuf::list(&list)]
        .map(|body| reflector_of(&body, config).snapshot());
    assert_eq!(json, protobuf);
    json
}

/// What pods come to for this node.
fn of_its_rollout(node: &str, pods: &Value) -> Snapshot {
    let config = Config {
        rollout: Some(Rollout {
            label: "pod-template-hash".to_owned(),
            node: node.to_owned(),
        }),
        ..testing::config(Source::Pods)
    };
    of_pods(pods, &config)
}

fn pod(number: u8, labels: &Value) -> Value {
    json!({
        "metadata": {"name": format!("web-{number}"), "namespace": "default", "labels": labels},
        "status": {"phase": "Running", "podIP": format!("10.0.0.{number}")},
    })
}

fn hash(hash: &str) -> Value {
    json!({"app": "app", "pod-template-hash": hash})
}

#[test]
fn only_pods_of_the_same_rollout_count() {
    let pods = json!([
        pod(1, &hash("a")),
        pod(2, &hash("b")),
        pod(3, &hash("a")),
        pod(4, &json!({"app": "app"})),
        pod(5, &Value::Null)
    ]);
    let one = of_its_rollout("app@10.0.0.1", &pods);
    assert_eq!(
        (&one.ready[..], one.warnings.len()),
        (&["app@10.0.0.1".to_owned(), "app@10.0.0.3".to_owned()][..], 0)
    );
    let other = of_its_rollout("app@10.0.0.2", &pods);
    assert_eq!(other.ready, ["app@10.0.0.2"]);
    for node in ["app@10.0.0.4", "app@10.0.0.5"] {
        let unlabelled = of_its_rollout(node, &pods);
        assert_eq!(unlabelled.ready, [node]);
        assert!(
            unlabelled.warnings[0].contains("no label \"pod-template-hash\""),
            "{:?}",
            unlabelled.warnings
        );
    }
    let unknown = of_its_rollout("nonode@nohost", &pods);
    assert!(unknown.ready.is_empty());
    assert!(unknown.warnings[0].contains("nonode@nohost"), "{:?}", unknown.warnings);
}

/// The first object of a name is not the one that counts.
#[test]
fn a_pod_that_terminates_at_the_address_of_this_nodes_pod_is_not_of_its_rollout() {
    let mut old = pod(1, &hash("old"));
    old["metadata"]["name"] = json!("before-web-1");
    old["metadata"]["deletionTimestamp"] = json!("2026-08-04T13:00:31Z");
    let new = pod(1, &hash("new"));
    let pods = json!([old, new, pod(2, &hash("old")), pod(3, &hash("new"))]);
    let snapshot = of_its_rollout("app@10.0.0.1", &pods);
    assert_eq!(snapshot.ready, ["app@10.0.0.1", "app@10.0.0.3"]);
    assert!(snapshot.draining.is_empty() && snapshot.warnings.is_empty());
}

#[test]
fn each_pod_has_the_basename_that_its_label_says() {
    let mut config = testing::config(Source::Pods);
    config.names.basename = Basename::Label("app".to_owned());
    let label = |value: &str| json!({ "app": value });
    let pods = json!([
        pod(1, &label("shop")),
        pod(2, &label("billing_2")),
        pod(3, &label("shop.v2")),
        pod(4, &json!({"other": "shop"})),
        pod(5, &label("")),
    ]);
    let snapshot = of_pods(&pods, &config);
    assert_eq!(snapshot.ready, ["billing_2@10.0.0.2", "shop@10.0.0.1"]);
    let dropped: Vec<_> = snapshot.dropped.iter().map(|it| (it.reason, it.count)).collect();
    assert_eq!(dropped, [(Unnameable::Basename, 3)]);
    assert!(
        snapshot.dropped[0].example.contains("10.0.0.3"),
        "{:?}",
        snapshot.dropped
    );
}
