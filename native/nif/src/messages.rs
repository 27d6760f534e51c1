//! Events as Erlang terms. Names stay binaries: an atom is made only of a name that is going to be connected to.

use std::time::Duration;

use discovery::names::entry::Dropped;
use discovery::watch::outbox::Number;
use discovery::{Error, Event, Kind, Report, Snapshot};
use rustler::{Atom, Encoder, Env, NifMap, Term};

mod atoms {
    rustler::atoms! {
        ok,
        snapshot,
        changed,
        unchanged,
        watching,
        error,
        listed,
        watched,
    }
}

pub(crate) fn event<'a>(env: Env<'a>, event: &Event, number: Number) -> Term<'a> {
    match event {
        Event::Snapshot(found) => (atoms::snapshot(), snapshot(env, found)).encode(env),
        Event::Changed(changes) => {
            let mark = (number, changes.size);
            (atoms::changed(), mark, &changes.gone, snapshot(env, &changes.news)).encode(env)
        }
        Event::Unchanged => atoms::unchanged().encode(env),
        Event::Watching => atoms::watching().encode(env),
        Event::Error(why) => (atoms::error(), error(env, why)).encode(env),
        Event::Report(done) => report(env, done),
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
        truncated: snapshot.truncated,
    }
    .encode(env)
}

/// What was asked once, answered.
pub(crate) fn answer<'a>(env: Env<'a>, answer: &Result<Snapshot, Error>) -> Term<'a> {
    match answer {
        Ok(found) => (atoms::ok(), snapshot(env, found)).encode(env),
        Err(why) => (atoms::error(), error(env, why)).encode(env),
    }
}

pub(crate) fn error<'a>(env: Env<'a>, error: &Error) -> Term<'a> {
    ErrorMap {
        kind: kind(env, error.kind),
        message: &error.message,
        advice: error.advice.as_deref(),
        status: error.status,
        retry_after_ms: error.retry_after.map(milliseconds),
    }
    .encode(env)
}

fn report<'a>(env: Env<'a>, report: &Report) -> Term<'a> {
    match *report {
        Report::Listed {
            duration,
            bytes,
            pages,
            failure,
            requests,
        } => {
            let listed = ListedMap {
                duration_us: microseconds(duration),
                bytes,
                pages,
                kind: failure.map(|failure| kind(env, failure)),
                requests,
            };
            (atoms::listed(), listed).encode(env)
        }
        Report::Watched { ended, bytes, requests } => {
            let watched = WatchedMap {
                duration_us: microseconds(ended.duration),
                bytes,
                events: ended.events,
                ending: atom(env, ended.ending.as_str()),
                requests,
            };
            (atoms::watched(), watched).encode(env)
        }
    }
}

#[derive(NifMap)]
#[rustler(encode)]
struct ListedMap {
    duration_us: u64,
    bytes: u64,
    pages: u32,
    kind: Option<Atom>,
    requests: u64,
}

#[derive(NifMap)]
#[rustler(encode)]
struct WatchedMap {
    duration_us: u64,
    bytes: u64,
    events: u64,
    ending: Atom,
    requests: u64,
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
    truncated: bool,
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
    advice: Option<&'a str>,
    status: Option<u16>,
    retry_after_ms: Option<u64>,
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn kind(env: Env<'_>, kind: Kind) -> Atom {
    atom(env, kind.as_str())
}

/// A word of a closed list of short ones: this cannot fail, and `error` would still be an atom.
fn atom(env: Env<'_>, word: &str) -> Atom {
    Atom::from_str(env, word).unwrap_or_else(|_| atoms::error())
}
