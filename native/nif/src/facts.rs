//! What a probe found, as Erlang terms: a step that was not reached is `nil`, any other `{:ok, value}` or `{:error, map}`.

use discovery::diagnosis::certificate::Certificate;
use discovery::diagnosis::claims::Claims;
use discovery::diagnosis::overview::Object;
use discovery::diagnosis::probe::{Address, Facts, Review};
use discovery::{Error, Snapshot};
use rustler::{Encoder, Env, NifMap, Term};

use crate::messages;

mod atoms {
    rustler::atoms! {
        ok,
        error,
        all,
    }
}

#[derive(NifMap)]
#[rustler(encode)]
struct FactsMap<'a> {
    token: Term<'a>,
    authorities: Term<'a>,
    namespace: Term<'a>,
    address: Term<'a>,
    tcp: Term<'a>,
    tls: Term<'a>,
    shown: Term<'a>,
    version: Term<'a>,
    may_list: Term<'a>,
    may_watch: Term<'a>,
    snapshot: Term<'a>,
    watch: Term<'a>,
    matching: Term<'a>,
    others: Term<'a>,
}

pub(crate) fn encode<'a>(env: Env<'a>, facts: &Facts) -> Term<'a> {
    FactsMap {
        token: result(env, &facts.token, |claims| claims.as_ref().map(ClaimsMap::from)),
        authorities: result(env, &facts.authorities, |all| {
            all.iter().map(CertificateMap::from).collect::<Vec<_>>()
        }),
        namespace: result(env, &facts.namespace, |one| match one {
            Some(namespace) => namespace.encode(env),
            None => atoms::all().encode(env),
        }),
        address: result(env, &facts.address, AddressMap::from),
        tcp: step(env, facts.tcp.as_ref(), ToString::to_string),
        tls: step(env, facts.tls.as_ref(), |()| true),
        shown: facts.shown.as_ref().map(CertificateMap::from).encode(env),
        version: step(env, facts.version.as_ref(), String::as_str),
        may_list: step(env, facts.may_list.as_ref(), ReviewMap::from),
        may_watch: step(env, facts.may_watch.as_ref(), ReviewMap::from),
        snapshot: step(env, facts.snapshot.as_ref(), |found: &Snapshot| {
            messages::snapshot(env, found)
        }),
        watch: step(env, facts.watch.as_ref(), |()| true),
        matching: step(env, facts.matching.as_ref(), |found| objects(found)),
        others: step(env, facts.others.as_ref(), |found| objects(found)),
    }
    .encode(env)
}

fn step<'a, 'f, T, E: Encoder>(
    env: Env<'a>,
    step: Option<&'f Result<T, Error>>,
    value: impl FnOnce(&'f T) -> E,
) -> Term<'a> {
    step.map(|reached| result(env, reached, value)).encode(env)
}

fn result<'a, 'f, T, E: Encoder>(
    env: Env<'a>,
    result: &'f Result<T, Error>,
    value: impl FnOnce(&'f T) -> E,
) -> Term<'a> {
    match result {
        Ok(found) => (atoms::ok(), value(found)).encode(env),
        Err(why) => (atoms::error(), messages::error(env, why)).encode(env),
    }
}

#[derive(NifMap)]
#[rustler(encode)]
struct ClaimsMap<'a> {
    expires_at: Option<u64>,
    audiences: &'a [String],
    subject: Option<&'a str>,
}

impl<'a> From<&'a Claims> for ClaimsMap<'a> {
    fn from(claims: &'a Claims) -> Self {
        Self {
            expires_at: claims.expires_at,
            audiences: &claims.audiences,
            subject: claims.subject.as_deref(),
        }
    }
}

#[derive(NifMap)]
#[rustler(encode)]
struct CertificateMap<'a> {
    subject: &'a str,
    issuer: &'a str,
}

impl<'a> From<&'a Certificate> for CertificateMap<'a> {
    fn from(certificate: &'a Certificate) -> Self {
        Self {
            subject: &certificate.subject,
            issuer: &certificate.issuer,
        }
    }
}

#[derive(NifMap)]
#[rustler(encode)]
struct AddressMap<'a> {
    server: &'a str,
    addresses: Vec<String>,
    instead_of: Option<&'a str>,
}

impl<'a> From<&'a Address> for AddressMap<'a> {
    fn from(address: &'a Address) -> Self {
        Self {
            server: &address.server,
            addresses: address.addresses.iter().map(ToString::to_string).collect(),
            instead_of: address.instead_of.as_deref(),
        }
    }
}

#[derive(NifMap)]
#[rustler(encode)]
struct ReviewMap<'a> {
    allowed: bool,
    reason: Option<&'a str>,
}

impl<'a> From<&'a Review> for ReviewMap<'a> {
    fn from(review: &'a Review) -> Self {
        Self {
            allowed: review.allowed,
            reason: review.reason.as_deref(),
        }
    }
}

#[derive(NifMap)]
#[rustler(encode)]
struct ObjectMap<'a> {
    name: &'a str,
    labels: &'a [String],
    service: Option<&'a str>,
    ready: usize,
    not_ready: usize,
}

fn objects(found: &[Object]) -> Vec<ObjectMap<'_>> {
    found
        .iter()
        .map(|object| ObjectMap {
            name: &object.name,
            labels: &object.labels,
            service: object.service.as_deref(),
            ready: object.ready,
            not_ready: object.not_ready,
        })
        .collect()
}
