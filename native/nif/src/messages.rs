//! Events as Erlang terms. Names stay binaries: an atom is made only of a name that is going to be connected to.

use std::time::Duration;

use discovery::snapshot::Dropped;
use discovery::{Error, Event, Kind, Snapshot};
use rustler::{Atom, Encoder, Env, NifMap, Term};

mod atoms {
    rustler::atoms! {
        snapshot,
        watching,
        error,
    }
}

pub(crate) fn event<'a>(env: Env<'a>, event: &Event) -> Term<'a> {
    match event {
        Event::Snapshot(found) => (atoms::snapshot(), snapshot(env, found)).encode(env),
        Event::Watching => atoms::watching().encode(env),
        Event::Error(why) => (atoms::error(), error(env, why)).encode(env),
    }
}

pub(crate) fn snapshot<'a>(env: Env<'a>, snapshot: &Snapshot) -> Term<'a> {
    SnapshotMap {
        ready: &snapshot.ready,
        not_ready: &snapshot.not_ready,
        draining: &snapshot.draining,
        dropped: snapshot.dropped.iter().map(DroppedMap::from).collect(),
        warnings: &snapshot.warnings,
        resource_version: &snapshot.resource_version,
    }
    .encode(env)
}

pub(crate) fn error<'a>(env: Env<'a>, error: &Error) -> Term<'a> {
    ErrorMap {
        kind: kind(env, error.kind),
        message: &error.message,
        status: error.status,
        retry_after_ms: error.retry_after.map(milliseconds),
    }
    .encode(env)
}

#[derive(NifMap)]
#[rustler(encode)]
struct SnapshotMap<'a> {
    ready: &'a [String],
    not_ready: &'a [String],
    draining: &'a [String],
    dropped: Vec<DroppedMap<'a>>,
    warnings: &'a [String],
    resource_version: &'a str,
}

#[derive(NifMap)]
#[rustler(encode)]
struct DroppedMap<'a> {
    reason: &'a str,
    count: usize,
    example: &'a str,
}

impl<'a> From<&'a Dropped> for DroppedMap<'a> {
    fn from(dropped: &'a Dropped) -> Self {
        Self {
            reason: dropped.reason.as_str(),
            count: dropped.count,
            example: &dropped.example,
        }
    }
}

#[derive(NifMap)]
#[rustler(encode)]
struct ErrorMap<'a> {
    kind: Atom,
    message: &'a str,
    status: Option<u16>,
    retry_after_ms: Option<u64>,
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn kind(env: Env<'_>, kind: Kind) -> Atom {
    // A closed list of short words: this cannot fail, and `error` would still be an atom.
    Atom::from_str(env, kind.as_str()).unwrap_or_else(|_| atoms::error())
}
