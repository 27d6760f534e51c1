//! A watch as its client sees it.

use std::io::{self, ErrorKind};

use fake_apiserver::Server;
use serde_json::{Value, json};

use super::{Client, ENDPOINTS, Tls, connect, control};

/// An open watch.
pub struct Watch(pub Client<Tls>);

impl Watch {
    pub fn open(server: &Server, query: &str) -> Self {
        Self::open_at(server, ENDPOINTS, query)
    }

    pub fn open_at(server: &Server, path: &str, query: &str) -> Self {
        let mut watch = Self(connect(server).unwrap());
        watch.start(server, path, query);
        watch
    }

    pub fn start(&mut self, server: &Server, path: &str, query: &str) {
        let path = format!("{path}?watch=true&{query}");
        self.0.send_get(&path, Some(server.token())).unwrap();
        let (status, headers) = self.0.receive_head().unwrap();
        assert_eq!((status, &*headers["content-type"]), (200, "application/json"));
        assert_eq!(headers["transfer-encoding"], "chunked");
        assert!(!headers.contains_key("content-length"));
    }

    pub fn try_frame(&mut self) -> io::Result<Value> {
        let chunk = self.0.chunk()?;
        if chunk.is_empty() {
            return Ok(Value::Null);
        }
        assert!(chunk.ends_with(b"\n"), "one line is one chunk");
        Ok(serde_json::from_slice(&chunk).expect("JSON"))
    }

    /// The next frame; null is the end.
    pub fn frame(&mut self) -> Value {
        self.try_frame().unwrap()
    }

    /// Type, name and version of the next frame.
    pub fn event(&mut self) -> (String, String, u64) {
        let frame = self.frame();
        let metadata = &frame["object"]["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let version = text(&metadata["resourceVersion"]).parse().unwrap_or(0);
        (text(&frame["type"]), text(&metadata["name"]), version)
    }

    pub fn expect(&mut self, kind: &str, name: &str, version: u64) {
        assert_eq!(self.event(), (kind.to_owned(), name.to_owned(), version));
    }

    pub fn expect_end(&mut self) {
        assert_eq!(self.frame(), Value::Null);
    }

    /// Fails in the way of a stream that was cut.
    pub fn expect_cut(&mut self) {
        let (_, end) = self.0.rest();
        let kind = end.unwrap_err().kind();
        assert!(
            [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset].contains(&kind),
            "{kind}"
        );
    }
}

/// Stores an object with a label and a value; gives its version.
pub fn put(server: &Server, name: &str, app: &str, value: u64) -> u64 {
    let body = json!({"metadata": {"labels": {"app": app}}, "value": value});
    version(&server.put_object("endpoints", "default", name, &body))
}

pub fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

pub fn delete(server: &Server, name: &str) -> u64 {
    version(&server.delete_object("endpoints", "default", name).unwrap())
}

pub fn set_fault(server: &Server, fault: &Value) {
    let faults = json!([fault]).to_string();
    let answer = control(server, "PUT", "/faults", &faults);
    assert_eq!(answer.status, 200, "{}", answer.text());
}
