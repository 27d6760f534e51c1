//! A list and the watch that follows it come to what a list says at the end of it.

use super::reflector_of;
use crate::config::{Config, IpFamily, Mode, Source};
use crate::names::reflector::Reflector;
use crate::testing;
use crate::testing::entries::event;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn pick(values: &[Value]) -> impl Strategy<Value = Value> + use<> {
    prop::sample::select(values.to_vec())
}

fn ip() -> impl Strategy<Value = Value> {
    let known = [
        "10.0.0.1",
        "10.0.0.2",
        "10.0.0.3",
        "fd00::1",
        "fd00::2",
        "example.com",
        "",
    ];
    pick(&known.map(Value::from))
}

fn hostname() -> impl Strategy<Value = Value> {
    pick(&[json!("web-0"), json!("web-1"), json!("Web"), Value::Null])
}

fn flag() -> impl Strategy<Value = Value> {
    pick(&[json!(true), json!(false), Value::Null])
}

fn endpoints() -> impl Strategy<Value = Value> {
    let addresses = || {
        let address = (ip(), hostname()).prop_map(|(ip, hostname)| json!({"ip": ip, "hostname": hostname}));
        prop::collection::vec(address, 0..3)
    };
    (addresses(), addresses(), any::<bool>()).prop_map(|(ready, not_ready, over_capacity)| {
        let annotations = if over_capacity {
            json!({"endpoints.kubernetes.io/over-capacity": "truncated"})
        } else {
            Value::Null
        };
        json!({
            "metadata": {"annotations": annotations},
            "subsets": [{"addresses": ready, "notReadyAddresses": not_ready}],
        })
    })
}

fn slice() -> impl Strategy<Value = Value> {
    let endpoint = (ip(), hostname(), flag(), flag()).prop_map(|(ip, hostname, ready, terminating)| {
        let conditions = json!({"ready": ready, "terminating": terminating});
        json!({"addresses": [ip], "hostname": hostname, "conditions": conditions})
    });
    prop::collection::vec(endpoint, 0..4).prop_map(|endpoints| json!({"metadata": {}, "endpoints": endpoints}))
}

fn pod() -> impl Strategy<Value = Value> {
    let phase = pick(&["Pending", "Running", "Succeeded", "Failed"].map(Value::from));
    let deleted = pick(&[Value::Null, Value::Null, json!("2026-08-04T13:00:31Z")]);
    let ready = pick(&["True", "False"].map(Value::from));
    (ip(), ip(), hostname(), phase, deleted, ready).prop_map(|(ip, other, hostname, phase, deleted, ready)| {
        let ips = [json!({"ip": ip}), json!({"ip": other})];
        let conditions = [json!({"type": "Ready", "status": ready})];
        json!({
            "metadata": {"deletionTimestamp": deleted},
            "spec": {"hostname": hostname},
            "status": {"phase": phase, "podIP": ip, "podIPs": ips, "conditions": conditions},
        })
    })
}

fn config(source: Source) -> impl Strategy<Value = Config> {
    let family = prop::sample::select(vec![None, None, Some(IpFamily::V4), Some(IpFamily::V6)]);
    let hostname = Mode::Hostname {
        service: "web".to_owned(),
    };
    let mode = prop::sample::select(vec![Mode::Ip, Mode::Dns, hostname]);
    (family, mode, any::<bool>()).prop_map(move |(ip_family, mode, include_not_ready)| {
        let mut config = Config {
            include_not_ready,
            ip_family,
            ..testing::config(source)
        };
        config.names.mode = mode;
        config
    })
}

/// What becomes of one of four objects: so it is now, or it is gone.
type Change = (u8, Option<Value>);

fn changes(object: impl Strategy<Value = Value>) -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec((0_u8..4, prop::option::weighted(0.7, object)), 0..16)
}

/// The same changes as a list of the first and a watch of the rest, and as one list of what they come to.
fn check(changes: &[Change], watched: usize, kind: &str, config: &Config) -> Result<(), TestCaseError> {
    let mut objects: BTreeMap<u8, Value> = BTreeMap::new();
    let list = |objects: &BTreeMap<u8, Value>| {
        let items: Vec<_> = objects.values().collect();
        let body = json!({"kind": format!("{kind}List"), "metadata": {"resourceVersion": "1"}, "items": items});
        reflector_of(body.to_string().as_bytes(), config)
    };
    let (first, rest) = changes.split_at(changes.len() - watched.min(changes.len()));
    let mut frames = Vec::new();
    let mut listed = Reflector::new(config);
    for (index, (number, object)) in first.iter().chain(rest).enumerate() {
        if index == first.len() {
            listed = list(&objects);
        }
        let before = objects.remove(number);
        let (event, mut object) = match (object, before) {
            (Some(object), None) => ("ADDED", object.clone()),
            (Some(object), Some(_)) => ("MODIFIED", object.clone()),
            (None, Some(before)) => ("DELETED", before),
            (None, None) => continue,
        };
        // Neither tells one from another, both do.
        object["metadata"]["name"] = json!(format!("object-{}", number % 2));
        object["metadata"]["namespace"] = json!(format!("namespace-{}", number / 2));
        object["metadata"]["resourceVersion"] = json!(index.to_string());
        if index >= first.len() {
            let mut whole = object.clone();
            whole["kind"] = json!(kind);
            frames.push(json!({"type": event, "object": whole}).to_string());
        }
        if event != "DELETED" {
            objects.insert(*number, object);
        }
    }
    if rest.is_empty() {
        listed = list(&objects);
    }
    for frame in frames {
        let before = listed.snapshot();
        listed.tell();
        let news = match event(&frame, config) {
            Some((key, Some(entry))) => listed.upsert(&key, entry).unwrap(),
            Some((key, None)) => listed.delete(&key),
            None => false,
        };
        prop_assert!(news || listed.snapshot() == before);
    }
    prop_assert_eq!(listed.snapshot(), list(&objects).snapshot());
    Ok(())
}

proptest! {
    #[test]
    fn a_watch_of_endpoints_comes_to_what_a_list_says(
        changes in changes(endpoints()), watched in 0_usize..16, config in config(Source::Endpoints),
    ) {
        check(&changes, watched, "Endpoints", &config)?;
    }

    #[test]
    fn a_watch_of_slices_comes_to_what_a_list_says(
        changes in changes(slice()), watched in 0_usize..16, config in config(Source::EndpointSlices),
    ) {
        check(&changes, watched, "EndpointSlice", &config)?;
    }

    #[test]
    fn a_watch_of_pods_comes_to_what_a_list_says(
        changes in changes(pod()), watched in 0_usize..16, config in config(Source::Pods),
    ) {
        check(&changes, watched, "Pod", &config)?;
    }
}
