//! Complete lists from a healthy server: what is asked, and what the answer becomes.

mod common;

use std::sync::Arc;

use common::{assert_complete, config, endpoints, list, lister, page, server, wait};
use discovery::watch::lister::Lister;
use discovery::{Config, Kind, Mode, Names, Namespace, Source};
use fake_apiserver::{Action, Fault, Server};
use serde_json::json;

#[test]
fn a_list_of_endpoints_has_all_its_names() {
    let server = server();
    let snapshot = list(&server).unwrap();
    assert_complete(&snapshot);
    assert_eq!(snapshot.not_ready, ["app@10.0.0.3"]);
    assert!(snapshot.draining.is_empty() && snapshot.dropped.is_empty() && snapshot.warnings.is_empty());
    assert_eq!(snapshot.resource_version, "3");
}

#[test]
fn a_list_of_pods_has_all_its_names() {
    let server = server();
    let pods = Config {
        source: Source::Pods,
        ..config(&server)
    };
    let snapshot = Lister::new(Arc::new(pods)).list().unwrap();
    assert_eq!(snapshot.ready, ["app@10.0.0.9"]);
    assert_eq!(server.journal()[0]["path"], "/api/v1/namespaces/default/pods");
}

#[test]
fn what_is_not_ready_can_be_wanted() {
    let server = server();
    let all = Config {
        include_not_ready: true,
        ..config(&server)
    };
    let snapshot = Lister::new(Arc::new(all)).list().unwrap();
    assert_eq!(snapshot.ready, ["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.3"]);
    assert!(snapshot.not_ready.is_empty());
}

#[test]
fn each_mode_names_what_the_server_has() {
    let server = server();
    let body = json!({
        "metadata": {"labels": {"app": "web"}},
        "subsets": [{"addresses": [{
            "ip": "10.0.0.1", "hostname": "web-0", "nodeName": "worker",
            "targetRef": {"kind": "Pod", "namespace": "default", "name": "web-0", "uid": "u"},
        }]}],
    });
    server.put_object("endpoints", "default", "web", &body);
    for (mode, name) in [
        (Mode::Ip, "app@10.0.0.1"),
        (Mode::Dns, "app@10-0-0-1.default.pod.cluster.local"),
        (
            Mode::Hostname {
                service: "headless".to_owned(),
            },
            "app@web-0.headless.default.svc.cluster.local",
        ),
    ] {
        let config = config(&server);
        let names = Names { mode, ..config.names };
        let snapshot = Lister::new(Arc::new(Config { names, ..config })).list().unwrap();
        assert_eq!(snapshot.ready, [name]);
    }
}

#[test]
fn an_empty_list_is_a_snapshot_without_names() {
    let server = Server::start().unwrap();
    let snapshot = list(&server).unwrap();
    assert!(snapshot.ready.is_empty() && snapshot.not_ready.is_empty());
    assert_eq!(snapshot.resource_version, "1");
}

#[test]
fn the_request_is_what_the_api_documents() {
    let server = server();
    list(&server).unwrap();
    let [request] = &server.journal()[..] else {
        panic!("one request, not {:?}", server.journal());
    };
    assert_eq!(request["method"], "GET");
    assert_eq!(request["path"], "/api/v1/namespaces/default/endpoints");
    // Of what is true now: no cache answers.
    assert_eq!(request["query"], json!({"labelSelector": "app=web"}));
    assert_eq!(
        request["headers"]["accept"],
        "application/vnd.kubernetes.protobuf, application/json"
    );
    let agent = request["headers"]["user-agent"].as_str().unwrap();
    assert!(agent.starts_with("libcluster_kubernetes/"), "{agent}");
    assert_eq!(request["user"], "system:serviceaccount:default:default");
}

#[test]
fn a_selector_arrives_as_it_was_written() {
    let server = server();
    for selector in [
        "",
        "app in (web, ä),tier!=db",
        "a=b&limit=1#x?y=%41+z",
        "x\r\nhost: evil",
    ] {
        server.clear_journal();
        let config = Config {
            selector: selector.to_owned(),
            ..config(&server)
        };
        // Whether the server likes it is its own business.
        let _ = Lister::new(Arc::new(config)).list();
        let query = &server.journal()[0]["query"];
        assert_eq!(query["labelSelector"], selector);
        assert_eq!(query.as_object().unwrap().len(), 1, "{query}");
    }
}

#[test]
fn a_selector_that_the_server_refuses_is_named() {
    let server = server();
    let config = Config {
        selector: "a in b".to_owned(),
        ..config(&server)
    };
    let error = Lister::new(Arc::new(config)).list().unwrap_err();
    assert_eq!((error.kind, error.status), (Kind::Server, Some(400)));
    assert!(
        error.advice.as_ref().unwrap().contains("kubernetes_selector"),
        "{error:?}"
    );
}

#[test]
fn a_namespace_of_the_configuration_counts_before_the_file() {
    let server = server();
    std::fs::remove_file(server.service_account().join("namespace")).unwrap();
    server.put_object("endpoints", "other", "web", &endpoints("10.9.9.9"));
    let other = Config {
        namespace: Namespace::Named("other".to_owned()),
        selector: String::new(),
        ..config(&server)
    };
    let snapshot = Lister::new(Arc::new(other)).list().unwrap();
    assert_eq!(snapshot.ready, ["app@10.9.9.9"]);
}

#[test]
fn without_any_namespace_nothing_is_asked() {
    let server = server();
    std::fs::remove_file(server.service_account().join("namespace")).unwrap();
    let error = list(&server).unwrap_err();
    assert_eq!(error.kind, Kind::Credentials);
    assert!(
        error.advice.as_ref().unwrap().contains("kubernetes_namespace"),
        "{error:?}"
    );
    assert_eq!(server.summary().connections_accepted, 0);
}

#[test]
fn pages_become_one_snapshot() {
    let server = server();
    // Characters that a token could have, and that would change the query if they were not encoded.
    let token = "eyJ2IjoibWV0YSJ9+/=&limit=1";
    let first = page(&json!([endpoints("10.0.0.1"), endpoints("10.0.0.5")]), Some(token));
    let last = page(&json!([endpoints("10.0.0.2"), endpoints("10.0.0.5")]), Some(""));
    server.set_faults(vec![
        Fault::on_request(Action::RawBody(first)).times(1),
        Fault::on_request(Action::RawBody(last)).times(1),
    ]);
    let snapshot = list(&server).unwrap();
    assert_eq!(snapshot.ready, ["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.5"]);
    let journal = server.journal();
    assert_eq!(journal.len(), 2);
    assert_eq!(journal[0]["query"], json!({"labelSelector": "app=web"}));
    assert_eq!(
        journal[1]["query"],
        json!({"labelSelector": "app=web", "continue": token})
    );
    assert_eq!(server.summary().handshakes_completed, 1);
}

#[test]
fn a_failing_page_fails_the_list() {
    let server = server();
    let first = page(&json!([endpoints("10.0.0.1")]), Some("next"));
    for (second, kind) in [
        (common::status(410), Kind::Server),
        (common::status(500), Kind::Server),
        (Action::Close, Kind::Connect),
        (Action::RawBody("{}".to_owned()), Kind::Malformed),
    ] {
        server.set_faults(vec![
            Fault::on_request(Action::RawBody(first.clone())).times(1),
            Fault::on_request(second.clone()),
        ]);
        assert_eq!(list(&server).unwrap_err().kind, kind, "{second:?}");
    }
}

#[test]
fn too_many_names_are_an_error() {
    let items: Vec<_> = (0..20_001)
        .map(|n| endpoints(&format!("10.1.{}.{}", n / 256, n % 256)))
        .collect();
    let server = common::server_with(Action::RawBody(page(&json!(items), None)));
    let error = list(&server).unwrap_err();
    assert_eq!(error.kind, Kind::TooLarge);
    assert!(
        error.advice.as_ref().unwrap().contains("kubernetes_selector"),
        "{error:?}"
    );
}

#[test]
fn many_lists_need_one_handshake() {
    let server = server();
    let mut lister = lister(&server);
    for _ in 0..20 {
        assert_complete(&lister.list().unwrap());
    }
    let summary = server.summary();
    assert_eq!(
        (
            summary.lists,
            summary.connections_accepted,
            summary.handshakes_completed
        ),
        (20, 1, 1)
    );
}

#[test]
fn an_error_status_keeps_the_connection() {
    let server = server();
    let mut lister = lister(&server);
    server.set_faults(vec![Fault::on_request(common::status(500)).times(3)]);
    for _ in 0..3 {
        assert_eq!(lister.list().unwrap_err().kind, Kind::Server);
    }
    assert_complete(&lister.list().unwrap());
    assert_eq!(server.summary().handshakes_completed, 1);
}

#[test]
fn a_connection_that_the_server_closed_is_replaced_unnoticed() {
    let server = server();
    let mut lister = lister(&server);
    assert_complete(&lister.list().unwrap());
    server.set_listening(false).unwrap();
    server.set_listening(true).unwrap();
    assert_complete(&lister.list().unwrap());
    assert_eq!(server.summary().handshakes_completed, 2);
}

#[test]
fn a_long_answer_in_chunks_is_whole() {
    let server = server();
    for n in 0..500 {
        let ip = format!("10.2.{}.{}", n / 250, n % 250);
        let mut object = endpoints(&ip);
        object["metadata"]["labels"] = json!({"app": "web"});
        server.put_object("endpoints", "default", &format!("e{n}"), &object);
    }
    assert_eq!(list(&server).unwrap().ready.len(), 502);
}

#[test]
fn dropping_a_lister_closes_its_connection() {
    let server = server();
    let mut lister = lister(&server);
    lister.list().unwrap();
    assert_eq!(server.summary().connections_open, 1);
    drop(lister);
    wait(&server, |summary| summary.connections_open == 0);
}

#[test]
fn an_over_capacity_object_is_warned_of_once() {
    let server = server();
    let mut object = endpoints("10.0.0.1");
    object["metadata"]["labels"] = json!({"app": "web"});
    object["metadata"]["annotations"] = json!({"endpoints.kubernetes.io/over-capacity": "truncated"});
    server.put_object("endpoints", "default", "web", &object);
    let mut lister = lister(&server);
    for _ in 0..2 {
        let warnings = lister.list().unwrap().warnings;
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("endpoint_slices"), "{}", warnings[0]);
    }
}
