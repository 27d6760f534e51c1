//! Where is asked, and for what: all namespaces, by label and by field, below a path of the server.

mod common;

use std::sync::Arc;

use common::running::Running;
use common::{config, only, pod, server, write_token};
use discovery::watch::lister::Lister;
use discovery::{Basename, Config, Error, Kind, Mode, Namespace, Source};
use fake_apiserver::{Rule, Server};
use serde_json::{Value, json};

fn pods(server: &Server) -> Config {
    Config {
        source: Source::Pods,
        ..config(server)
    }
}

fn in_all(server: &Server) -> Config {
    Config {
        namespace: Namespace::All,
        ..pods(server)
    }
}

/// What happened, and what to do about it.
fn text(error: &Error) -> String {
    format!("{error} {}", error.advice.as_deref().unwrap_or_default())
}

fn error(config: Config) -> Error {
    Lister::new(Arc::new(config)).list().unwrap_err()
}

/// The paths that were asked for so far, and what was selected there, each once.
fn asked(server: &Server) -> Vec<(String, Value)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let requests = server.journal().into_iter();
    let mut asked: Vec<_> = requests
        .map(|it| (text(&it["path"]), it["query"]["fieldSelector"].clone()))
        .collect();
    asked.dedup();
    asked
}

fn with_phase(phase: &str, ip: &str) -> Value {
    let mut pod = pod(ip);
    pod["status"]["phase"] = json!(phase);
    pod
}

/// Of all sources, as nothing but both together tells objects apart.
#[test]
fn objects_of_one_name_in_two_namespaces_are_two() {
    let server = server();
    for (namespace, ip) in [("blue", "10.1.0.1"), ("green", "10.2.0.1")] {
        server.put_object("pods", namespace, "web-0", &pod(ip));
        let metadata = json!({"labels": {"app": "web"}});
        let endpoints = json!({"metadata": metadata, "subsets": [{"addresses": [{"ip": ip}]}]});
        server.put_object("endpoints", namespace, "web", &endpoints);
        let endpoints = json!([{"addresses": [ip], "conditions": {"ready": true}}]);
        let slice = json!({"metadata": metadata, "addressType": "IPv4", "endpoints": endpoints});
        server.put_object("endpointslices", namespace, "web", &slice);
    }
    for (source, path, of_default) in [
        (Source::Pods, "/api/v1/pods", &["app@10.0.0.9"][..]),
        (
            Source::Endpoints,
            "/api/v1/endpoints",
            &["app@10.0.0.1", "app@10.0.0.2"],
        ),
        (Source::EndpointSlices, "/apis/discovery.k8s.io/v1/endpointslices", &[]),
    ] {
        server.clear_journal();
        let all = Config {
            source,
            ..in_all(&server)
        };
        let (running, first) = Running::watching(all);
        assert_eq!(first.ready, [of_default, &["app@10.1.0.1", "app@10.2.0.1"]].concat());
        let object = if source == Source::Pods { "web-0" } else { "web" };
        server.delete_object(source.resource(), "blue", object);
        assert_eq!(running.snapshot().ready, [of_default, &["app@10.2.0.1"]].concat());
        assert_eq!(asked(&server), [(path.to_owned(), Value::Null)]);
    }
}

#[test]
fn each_name_has_the_namespace_of_its_own_pod() {
    let server = server();
    server.put_object("pods", "blue", "web-0", &pod("10.1.0.1"));
    let mut dns = in_all(&server);
    dns.names.mode = Mode::Dns;
    let snapshot = Lister::new(Arc::new(dns)).list().unwrap();
    assert_eq!(
        snapshot.ready,
        [
            "app@10-0-0-9.default.pod.cluster.local",
            "app@10-1-0-1.blue.pod.cluster.local"
        ]
    );
}

#[test]
fn a_role_of_one_namespace_is_none_for_all_and_the_error_says_what_is() {
    let server = server();
    let rules = vec![Rule::new(&["list", "watch"], &["pods"], &["default"])];
    server.put_token("limited", "system:serviceaccount:default:app", rules);
    write_token(&server, "limited");
    let error = error(in_all(&server));
    assert_eq!(error.kind, Kind::Forbidden);
    for words in [
        "cannot list pods in all namespaces: ",
        "Bind a ClusterRole, by a ClusterRoleBinding,",
    ] {
        assert!(text(&error).contains(words), "{error:?}");
    }
    assert!(Lister::new(Arc::new(pods(&server))).list().is_ok());
}

#[test]
fn a_pod_that_the_field_selector_no_longer_selects_is_gone() {
    let server = server();
    server.put_object("pods", "default", "web-1", &with_phase("Pending", "10.0.0.8"));
    let selector = "status.phase=Running,metadata.name!=web-2";
    let running = Config {
        field_selector: Some(selector.to_owned()),
        ..pods(&server)
    };
    let (running, first) = Running::watching(running);
    assert_eq!(first.ready, ["app@10.0.0.9"]);
    server.put_object("pods", "default", "web-2", &pod("10.0.0.7"));
    server.put_object("pods", "default", "web-1", &pod("10.0.0.8"));
    assert_eq!(running.snapshot().ready, ["app@10.0.0.8", "app@10.0.0.9"]);
    server.put_object("pods", "default", "web-0", &with_phase("Unknown", "10.0.0.9"));
    assert_eq!(running.snapshot().ready, ["app@10.0.0.8"]);
    let path = "/api/v1/namespaces/default/pods".to_owned();
    assert_eq!(asked(&server), [(path, json!(selector))]);
}

#[test]
fn a_field_that_cannot_be_selected_by_is_an_error_that_names_the_option() {
    let server = server();
    let error = error(Config {
        field_selector: Some("spec.hostname=web-0".to_owned()),
        ..pods(&server)
    });
    assert_eq!(error.status, Some(400));
    for words in ["field label not supported: spec.hostname", "kubernetes_field_selector"] {
        assert!(text(&error).contains(words), "{error:?}");
    }
}

#[test]
fn a_pod_whose_label_changes_has_another_basename() {
    let server = server();
    let named = |app: &str| {
        let mut pod = pod("10.0.0.8");
        pod["metadata"]["labels"]["name"] = json!(app);
        pod
    };
    server.put_object("pods", "default", "web-1", &named("shop"));
    let mut by_label = pods(&server);
    by_label.names.basename = Basename::Label("name".to_owned());
    let (running, first) = Running::watching(by_label);
    assert_eq!(first.ready, ["shop@10.0.0.8"]);
    assert_eq!(first.dropped[0].count, 1, "web-0, which has no such label");
    server.put_object("pods", "default", "web-1", &named("billing"));
    assert_eq!(running.snapshot().ready, ["billing@10.0.0.8"]);
    server.put_object("pods", "default", "web-1", &named("no.basename"));
    let last = running.snapshot();
    assert_eq!((last.ready.len(), last.dropped[0].count), (0, 2));
}

/// Which the fake does not serve.
#[test]
fn a_path_of_the_server_stands_before_those_of_the_api() {
    let server = server();
    let error = error(Config {
        api: only(format!("{}/k8s/clusters/c-1", server.url())),
        ..config(&server)
    });
    assert_eq!(error.kind, Kind::NotFound);
    assert!(
        text(&error).contains("/k8s/clusters/c-1] Is a proxy in between?"),
        "{error:?}"
    );
    let path = "/k8s/clusters/c-1/api/v1/namespaces/default/endpoints";
    assert_eq!(asked(&server)[0].0, path);
}
