//! What the server saw: every request, and counters that tests wait on instead of sleeping.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::generated;
use crate::lock::lock;
use crate::protocol::http::Request;
use crate::state::access::User;

/// How many requests are kept; the counters count on.
const LIMIT: usize = 10_000;

/// Counters since the last clear.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Requests read on the API port, whatever was answered.
    pub requests: u64,
    /// Those of them that ask for a list (not a watch) of a resource.
    pub lists: u64,
    /// Those of them that ask for a watch.
    pub watches: u64,
    /// TCP connections accepted.
    pub connections_accepted: u64,
    /// TLS handshakes completed.
    pub handshakes_completed: u64,
    /// Connections that are open now; not cleared.
    pub connections_open: u64,
    /// Watches that are streaming now; not cleared.
    pub watches_open: u64,
}

impl Summary {
    /// The names of the counters with their values.
    pub(crate) fn fields(&self) -> [(&'static str, u64); 7] {
        [
            ("requests", self.requests),
            ("lists", self.lists),
            ("watches", self.watches),
            ("connections_accepted", self.connections_accepted),
            ("handshakes_completed", self.handshakes_completed),
            ("connections_open", self.connections_open),
            ("watches_open", self.watches_open),
        ]
    }

    /// Whether a counter comes and goes; the others only grow.
    pub(crate) fn is_gauge(name: &str) -> bool {
        ["connections_open", "watches_open"].contains(&name)
    }

    pub(crate) fn to_json(self) -> Value {
        self.fields().iter().map(|(n, v)| (*n, json!(v))).collect()
    }
}

/// The log of requests.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    log: Mutex<Log>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Log {
    summary: Summary,
    requests: VecDeque<(u64, Value)>,
    last_number: u64,
}

impl Journal {
    pub(crate) fn accepted(&self) {
        self.change(|log| {
            log.summary.connections_accepted += 1;
            log.summary.connections_open += 1;
        });
    }

    pub(crate) fn closed(&self) {
        self.change(|log| {
            log.summary.connections_open = log.summary.connections_open.saturating_sub(1);
        });
    }

    pub(crate) fn watch_opened(&self) {
        self.change(|log| log.summary.watches_open += 1);
    }

    pub(crate) fn watch_closed(&self) {
        self.change(|log| log.summary.watches_open = log.summary.watches_open.saturating_sub(1));
    }

    pub(crate) fn handshake_completed(&self) {
        self.change(|log| log.summary.handshakes_completed += 1);
    }

    /// Records a request as it arrives, before its answer, so that a hanging one is seen too.
    pub(crate) fn request(&self, connection: u64, request: &Request, verb: &str, user: Option<&User>) -> u64 {
        let mut headers = Map::new();
        for (name, value) in &request.headers {
            let value = match name.as_str() {
                // A journal is printed by failing tests.
                "authorization" => json!(true),
                _ => json!(value),
            };
            headers.entry(name).or_insert(value);
        }
        let mut query = Map::new();
        for (name, value) in &request.query {
            query.entry(name).or_insert(json!(value));
        }
        let watch = verb == "watch";
        let mut entry = json!({
            "at_ms": generated::now_millis(),
            "connection": connection,
            "method": request.method,
            "path": request.path,
            "query": query,
            "headers": headers,
            "user": user.map(|user| &user.name),
            "status": Value::Null,
        });
        if watch {
            entry["watch"] = json!(true);
        }
        let mut number = 0;
        self.change(|log| {
            log.summary.requests += 1;
            log.summary.lists += u64::from(verb == "list");
            log.summary.watches += u64::from(watch);
            log.last_number += 1;
            number = log.last_number;
            log.requests.push_back((number, entry));
            if log.requests.len() > LIMIT {
                log.requests.pop_front();
            }
        });
        number
    }

    /// Adds what was answered.
    pub(crate) fn answered(&self, number: u64, status: u16) {
        self.change(|log| {
            let index = log.requests.partition_point(|(n, _)| *n < number);
            if let Some((found, entry)) = log.requests.get_mut(index)
                && *found == number
            {
                entry["status"] = json!(status);
            }
        });
    }

    pub(crate) fn requests(&self) -> Vec<Value> {
        let log = lock(&self.log);
        log.requests.iter().map(|(_, entry)| entry.clone()).collect()
    }

    pub(crate) fn summary(&self) -> Summary {
        lock(&self.log).summary
    }

    pub(crate) fn clear(&self) {
        self.change(|log| {
            log.requests.clear();
            log.summary = Summary {
                connections_open: log.summary.connections_open,
                watches_open: log.summary.watches_open,
                ..Summary::default()
            };
        });
    }

    /// Waits until the counters are as wanted; gives the last ones when they never were.
    pub(crate) fn wait_until(&self, limit: Duration, wanted: impl Fn(&Summary) -> bool) -> Result<Summary, Summary> {
        let deadline = Instant::now() + limit;
        let mut log = lock(&self.log);
        loop {
            if wanted(&log.summary) {
                return Ok(log.summary);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(log.summary);
            }
            let result = self.changed.wait_timeout(log, left);
            log = result.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn change(&self, change: impl FnOnce(&mut Log)) {
        change(&mut lock(&self.log));
        self.changed.notify_all();
    }
}
