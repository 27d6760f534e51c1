//! What the slices of a service come to: several of them, of one family or of two.

use super::reflector_of;
use crate::config::{Config, IpFamily, Mode, Source};
use crate::names::longname::Unnameable;
use crate::names::snapshot::Snapshot;
use crate::testing;
use serde_json::{Value, json};

/// As a 1.28 dual-stack cluster has them for a StatefulSet behind a headless Service.
const LIST: &str = include_str!("../../../../tests/fixtures/endpoint_slices.json");

fn config() -> Config {
    testing::config(Source::EndpointSlices)
}

/// What a list of these slices comes to.
fn snapshot(items: &Value, config: &Config) -> Snapshot {
    let body = json!({"kind": "EndpointSliceList", "metadata": {"resourceVersion": "1"}, "items": items});
    reflector_of(body.to_string().as_bytes(), config).snapshot()
}

/// A slice with these ready addresses.
fn slice(name: &str, kind: &str, addresses: &[&str]) -> Value {
    let endpoints: Vec<_> = addresses
        .iter()
        .map(|ip| json!({"addresses": [ip], "conditions": {"ready": true}}))
        .collect();
    json!({
        "metadata": {"name": name, "namespace": "prod", "resourceVersion": "1"},
        "addressType": kind,
        "endpoints": if endpoints.is_empty() { Value::Null } else { json!(endpoints) },
        "ports": [{"name": "epmd", "port": 4369, "protocol": "TCP"}],
    })
}

fn fixture() -> Value {
    let list: Value = serde_json::from_str(LIST).unwrap();
    list["items"].clone()
}

#[test]
fn several_slices_are_one_set_of_ipv4_names() {
    let snapshot = snapshot(&fixture(), &config());
    assert_eq!(snapshot.ready, ["app@10.244.1.7", "app@10.244.4.1"]);
    assert_eq!(snapshot.not_ready, ["app@10.244.2.9"]);
    assert_eq!(snapshot.draining, ["app@10.244.3.4"]);
    let dropped: Vec<_> = snapshot.dropped.iter().map(|it| (it.reason, it.count)).collect();
    assert_eq!(dropped, [(Unnameable::Address, 1)], "the FQDN, which is no address");
}

#[test]
fn a_wanted_family_is_the_only_one() {
    let of = |family| {
        let family = Some(family);
        snapshot(
            &fixture(),
            &Config {
                ip_family: family,
                ..config()
            },
        )
    };
    let v4 = of(IpFamily::V4);
    assert_eq!(v4.ready, ["app@10.244.1.7", "app@10.244.4.1"]);
    let v6 = of(IpFamily::V6);
    assert_eq!(v6.ready, ["app@fd00:10:244:1::7", "app@fd00:10:244:4::1"]);
    assert!(v6.not_ready.is_empty() && v6.draining.is_empty());
}

#[test]
fn ipv6_alone_is_what_a_single_stack_ipv6_cluster_has() {
    let slices = json!([slice("a", "IPv6", &["fd00::1"]), slice("b", "IPv6", &["fd00::2"])]);
    assert_eq!(snapshot(&slices, &config()).ready, ["app@fd00::1", "app@fd00::2"]);
    let v4 = Config {
        ip_family: Some(IpFamily::V4),
        ..config()
    };
    let none = snapshot(&slices, &v4);
    assert!(none.ready.is_empty());
    assert_eq!((none.dropped[0].reason, none.dropped[0].count), (Unnameable::Family, 2));
}

#[test]
fn an_ipv4_slice_of_whatever_standing_is_enough_to_leave_ipv6_out() {
    let mut v4 = slice("a", "IPv4", &["10.0.0.1"]);
    v4["endpoints"][0]["conditions"] = json!({"ready": false});
    let snapshot = snapshot(&json!([v4, slice("b", "IPv6", &["fd00::1"])]), &config());
    assert_eq!(
        (snapshot.ready.len(), snapshot.not_ready),
        (0, vec!["app@10.0.0.1".to_owned()])
    );
}

/// The two slices of a dual-stack service change one after the other.
#[test]
fn an_empty_ipv4_slice_is_enough_to_leave_ipv6_out() {
    let slices = json!([slice("a", "IPv4", &[]), slice("b", "IPv6", &["fd00::1"])]);
    assert_eq!(snapshot(&slices, &config()).ready, [""; 0]);
}

#[test]
fn hostnames_are_the_same_name_in_both_families() {
    let mut hostname = config();
    hostname.names.mode = Mode::Hostname {
        service: "web".to_owned(),
    };
    let snapshot = snapshot(&fixture(), &hostname);
    let name = |number| format!("app@web-{number}.web.prod.svc.cluster.local");
    assert_eq!(snapshot.ready, [name(0), name(3)]);
    assert_eq!((snapshot.not_ready, snapshot.draining), (vec![name(1)], vec![name(2)]));
    assert_eq!(snapshot.dropped[0].reason, Unnameable::Hostname);
}

#[test]
fn what_is_not_ready_can_be_wanted_and_what_drains_cannot() {
    let all = Config {
        include_not_ready: true,
        ..config()
    };
    let snapshot = snapshot(&fixture(), &all);
    assert_eq!(snapshot.ready, ["app@10.244.1.7", "app@10.244.2.9", "app@10.244.4.1"]);
    assert_eq!(snapshot.draining, ["app@10.244.3.4"]);
}
