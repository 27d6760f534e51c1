//! Name resolution that can be abandoned.
//!
//! `getaddrinfo` cannot be interrupted, so it runs on a thread of its own; at most one per name at a time in the whole
//! VM, however many topologies ask, start and are killed meanwhile.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::signals::Signals;

/// How soon a stopped discovery leaves a lookup alone.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// More addresses than this are not tried.
const MAX_ADDRESSES: usize = 16;

type Answer = Result<Vec<SocketAddr>, String>;

static IN_FLIGHT: Mutex<BTreeMap<String, Vec<Sender<Answer>>>> = Mutex::new(BTreeMap::new());

/// A name that does not resolve, apart from other I/O errors.
#[derive(Debug)]
pub(crate) struct Unresolved(String);

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unresolved {}

#[derive(Debug)]
pub(crate) struct SharedResolver {
    pub(crate) signals: Arc<Signals>,
}

impl Resolver for SharedResolver {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let authority = uri.authority().ok_or(ureq::Error::HostNotFound)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = authority.port_u16().unwrap_or(443);
        let found = match host.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::new(ip, port)],
            Err(_) => self.look_up(host, port, *timeout.after)?,
        };
        let mut addresses = self.empty();
        for address in found.into_iter().take(MAX_ADDRESSES) {
            addresses.push(address);
        }
        Ok(addresses)
    }
}

impl SharedResolver {
    fn look_up(&self, host: &str, port: u16, limit: Duration) -> Result<Vec<SocketAddr>, ureq::Error> {
        let started = Instant::now();
        let answer = join_lookup(format!("{host}:{port}"));
        loop {
            let left = limit.saturating_sub(started.elapsed());
            match answer.recv_timeout(left.min(STOP_CHECK)) {
                Ok(Ok(addresses)) if !addresses.is_empty() => return Ok(addresses),
                Ok(Ok(_)) => return Err(unresolved(host, "no address")),
                Ok(Err(reason)) => return Err(unresolved(host, &reason)),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    return Err(unresolved(host, "the name server does not answer"));
                }
                Err(RecvTimeoutError::Timeout) if !self.signals.stopped() => {}
                Err(_) => return Err(unresolved(host, "the lookup was given up")),
            }
        }
    }
}

fn unresolved(host: &str, reason: &str) -> ureq::Error {
    ureq::Error::Other(Box::new(Unresolved(format!("{host}: {reason}"))))
}

/// Joins the lookup of `name` that is under way, or starts one.
fn join_lookup(name: String) -> Receiver<Answer> {
    let (sender, receiver) = channel();
    let mut in_flight = IN_FLIGHT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(waiting) = in_flight.get_mut(&name) {
        waiting.push(sender);
        return receiver;
    }
    in_flight.insert(name.clone(), vec![sender]);
    drop(in_flight);
    let key = name.clone();
    let spawned = thread::Builder::new().name("k8s-dns".to_owned()).spawn(move || {
        let answer = name
            .to_socket_addrs()
            .map(Iterator::collect)
            .map_err(|error| error.to_string());
        finish_lookup(&name, &answer);
    });
    if let Err(error) = spawned {
        finish_lookup(&key, &Err(format!("no thread for it: {error}")));
    }
    receiver
}

fn finish_lookup(name: &str, answer: &Answer) {
    let waiting = IN_FLIGHT.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    for sender in waiting.into_iter().flatten() {
        // Whoever gave up meanwhile needs no answer.
        let _ = sender.send(answer.clone());
    }
}
