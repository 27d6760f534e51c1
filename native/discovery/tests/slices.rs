//! EndpointSlices over real TLS: several slices of a service, listed and watched.

mod common;

use common::running::Running;
use common::{config, server, status_saying, wait};
use discovery::{Config, IpFamily, Kind, Mode, Source};
use fake_apiserver::{Fault, Server};
use serde_json::{Value, json};

fn slices(server: &Server) -> Config {
    Config {
        source: Source::EndpointSlices,
        ..config(server)
    }
}

/// Stores a slice with these endpoints, each an address with its conditions.
fn put(server: &Server, name: &str, kind: &str, endpoints: &[(&str, Value)]) {
    let endpoints: Vec<_> = endpoints
        .iter()
        .map(|(ip, conditions)| {
            let pod = json!({"kind": "Pod", "namespace": "default", "name": "web-0"});
            json!({"addresses": [ip], "conditions": conditions, "targetRef": pod, "nodeName": "worker", "zone": "a"})
        })
        .collect();
    let body = json!({
        "metadata": {"labels": {"app": "web", "kubernetes.io/service-name": "web"}},
        "addressType": kind,
        "endpoints": endpoints,
        "ports": [{"name": "epmd", "port": 4369, "protocol": "TCP"}],
    });
    server.put_object("endpointslices", "default", name, &body);
}

fn ready() -> Value {
    json!({"ready": true, "serving": true, "terminating": false})
}

fn unready() -> Value {
    json!({"ready": false, "serving": false, "terminating": false})
}

fn draining() -> Value {
    json!({"ready": false, "serving": true, "terminating": true})
}

/// A dual-stack service of two IPv4 slices and one of IPv6.
fn dual_stack() -> Server {
    let server = server();
    put(
        &server,
        "web-a",
        "IPv4",
        &[("10.0.0.1", ready()), ("10.0.0.2", ready())],
    );
    put(
        &server,
        "web-b",
        "IPv4",
        &[("10.0.0.2", ready()), ("10.0.0.3", unready())],
    );
    put(&server, "web-c", "IPv6", &[("fd00::1", ready())]);
    server
}

#[test]
fn several_slices_are_listed_as_one_set() {
    let server = dual_stack();
    let (_running, first) = Running::watching(slices(&server));
    assert_eq!(first.ready, ["app@10.0.0.1", "app@10.0.0.2"]);
    assert_eq!(first.not_ready, ["app@10.0.0.3"]);
    assert!(first.draining.is_empty() && first.dropped.is_empty());
    for request in server.journal() {
        assert_eq!(
            request["path"],
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
        );
    }
}

#[test]
fn a_slice_that_changes_does_not_disturb_the_others() {
    let server = dual_stack();
    let (running, _) = Running::watching(slices(&server));
    put(
        &server,
        "web-b",
        "IPv4",
        &[("10.0.0.3", ready()), ("10.0.0.4", unready())],
    );
    let snapshot = running.snapshot();
    assert_eq!(snapshot.ready, ["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.3"]);
    assert_eq!(snapshot.not_ready, ["app@10.0.0.4"]);
    put(&server, "web-d", "IPv4", &[("10.0.0.5", ready())]);
    assert_eq!(running.snapshot().ready.len(), 4);
    server.delete_object("endpointslices", "default", "web-b");
    let snapshot = running.snapshot();
    assert_eq!(snapshot.ready, ["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.5"]);
    assert!(snapshot.not_ready.is_empty());
    assert_eq!(server.summary().lists, 1);
}

/// The controller moves endpoints between slices: for a moment one is in both, or, seen from here, still in one.
#[test]
fn an_endpoint_that_is_in_two_slices_stays_while_it_is_in_one() {
    let server = dual_stack();
    let (running, _) = Running::watching(slices(&server));
    put(&server, "web-a", "IPv4", &[("10.0.0.1", ready())]);
    put(&server, "web-d", "IPv4", &[("10.0.0.5", ready())]);
    assert_eq!(
        running.snapshot().ready,
        ["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.5"]
    );
    put(&server, "web-b", "IPv4", &[("10.0.0.3", unready())]);
    assert_eq!(running.snapshot().ready, ["app@10.0.0.1", "app@10.0.0.5"]);
}

#[test]
fn an_endpoint_goes_from_ready_over_draining_to_gone() {
    let server = dual_stack();
    let (running, _) = Running::watching(slices(&server));
    put(
        &server,
        "web-a",
        "IPv4",
        &[("10.0.0.1", draining()), ("10.0.0.2", ready())],
    );
    let snapshot = running.snapshot();
    assert_eq!(
        (snapshot.ready, snapshot.draining),
        (vec!["app@10.0.0.2".to_owned()], vec!["app@10.0.0.1".to_owned()])
    );
    put(&server, "web-a", "IPv4", &[("10.0.0.2", ready())]);
    let snapshot = running.snapshot();
    assert!(snapshot.draining.is_empty() && snapshot.ready == ["app@10.0.0.2"]);
}

/// `publishNotReadyAddresses` makes the controller say that all are ready.
#[test]
fn what_terminates_drains_though_it_is_ready() {
    let server = dual_stack();
    let published = json!({"ready": true, "serving": true, "terminating": true});
    put(
        &server,
        "web-a",
        "IPv4",
        &[("10.0.0.1", published), ("10.0.0.2", ready())],
    );
    let (_running, first) = Running::watching(slices(&server));
    assert_eq!(
        (first.ready, first.draining),
        (vec!["app@10.0.0.2".to_owned()], vec!["app@10.0.0.1".to_owned()])
    );
}

#[test]
fn the_family_that_is_asked_for_is_watched() {
    let server = dual_stack();
    let (running, first) = Running::watching(Config {
        ip_family: Some(IpFamily::V6),
        ..slices(&server)
    });
    assert_eq!(first.ready, ["app@fd00::1"]);
    put(&server, "web-c", "IPv6", &[("fd00::1", ready()), ("fd00::2", ready())]);
    let snapshot = running.snapshot();
    assert_eq!(snapshot.ready, ["app@fd00::1", "app@fd00::2"]);
    assert!(snapshot.not_ready.is_empty() && snapshot.dropped.is_empty());
}

#[test]
fn ipv6_is_left_out_as_soon_as_there_is_ipv4() {
    let server = server();
    put(&server, "web-c", "IPv6", &[("fd00::1", ready())]);
    let (running, first) = Running::watching(slices(&server));
    assert_eq!(first.ready, ["app@fd00::1"]);
    put(&server, "web-a", "IPv4", &[("10.0.0.1", ready())]);
    assert_eq!(running.snapshot().ready, ["app@10.0.0.1"]);
}

#[test]
fn slices_name_by_hostname() {
    let server = server();
    let endpoints = json!([{"addresses": ["10.0.0.1"], "hostname": "web-0"}, {"addresses": ["10.0.0.2"]}]);
    let body = json!({"metadata": {"labels": {"app": "web"}}, "addressType": "IPv4", "endpoints": endpoints});
    server.put_object("endpointslices", "default", "web-a", &body);
    let mut by_hostname = slices(&server);
    by_hostname.names.mode = Mode::Hostname {
        service: "headless".to_owned(),
    };
    let (_running, first) = Running::watching(by_hostname);
    assert_eq!(first.ready, ["app@web-0.headless.default.svc.cluster.local"]);
    assert_eq!(first.dropped[0].count, 1);
}

#[test]
fn a_cluster_that_knows_no_slices_is_said_to_be_old() {
    let server = server();
    let not_found = status_saying(404, "the server could not find the requested resource");
    server.set_faults(vec![Fault::on_request(not_found)]);
    let running = Running::start(Config {
        watch: true,
        ..slices(&server)
    });
    let error = running.error();
    assert_eq!(error.kind, Kind::NotFound);
    assert!(
        error.advice.as_ref().unwrap().contains("since Kubernetes 1.21"),
        "{error:?}"
    );
}

#[test]
fn a_slice_of_another_shape_is_an_error_and_nobody_is_forgotten() {
    let server = dual_stack();
    let (running, _) = Running::watching(slices(&server));
    server.send_to_watches(
        "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"web-a\",\"resourceVersion\":\"9\"},\"endpoints\":7}}\n",
    );
    assert_eq!(running.error().kind, Kind::Malformed);
    running.expect_unchanged();
    wait(&server, |summary| summary.watches == 2);
}
