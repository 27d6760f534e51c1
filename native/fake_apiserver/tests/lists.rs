//! What the API answers when nothing is wrong.

mod common;

use common::{ENDPOINTS, connect, get};
use fake_apiserver::Server;
use serde_json::{Value, json};

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

fn put_app(server: &Server, namespace: &str, name: &str, app: &str) -> Value {
    let body = json!({"metadata": {"labels": {"app": app}}, "subsets": []});
    server.put_object("endpoints", namespace, name, &body)
}

#[test]
fn a_list_looks_like_the_real_one() {
    let server = Server::start().unwrap();
    put_app(&server, "default", "web", "web");
    let answer = get(&server, ENDPOINTS).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert!(
        answer
            .text()
            .starts_with(r#"{"kind":"EndpointsList","apiVersion":"v1","metadata":{"resourceVersion":"2"},"items":[{"#)
    );
    let list = answer.json();
    let item = &list["items"][0];
    assert!(item.get("kind").is_none());
    assert_eq!(item["metadata"]["namespace"], "default");
    assert_eq!(item["metadata"]["resourceVersion"], "2");
    assert_eq!(item["metadata"]["uid"].as_str().unwrap().len(), 36);
    assert!(item["metadata"]["creationTimestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(item["metadata"]["labels"], json!({"app": "web"}));
}

#[test]
fn every_resource_has_its_kind_of_list() {
    let server = Server::start().unwrap();
    for (path, kind, version) in [
        ("/api/v1/pods", "PodList", "v1"),
        ("/api/v1/namespaces/x/pods", "PodList", "v1"),
        (
            "/apis/discovery.k8s.io/v1/namespaces/x/endpointslices",
            "EndpointSliceList",
            "discovery.k8s.io/v1",
        ),
    ] {
        let list = get(&server, path).unwrap().json();
        assert_eq!((&list["kind"], &list["apiVersion"]), (&json!(kind), &json!(version)));
        assert_eq!(list["items"], json!([]));
        assert_eq!(list["metadata"]["resourceVersion"], "1");
    }
    assert_eq!(get(&server, "/version").unwrap().json()["major"], "1");
}

#[test]
fn lists_are_sorted_and_keep_to_their_namespace() {
    let server = Server::start().unwrap();
    put_app(&server, "b", "z", "x");
    put_app(&server, "b", "a", "x");
    put_app(&server, "a", "m", "x");
    put_app(&server, "bb", "n", "x");
    let all = get(&server, "/api/v1/endpoints").unwrap().json();
    assert_eq!(names(&all), ["m", "a", "z", "n"]);
    let one = get(&server, "/api/v1/namespaces/b/endpoints").unwrap().json();
    assert_eq!(names(&one), ["a", "z"]);
    assert_eq!(one["metadata"]["resourceVersion"], "5");
    server.delete_object("endpoints", "b", "a").unwrap();
    let one = get(&server, "/api/v1/namespaces/b/endpoints").unwrap().json();
    assert_eq!(
        (names(&one), &one["metadata"]["resourceVersion"]),
        (vec!["z"], &json!("6"))
    );
}

#[test]
fn selectors_choose_by_label_in_any_encoding() {
    let server = Server::start().unwrap();
    put_app(&server, "default", "one", "web");
    put_app(&server, "default", "two", "db");
    for (selector, expected) in [
        ("app=web", vec!["one"]),
        ("app%3D%3Dweb", vec!["one"]),
        ("app!=web", vec!["two"]),
        ("app%20in%20(web,db)", vec!["one", "two"]),
        ("app+notin+%28web%29", vec!["two"]),
        ("app,!other", vec!["one", "two"]),
        ("other", vec![]),
    ] {
        let path = format!("{ENDPOINTS}?labelSelector={selector}");
        assert_eq!(names(&get(&server, &path).unwrap().json()), expected, "{selector}");
    }
    let refused = get(&server, &format!("{ENDPOINTS}?labelSelector=a%20b")).unwrap();
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.json(),
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
            "reason": "BadRequest", "code": 400,
        })
    );
}

#[test]
fn fields_choose_beside_labels() {
    let server = Server::start().unwrap();
    for (namespace, name, app, phase) in [
        ("default", "one", "web", "Running"),
        ("default", "two", "web", "Failed"),
        ("other", "one", "db", "Running"),
    ] {
        let pod = json!({"metadata": {"labels": {"app": app}}, "status": {"phase": phase}});
        server.put_object("pods", namespace, name, &pod);
    }
    let listed = |query: &str| get(&server, &format!("/api/v1/pods?{query}")).unwrap().json();
    for (query, expected) in [
        ("fieldSelector=", vec!["one", "two", "one"]),
        ("fieldSelector=status.phase%3DRunning", vec!["one", "one"]),
        ("fieldSelector=status.phase!=Running", vec!["two"]),
        ("fieldSelector=metadata.namespace%3Dother", vec!["one"]),
        (
            "fieldSelector=status.phase%3DRunning&labelSelector=app%3Dweb",
            vec!["one"],
        ),
        ("fieldSelector=status.phase%3DPending", vec![]),
    ] {
        assert_eq!(names(&listed(query)), expected, "{query}");
    }
    let page = listed("fieldSelector=status.phase%3DRunning&limit=1");
    assert!(page["metadata"]["continue"].is_string());
    assert_eq!(page["metadata"]["remainingItemCount"], Value::Null);
    assert_eq!(
        listed("fieldSelector=foo%3Dbar"),
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "field label not supported: foo", "reason": "BadRequest", "code": 400,
        })
    );
}

#[test]
fn pages_show_one_version_until_it_expires() {
    let server = Server::start().unwrap();
    for name in ["a", "b", "c", "d", "e"] {
        put_app(&server, "default", name, "x");
    }
    let first = get(&server, &format!("{ENDPOINTS}?limit=2")).unwrap().json();
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    server.delete_object("endpoints", "default", "c").unwrap();
    let token = |list: &Value| list["metadata"]["continue"].as_str().map(str::to_owned);
    let next = |token: &str| get(&server, &format!("{ENDPOINTS}?limit=2&continue={token}")).unwrap();
    let second = next(&token(&first).unwrap()).json();
    assert_eq!(names(&second), ["c", "d"], "c is in the version of the first page");
    assert_eq!(
        second["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    let last = next(&token(&second).unwrap()).json();
    assert_eq!((names(&last), token(&last)), (vec!["e"], None));
    server.compact();
    let gone = next(&token(&first).unwrap());
    assert_eq!((gone.status, &gone.json()["reason"]), (410, &json!("Expired")));
    let current = next(&token(&gone.json()).unwrap()).json();
    assert_eq!(names(&current), ["d", "e"]);
    assert_eq!(next("nonsense").status, 400);
    let selected = get(&server, &format!("{ENDPOINTS}?limit=2&labelSelector=app")).unwrap();
    assert!(selected.json()["metadata"].get("remainingItemCount").is_none());
}

#[test]
fn versions_in_requests_are_checked() {
    let server = Server::start().unwrap();
    put_app(&server, "default", "a", "x");
    put_app(&server, "default", "b", "x");
    let at = |query: &str| get(&server, &format!("{ENDPOINTS}?{query}")).unwrap();
    assert_eq!(names(&at("resourceVersion=0&limit=1").json()), ["a", "b"]);
    assert_eq!(names(&at("resourceVersion=2").json()), ["a", "b"]);
    assert_eq!(names(&at("resourceVersion=&limit=").json()), ["a", "b"]);
    let new = at("resourceVersion=9");
    assert_eq!(new.status, 504);
    assert_eq!(new.headers["retry-after"], "1");
    let new = new.json();
    assert_eq!(new["reason"], "Timeout");
    assert_eq!(new["message"], "Timeout: Too large resource version: 9, current: 3");
    assert_eq!(new["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
    for bad in ["resourceVersion=x&limit=1", "limit=x", "fieldSelector=a=b"] {
        assert_eq!(at(bad).status, 400, "{bad}");
    }
    for (version, reason) in [
        ("x", "invalid syntax"),
        ("-1", "invalid syntax"),
        ("99999999999999999999", "value out of range"),
    ] {
        let bad = at(&format!("resourceVersion={version}"));
        let message = format!(
            "resourceVersion: Invalid value: \"{version}\": strconv.ParseUint: parsing \"{version}\": {reason}"
        );
        assert_eq!(
            (bad.status, bad.json()),
            (
                500,
                json!({
                    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                    "message": message, "code": 500,
                })
            )
        );
    }
}

#[test]
fn long_lists_come_in_chunks_on_a_connection_that_lives_on() {
    let server = Server::start().unwrap();
    let addresses: Vec<_> = (0..2000)
        .map(|n| json!({"ip": format!("10.0.{}.1", n % 250)}))
        .collect();
    let body = json!({"subsets": [{"addresses": addresses}]});
    server.put_object("endpoints", "default", "big", &body);
    let mut client = connect(&server).unwrap();
    for _ in 0..2 {
        let answer = client.get(ENDPOINTS, Some(server.token())).unwrap();
        assert_eq!(answer.headers["transfer-encoding"], "chunked");
        assert_eq!(answer.json()["items"][0]["subsets"], body["subsets"]);
    }
    let summary = server.summary();
    assert_eq!((summary.requests, summary.handshakes_completed), (2, 1));
}
