//! Who may what, and how the API refuses.

mod common;

use common::{ENDPOINTS, connect};
use fake_apiserver::{Rule, Server};
use serde_json::{Value, json};

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
