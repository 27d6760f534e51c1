//! The control port: plain HTTP with JSON, so that curl and any test can drive the fake.
//!
//! The reference is the table in the crate's `README.md`.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::control::fake::Fake;
use crate::faults::fault::Fault;
use crate::json;
use crate::lock::lock;
use crate::protocol::certificates::{Authority, Certificate};
use crate::protocol::connections::Connections;
use crate::protocol::http::{ReadError, Request, Response, Wire};
use crate::protocol::listener::Acceptor;
use crate::state::access::User;
use crate::state::journal::Summary;
use crate::state::watches::Order;

/// Objects of a big cluster fit.
const BODY_LIMIT: usize = 64 * 1024 * 1024;
/// How long a wait for counters may take.
const LONGEST_WAIT_MS: u64 = 60_000;

/// The control port and its connections.
pub(crate) struct Control {
    acceptor: Acceptor,
    connections: Arc<Connections>,
}

impl Control {
    pub(crate) fn start(listener: TcpListener, fake: &Arc<Fake>) -> io::Result<Self> {
        let connections = Arc::new(Connections::default());
        let (fake, open) = (Arc::clone(fake), Arc::clone(&connections));
        let acceptor = Acceptor::start(listener, move |stream| {
            let Ok(id) = open.enter(&stream) else {
                return;
            };
            let (fake, connections) = (Arc::clone(&fake), Arc::clone(&open));
            let spawned = thread::Builder::new()
                .name(format!("control connection {id}"))
                .spawn(move || {
                    // Ends when the client closes or fails; there is nobody to tell.
                    let _ = serve(&fake, stream);
                    connections.leave(id);
                });
            if spawned.is_err() {
                open.leave(id);
            }
        })?;
        Ok(Self { acceptor, connections })
    }

    pub(crate) fn stop(self) {
        self.acceptor.stop();
        self.connections.cut_all();
    }
}

fn serve(fake: &Fake, stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut wire = Wire::new(stream);
    loop {
        let request = match wire.read_request(BODY_LIMIT) {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(ReadError::Io(error)) => return Err(error),
            Err(ReadError::Refused(status, reason)) => {
                return wire.respond(&Response::error(status, reason), false);
            }
        };
        let response = match handle(fake, &request) {
            Ok(body) => Response::json(200, &body),
            Err((status, message)) => Response::error(status, &message),
        };
        wire.respond(&response, request.keep_alive)?;
        if !request.keep_alive {
            return Ok(());
        }
    }
}

type Refusal = (u16, String);

fn handle(fake: &Fake, request: &Request) -> Result<Value, Refusal> {
    let segments = request.segments();
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (request.method.as_str(), path.as_slice()) {
        ("PUT", ["objects", resource, namespace, name]) => {
            let body = body(request)?;
            let stored = fake.put_object(resource, namespace, name, &body);
            stored.map_err(bad_request)
        }
        ("DELETE", ["objects", resource, namespace, name]) => fake
            .delete_object(resource, namespace, name)
            .map_err(bad_request)?
            .ok_or_else(|| (404, "there is no such object".to_owned())),
        ("DELETE", ["objects"]) => {
            fake.clear_objects();
            done()
        }
        ("GET", ["objects", resource]) => Ok(json!(fake.objects(resource).map_err(bad_request)?)),
        ("POST", ["compact"]) => {
            lock(&fake.state().store).compact();
            done()
        }
        ("POST", ["backup"]) => {
            fake.back_up();
            done()
        }
        ("POST", ["restore"]) if fake.restore() => done(),
        ("POST", ["restore"]) => Err((409, "there is no backup".to_owned())),
        ("PUT", ["bookmarks"]) => {
            let every = bookmarks(&body(request)?).map_err(bad_request)?;
            fake.state().watches.set_bookmarks(every);
            done()
        }
        ("POST", ["bookmark"]) => ordered(fake, &Order::Bookmark),
        ("POST", ["watches", "send"]) => ordered(fake, &Order::Send(request.body.as_slice().into())),
        ("POST", ["watches", "end"]) => {
            fake.end_watches();
            done()
        }
        ("POST", ["watches", "cut"]) => {
            fake.cut_watches();
            done()
        }
        ("PUT", ["watches", "silent"]) => {
            fake.state().watches.set_silent(boolean(request)?);
            done()
        }
        ("PUT", ["watches", "expired_as_status"]) => {
            fake.state().watches.set_expired_as_status(boolean(request)?);
            done()
        }
        ("PUT", ["tokens", token]) => {
            let user = User::from_json(&body(request)?).map_err(bad_request)?;
            fake.put_token(token, user);
            done()
        }
        ("DELETE", ["tokens", token]) if fake.delete_token(token) => done(),
        ("DELETE", ["tokens", _]) => Err((404, "there is no such token".to_owned())),
        ("PUT", ["faults"]) => {
            let faults = Fault::list_from_json(&body(request)?).map_err(bad_request)?;
            fake.set_faults(faults);
            done()
        }
        ("DELETE", ["faults"]) => {
            fake.set_faults(Vec::new());
            done()
        }
        ("PUT", ["listening"]) => {
            fake.set_listening(boolean(request)?)
                .map_err(|error| (409, error.to_string()))?;
            done()
        }
        ("PUT", ["certificate"]) => {
            let certificate = certificate(&body(request)?).map_err(bad_request)?;
            fake.set_certificate(&certificate).map_err(bad_request)?;
            done()
        }
        ("POST", ["connections", "cut"]) => {
            fake.cut_connections();
            done()
        }
        ("GET", ["journal"]) => Ok(json!(fake.state().journal.requests())),
        ("GET", ["journal", "summary"]) => summary(fake, request),
        ("DELETE", ["journal"]) => {
            fake.state().journal.clear();
            done()
        }
        (method, _) => {
            let message = format!("{method} {} is nothing that can be done", request.path);
            Err((404, message))
        }
    }
}

#[allow(clippy::unnecessary_wraps)] // so that it can end an arm
fn done() -> Result<Value, Refusal> {
    Ok(json!({}))
}

fn bad_request(message: String) -> Refusal {
    (400, message)
}

fn body(request: &Request) -> Result<Value, Refusal> {
    serde_json::from_slice(&request.body).map_err(|error| bad_request(format!("the body is not JSON: {error}")))
}

fn boolean(request: &Request) -> Result<bool, Refusal> {
    let value = body(request)?.as_bool();
    value.ok_or_else(|| bad_request("the body must be true or false".to_owned()))
}

/// Tells all open watches, and how many they are.
#[allow(clippy::unnecessary_wraps)] // so that it can be an arm
fn ordered(fake: &Fake, order: &Order) -> Result<Value, Refusal> {
    Ok(json!({ "watches": fake.order_watches(order).len() }))
}

fn bookmarks(value: &Value) -> Result<Option<Duration>, String> {
    let fields = json::object(value, "bookmarks", &["every_ms"])?;
    let every = json::optional_number(fields, "every_ms")?.ok_or("\"every_ms\" is missing")?;
    Ok(Some(Duration::from_millis(every)).filter(|every| !every.is_zero()))
}

fn certificate(value: &Value) -> Result<Certificate, String> {
    let fields = json::object(value, "a certificate", &["sans", "ca", "expired", "not_yet_valid"])?;
    let mut certificate = Certificate::default();
    if fields.contains_key("sans") {
        certificate.sans = json::strings(fields, "sans")?;
    }
    certificate.authority = match json::optional_string(fields, "ca")?.as_deref() {
        None | Some("own") => Authority::Own,
        Some("other") => Authority::Other,
        Some(ca) => return Err(format!("\"ca\" is own or other, not {ca:?}")),
    };
    let flag = |name: &str| match fields.get(name) {
        None => Ok(false),
        Some(flag) => flag.as_bool().ok_or_else(|| format!("{name:?} is true or false")),
    };
    certificate.expired = flag("expired")?;
    certificate.not_yet_valid = flag("not_yet_valid")?;
    Ok(certificate)
}

/// The counters, at once or when they are as the query wants them.
fn summary(fake: &Fake, request: &Request) -> Result<Value, Refusal> {
    let mut wanted = Vec::new();
    let mut limit = 5_000;
    for (name, value) in &request.query {
        let number: u64 = value
            .parse()
            .map_err(|_| bad_request(format!("{name:?} must be a whole number")))?;
        if name == "timeout_ms" {
            limit = number.min(LONGEST_WAIT_MS);
        } else if Summary::default().fields().iter().any(|(n, _)| n == name) {
            wanted.push((name, number));
        } else {
            return Err(bad_request(format!("{name:?} is no counter")));
        }
    }
    let reached = |summary: &Summary| {
        wanted.iter().all(|(name, number)| {
            let mut fields = summary.fields().into_iter();
            fields.any(|(field, value)| {
                let exactly = Summary::is_gauge(field);
                field == *name && (value == *number || (!exactly && value > *number))
            })
        })
    };
    match fake.state().journal.wait_until(Duration::from_millis(limit), reached) {
        Ok(summary) => Ok(summary.to_json()),
        Err(summary) => {
            let message = format!("not within {limit} ms: {}", summary.to_json());
            Err((408, message))
        }
    }
}
