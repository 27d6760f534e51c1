//! Start and stop, listening off and on, other certificates, the control port and the program.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use common::{ENDPOINTS, connect, connect_as, control, get, tcp, wait};
use fake_apiserver::{Authority, Certificate, Options, Server};
use serde_json::{Value, json};

#[test]
fn a_server_leaves_nothing_behind() {
    let server = Server::start().unwrap();
    let (address, folder) = (server.address(), server.service_account());
    assert_eq!(fs::read_to_string(folder.join("namespace")).unwrap(), "default");
    assert_eq!(fs::read_to_string(folder.join("token")).unwrap(), server.token());
    let mut idle = connect(&server).unwrap();
    drop(server);
    assert!(idle.rest().0.is_empty());
    assert_eq!(tcp(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert!(!folder.exists());
}

#[test]
fn a_server_that_does_not_listen_refuses_and_comes_back_on_its_port() {
    let server = Server::start().unwrap();
    let mut open = connect(&server).unwrap();
    for _ in 0..3 {
        server.set_listening(false).unwrap();
        assert_eq!(server.summary().connections_open, 0);
        assert_eq!(
            get(&server, ENDPOINTS).unwrap_err().kind(),
            ErrorKind::ConnectionRefused
        );
        server.set_listening(false).unwrap();
        server.set_listening(true).unwrap();
        server.set_listening(true).unwrap();
        assert_eq!(get(&server, ENDPOINTS).unwrap().status, 200);
    }
    assert!(open.rest().0.is_empty());
}

#[test]
fn many_connections_leave_nothing_behind() {
    let server = Server::start().unwrap();
    // In rounds, because a full backlog would make the kernel retry after a second.
    for round in 1..=30 {
        let clients: Vec<_> = (0..50).map(|_| tcp(server.address()).unwrap()).collect();
        wait(&server, |summary| summary.connections_accepted == 50 * round);
        drop(clients);
    }
    wait(&server, |summary| summary.connections_open == 0);
    let threads = fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    assert!(threads < 100, "{threads} threads are left");
}

#[test]
fn the_certificate_fits_the_usual_names_and_more() {
    let options = Options {
        names: vec!["api.example".to_owned(), "10.1.2.3".to_owned()],
        ..Options::default()
    };
    let server = Server::start_with(options).unwrap();
    let ca = server.service_account().join("ca.crt");
    for name in [
        "localhost",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "127.0.0.1",
        "::1",
        "api.example",
        "10.1.2.3",
    ] {
        assert!(connect_as(&server, &ca, name).is_ok(), "{name}");
    }
    let error = connect_as(&server, &ca, "other.example").err().unwrap();
    assert!(error.to_string().contains("NotValidForName") || error.to_string().contains("not valid for name"));
}

#[test]
fn a_replaced_certificate_can_be_wrong_in_every_way() {
    let server = Server::start().unwrap();
    let mut before = connect(&server).unwrap();
    let refusal = || connect(&server).err().unwrap().to_string();
    server.set_certificate(&Certificate {
        sans: vec!["other.example".to_owned()],
        ..Certificate::default()
    });
    assert!(refusal().contains("not valid for name"), "{}", refusal());
    server.set_certificate(&Certificate {
        expired: true,
        ..Certificate::default()
    });
    assert!(refusal().contains("expired"), "{}", refusal());
    server.set_certificate(&Certificate {
        not_yet_valid: true,
        ..Certificate::default()
    });
    assert!(refusal().contains("not valid yet"), "{}", refusal());
    server.set_certificate(&Certificate {
        authority: Authority::Other,
        ..Certificate::default()
    });
    assert!(refusal().contains("UnknownIssuer"), "{}", refusal());
    assert!(connect_as(&server, &server.other_ca_file(), "127.0.0.1").is_ok());
    server.set_certificate(&Certificate::default());
    assert!(connect(&server).is_ok());
    let kept = before.get(ENDPOINTS, Some(server.token())).unwrap();
    assert_eq!(kept.status, 200, "an open connection keeps its certificate");
}

#[test]
fn the_control_port_does_what_the_handle_does() {
    let server = Server::start().unwrap();
    let call = |method, path: &str, body: &Value| {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = control(&server, method, path, &body);
        (answer.status, answer.json())
    };
    let none = Value::Null;
    let object = json!({"metadata": {"labels": {"a": "b"}}});
    let (code, stored) = call("PUT", "/objects/endpoints/default/web", &object);
    assert_eq!((code, &stored["metadata"]["resourceVersion"]), (200, &json!("2")));
    assert_eq!(call("GET", "/objects/endpoints", &none), (200, json!([stored])));
    assert_eq!(get(&server, ENDPOINTS).unwrap().json()["items"], json!([stored]));
    assert_eq!(call("DELETE", "/objects/endpoints/default/web", &none).0, 200);
    assert_eq!(call("DELETE", "/objects/endpoints/default/web", &none).0, 404);
    call("PUT", "/objects/pods/default/web", &object);
    assert_eq!(call("DELETE", "/objects", &none), (200, json!({})));
    assert!(server.objects("pods").is_empty());

    let rule = json!({"verbs": ["list"], "resources": ["*"], "namespaces": ["default"]});
    let token = json!({"user": "someone", "rules": [rule]});
    assert_eq!(call("PUT", "/tokens/a%20b", &token).0, 200);
    let limited = connect(&server).unwrap().get(ENDPOINTS, Some("a b")).unwrap();
    assert_eq!(limited.status, 200);
    assert_eq!(call("DELETE", "/tokens/a%20b", &none).0, 200);
    assert_eq!(call("DELETE", "/tokens/a%20b", &none).0, 404);

    let faults = json!([
        {"at": "request", "resource": "endpoints", "times": 1,
         "do": {"status": {"code": 503, "body": {"a": 1}, "headers": {"retry-after": 3}}}},
    ]);
    assert_eq!(call("PUT", "/faults", &faults).0, 200);
    let struck = get(&server, ENDPOINTS).unwrap();
    assert_eq!((struck.status, struck.json()), (503, json!({"a": 1})));
    assert_eq!(struck.headers["retry-after"], "3");
    assert_eq!(call("DELETE", "/faults", &none).0, 200);

    assert_eq!(call("PUT", "/listening", &json!(false)).0, 200);
    assert!(get(&server, ENDPOINTS).is_err());
    assert_eq!(call("PUT", "/listening", &json!(true)).0, 200);
    assert_eq!(call("PUT", "/certificate", &json!({"ca": "other"})).0, 200);
    assert!(get(&server, ENDPOINTS).is_err());
    assert_eq!(call("PUT", "/certificate", &json!({})).0, 200);
    assert_eq!(call("POST", "/compact", &none).0, 200);

    let (code, journal) = call("GET", "/journal", &none);
    assert_eq!((code, journal.as_array().unwrap().len()), (200, 3));
    let waited = "/journal/summary?requests=3&lists=2&connections_open=0";
    let (code, summary) = call("GET", waited, &none);
    assert_eq!((code, &summary["requests"]), (200, &json!(3)));
    assert_eq!(call("GET", "/journal/summary?requests=99&timeout_ms=1", &none).0, 408);
    assert_eq!(call("DELETE", "/journal", &none).0, 200);
    assert_eq!(call("GET", "/journal/summary", &none).1["requests"], 0);
}

#[test]
fn the_control_port_refuses_mistakes() {
    let server = Server::start().unwrap();
    for (method, path, body, status) in [
        ("PUT", "/objects/services/default/web", "{}", 400),
        ("PUT", "/objects/pods/default/web", "[]", 400),
        ("PUT", "/objects/pods/default/web", "{", 400),
        ("GET", "/objects/services", "", 400),
        ("PUT", "/tokens/x", "{}", 400),
        ("PUT", "/tokens/x", r#"{"user":"u","rules":[{"verb":["list"]}]}"#, 400),
        ("PUT", "/faults", "{}", 400),
        ("PUT", "/faults", r#"[{"at":"request","do":"explode"}]"#, 400),
        ("PUT", "/listening", "1", 400),
        ("PUT", "/certificate", r#"{"ca":"mine"}"#, 400),
        ("PUT", "/certificate", r#"{"sans":["ä"]}"#, 400),
        ("GET", "/journal/summary?handshakes=1", "", 400),
        ("GET", "/journal/summary?requests=many", "", 400),
        ("POST", "/journal", "", 404),
        ("GET", "/", "", 404),
    ] {
        let answer = control(&server, method, path, body);
        assert_eq!(answer.status, status, "{method} {path} {body}");
        assert!(answer.json()["error"].is_string());
    }
}

#[test]
fn the_program_says_where_it_is_and_ends_with_its_stdin() {
    let dir = std::env::temp_dir().join(format!("fake_apiserver-test-{}", std::process::id()));
    let mut program = Command::new(env!("CARGO_BIN_EXE_fake_apiserver"))
        .args(["--san", "api.example", "--exit-with-stdin", "--dir"])
        .arg(&dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(program.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let account = ready["service_account"].as_str().unwrap();
    assert_eq!(Path::new(account), dir.join("serviceaccount"));
    for file in [
        "other-ca.crt",
        "serviceaccount/ca.crt",
        "serviceaccount/token",
        "serviceaccount/namespace",
    ] {
        assert!(dir.join(file).is_file(), "{file}");
    }
    for (url, scheme) in [(&ready["url"], "https://"), (&ready["control"], "http://")] {
        let address = url.as_str().unwrap().strip_prefix(scheme).unwrap();
        tcp(address.parse().unwrap()).unwrap();
    }
    drop(program.stdin.take());
    assert!(program.wait().unwrap().success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "one line and no more");
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn the_program_refuses_arguments_it_does_not_know() {
    for arguments in [
        &["--dri", "x"][..],
        &["--dir"],
        &[],
        &["--dir", "x", "--listen", "here"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_fake_apiserver"))
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("usage:"));
    }
}
