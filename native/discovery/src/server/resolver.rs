//! Name resolution that can be abandoned.
//!
//! `getaddrinfo` cannot be interrupted, so it runs on a thread of its own; at most one per name at a time in the whole
//! VM, however many topologies ask, start and are killed meanwhile.
//!
//! ureq resolves before every request, also where a kept connection will serve. Here a name is looked up when a connection
//! is made, and a name server that is down harms nobody who is connected: see `transport`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
pub(crate) use ureq::http::uri::Authority;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::server::signals::Signals;

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

/// ureq's resolver: leaves it to the connector.
#[derive(Debug)]
pub(crate) struct Later;

impl Resolver for Later {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

#[derive(Debug)]
pub(crate) struct SharedResolver {
    pub(crate) signals: Arc<Signals>,
}

impl SharedResolver {
    /// The addresses of a host with its port, which is 443 where none is given.
    pub(crate) fn addresses(&self, authority: &Authority, limit: Duration) -> Result<Vec<SocketAddr>, Unresolved> {
        let host = bare_host(authority);
        let port = authority.port_u16().unwrap_or(443);
        match host.parse::<IpAddr>() {
            Ok(ip) => Ok(vec![SocketAddr::new(ip, port)]),
            Err(_) => self.look_up(host, port, limit),
        }
    }

    fn look_up(&self, host: &str, port: u16, limit: Duration) -> Result<Vec<SocketAddr>, Unresolved> {
        let started = Instant::now();
        let answer = join_lookup(format!("{host}:{port}"));
        loop {
            let left = limit.saturating_sub(started.elapsed());
            match answer.recv_timeout(left.min(STOP_CHECK)) {
                Ok(Ok(mut addresses)) if !addresses.is_empty() => {
                    addresses.truncate(MAX_ADDRESSES);
                    return Ok(addresses);
                }
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

/// The host without the brackets of an IPv6 address.
pub(crate) fn bare_host(authority: &Authority) -> &str {
    authority.host().trim_start_matches('[').trim_end_matches(']')
}

fn unresolved(host: &str, reason: &str) -> Unresolved {
    Unresolved(format!("{host}: {reason}"))
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

/// A lookup of `name` that is under way, as if a name server did not answer; no test shares a name.
#[cfg(test)]
pub(crate) fn hold(name: &str) {
    let mut in_flight = IN_FLIGHT.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(in_flight.insert(name.to_owned(), Vec::new()).is_none());
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    fn resolver() -> SharedResolver {
        SharedResolver {
            signals: Arc::default(),
        }
    }

    fn resolve(url: &str) -> Result<Vec<SocketAddr>, Unresolved> {
        let url: Uri = url.parse().unwrap();
        resolver().addresses(url.authority().unwrap(), LIMIT)
    }

    fn waiting(name: &str) -> usize {
        let in_flight = IN_FLIGHT.lock().unwrap_or_else(PoisonError::into_inner);
        in_flight.get(name).map_or(0, Vec::len)
    }

    #[test]
    fn an_address_is_not_looked_up() {
        for (url, address) in [
            ("https://10.0.0.1", "10.0.0.1:443"),
            ("https://10.0.0.1:6443", "10.0.0.1:6443"),
            ("https://[fd00::1]", "[fd00::1]:443"),
            ("https://[fd00::1]:6443/path?query", "[fd00::1]:6443"),
        ] {
            assert_eq!(resolve(url).unwrap(), [address.parse().unwrap()]);
        }
    }

    #[test]
    fn a_name_is_looked_up_with_its_port() {
        let found = resolve("https://localhost:6443").unwrap();
        assert!(
            found
                .iter()
                .all(|address| address.ip().is_loopback() && address.port() == 6443)
        );
        assert!((1..=MAX_ADDRESSES).contains(&found.len()));
    }

    #[test]
    fn an_unknown_name_is_named() {
        // No name server is asked for a label this long.
        let host = "x".repeat(64);
        let why = resolve(&format!("https://{host}.invalid")).unwrap_err().to_string();
        assert!(why.starts_with(&host), "{why}");
        assert_eq!(waiting(&format!("{host}.invalid:443")), 0);
    }

    #[test]
    fn one_lookup_answers_all_who_wait_for_it() {
        let name = "shared.test:443";
        hold(name);
        let address: SocketAddr = "10.0.0.1:443".parse().unwrap();
        let others: Vec<_> = (0..3).map(|_| join_lookup(name.to_owned())).collect();
        assert_eq!(waiting(name), 3);
        drop(join_lookup(name.to_owned()));
        finish_lookup(name, &Ok(vec![address]));
        for other in others {
            assert_eq!(other.recv_timeout(LIMIT).unwrap(), Ok(vec![address]));
        }
        assert_eq!(waiting(name), 0);
    }

    #[test]
    fn a_lookup_is_given_up_at_its_limit() {
        hold("slow.test:443");
        let started = Instant::now();
        let why = resolver()
            .look_up("slow.test", 443, Duration::from_millis(150))
            .unwrap_err()
            .to_string();
        assert!(why.contains("does not answer"), "{why}");
        assert!((150..1_000).contains(&started.elapsed().as_millis()));
    }

    #[test]
    fn stop_ends_a_lookup() {
        hold("stopped.test:443");
        let resolver = resolver();
        thread::scope(|scope| {
            let looking = scope.spawn(|| resolver.look_up("stopped.test", 443, Duration::from_mins(1)));
            let started = Instant::now();
            resolver.signals.stop();
            assert!(looking.join().unwrap().unwrap_err().to_string().contains("given up"));
            assert!(started.elapsed() < Duration::from_secs(1));
        });
    }

    #[test]
    fn an_answer_without_addresses_is_none() {
        let name = "empty.test:443";
        hold(name);
        thread::scope(|scope| {
            let looking = scope.spawn(|| resolver().look_up("empty.test", 443, LIMIT));
            let deadline = Instant::now() + LIMIT;
            while waiting(name) == 0 && Instant::now() < deadline {
                thread::yield_now();
            }
            finish_lookup(name, &Ok(Vec::new()));
            assert!(looking.join().unwrap().unwrap_err().to_string().contains("no address"));
        });
    }
}
