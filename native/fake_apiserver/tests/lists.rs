//! What the API answers when nothing is wrong, and how it refuses.

mod common;

use common::{connect, get, wait};
use fake_apiserver::{Rule, Server};
use serde_json::{Value, json};

const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints";

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
fn who_may_not_is_told_so_in_the_real_words() {
    let server = Server::start().unwrap();
    let rule = Rule::new(&["list"], &["endpoints"], &["default"]);
    server.put_token("limited", "system:serviceaccount:default:app", vec![rule]);
    let mut client = connect(&server).unwrap();
    let mut status = |path: &str, token: Option<&str>| {
        let answer = client.get(path, token).unwrap();
        (answer.status, answer.json())
    };
    let unauthorized = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "Unauthorized", "reason": "Unauthorized", "code": 401,
    });
    assert_eq!(status(ENDPOINTS, None), (401, unauthorized.clone()));
    assert_eq!(status(ENDPOINTS, Some("wrong")), (401, unauthorized));
    assert_eq!(status(ENDPOINTS, Some("limited")).0, 200);
    let (code, body) = status("/api/v1/namespaces/default/pods", Some("limited"));
    assert_eq!(code, 403);
    assert_eq!(
        body,
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "pods is forbidden: User \"system:serviceaccount:default:app\" cannot list resource \
                \"pods\" in API group \"\" in the namespace \"default\"",
            "reason": "Forbidden", "details": {"kind": "pods"}, "code": 403,
        })
    );
    let message = |(_, body): (u16, Value)| body["message"].as_str().unwrap().to_owned();
    assert!(message(status("/api/v1/endpoints", Some("limited"))).ends_with("at the cluster scope"));
    assert_eq!(
        message(status("/api/v1/namespaces/default/services", Some("limited"))),
        "services is forbidden: User \"system:serviceaccount:default:app\" cannot list resource \"services\" in \
        API group \"\" in the namespace \"default\""
    );
    assert!(message(status(&format!("{ENDPOINTS}?watch=1"), Some("limited"))).contains("cannot watch resource"));
    assert!(
        message(status("/apis/discovery.k8s.io/v1/endpointslices", Some("limited"))).starts_with(
            "endpointslices.discovery.k8s.io is forbidden: User \"system:serviceaccount:default:app\" cannot \
            list resource \"endpointslices\" in API group \"discovery.k8s.io\""
        )
    );
    assert_eq!(
        message(status("/nowhere", Some("limited"))),
        "forbidden: User \"system:serviceaccount:default:app\" cannot get path \"/nowhere\""
    );
    assert!(server.delete_token("limited"));
    assert_eq!(status(ENDPOINTS, Some("limited")).0, 401);
}

#[test]
fn what_is_not_there_is_404_and_what_is_not_get_is_405() {
    let server = Server::start().unwrap();
    let missing = get(&server, "/api/v1/namespaces/default/services").unwrap();
    assert_eq!(missing.status, 404);
    assert_eq!(
        missing.json()["message"],
        "the server could not find the requested resource"
    );
    let nowhere = get(&server, "/apis/apps/v1/deployments").unwrap();
    assert_eq!((nowhere.status, nowhere.text()), (404, "404 page not found\n"));
    let old = get(&server, "/apis/discovery.k8s.io/v1beta1/endpointslices").unwrap();
    assert_eq!((old.status, &old.json()["kind"]), (404, &json!("Status")));
    let lost = get(&server, "/nowhere").unwrap();
    assert_eq!((lost.status, &lost.json()["paths"][0]), (404, &json!("/apis")));
    let token = server.token();
    let post = format!("POST {ENDPOINTS} HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Length: 2\r\n\r\n{{}}");
    let mut client = connect(&server).unwrap();
    let refused = client.exchange(&post).unwrap();
    assert_eq!(
        (refused.status, &refused.json()["reason"]),
        (405, &json!("MethodNotAllowed"))
    );
    assert_eq!(client.get(ENDPOINTS, Some(token)).unwrap().status, 200);
}

#[test]
fn bad_requests_end_their_connection_only() {
    let server = Server::start().unwrap();
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000));
    for (request, status) in [
        ("nonsense\r\n\r\n", 400),
        (long.as_str(), 431),
        ("GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
    ] {
        let mut client = connect(&server).unwrap();
        let answer = client.exchange(request).unwrap();
        assert_eq!((answer.status, &*answer.headers["connection"]), (status, "close"));
    }
    common::tcp(server.address()).unwrap();
    wait(&server, |summary| summary.connections_open == 0);
    assert_eq!(server.summary().requests, 0);
    assert_eq!(get(&server, ENDPOINTS).unwrap().status, 200);
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

#[test]
fn the_journal_tells_what_was_asked_but_not_the_token() {
    let server = Server::start().unwrap();
    server.put_token("secret", "someone", vec![Rule::everything()]);
    let mut client = connect(&server).unwrap();
    client
        .get(&format!("{ENDPOINTS}?labelSelector=a%3Db"), Some("secret"))
        .unwrap();
    client.get("/version", None).unwrap();
    let journal = server.journal();
    assert_eq!(journal.len(), 2);
    let (list, version) = (&journal[0], &journal[1]);
    assert_eq!(list["path"], ENDPOINTS);
    assert_eq!(list["query"], json!({"labelSelector": "a=b"}));
    assert_eq!(list["headers"], json!({"host": "x", "authorization": true}));
    assert_eq!((&list["user"], &list["status"]), (&json!("someone"), &json!(200)));
    assert_eq!((&version["user"], &version["status"]), (&Value::Null, &json!(401)));
    assert_eq!(list["connection"], version["connection"]);
    assert!(!format!("{journal:?}").contains("secret"));
    let summary = server.summary();
    assert_eq!(
        (summary.requests, summary.lists, summary.connections_accepted),
        (2, 1, 1)
    );
    server.clear_journal();
    let summary = server.summary();
    assert_eq!((summary.requests, summary.connections_open), (0, 1));
    assert!(server.journal().is_empty());
    drop(client);
    wait(&server, |summary| summary.connections_open == 0);
}

#[test]
fn users_may_ask_what_they_may_do() {
    let server = Server::start().unwrap();
    server.put_token(
        "limited",
        "system:serviceaccount:default:app",
        vec![Rule::new(&["list"], &["endpoints"], &["default"])],
    );
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let ask = |body: &str| {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer limited\r\n");
        connect(&server)
            .unwrap()
            .exchange(&format!("{head}Content-Length: {length}\r\n\r\n{body}"))
            .unwrap()
    };
    let review = |verb: &str| {
        let attributes = json!({"namespace": "default", "verb": verb, "resource": "endpoints"});
        ask(&json!({"spec": {"resourceAttributes": attributes}}).to_string())
    };
    let allowed = review("list");
    assert_eq!(
        (allowed.status, &allowed.json()["status"]["allowed"]),
        (201, &json!(true))
    );
    assert_eq!(allowed.json()["kind"], "SelfSubjectAccessReview");
    assert_eq!(review("watch").json()["status"], json!({"allowed": false}));
    assert_eq!((ask("{}").status, ask("nonsense").status), (422, 400));
}
