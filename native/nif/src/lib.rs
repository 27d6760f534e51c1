//! The NIF of `libcluster_kubernetes`: decodes options, owns the discovery's thread, sends messages; nothing else.
//!
//! `start` runs a [`discovery::Discovery`] for a process. Its events reach that process as
//! `{:libcluster_kubernetes, ref, event}`, where `event` is `{:snapshot, map}`, `:unchanged`, `:watching`,
//! `{:error, map}`, `{:listed, map}` or `{:watched, map}`; a snapshot that is not acknowledged holds back the next. The
//! discovery ends when `stop` is called, when the process dies, however it dies, or when the resource is collected.

mod facts;
mod messages;
mod options;

use std::sync::Arc;

use discovery::watch::lister::Lister;
use discovery::watch::outbox::Outbox;
use discovery::{Config, Discovery, Error, Event, Freshness, Snapshot};
use rustler::types::reference::Reference;
use rustler::{Atom, Encoder, Env, LocalPid, Monitor, OwnedEnv, Resource, ResourceArc, Term};

use crate::options::Options;

mod atoms {
    rustler::atoms! {
        ok,
        libcluster_kubernetes,
    }
}

/// The discovery of one process.
struct Worker {
    discovery: Discovery,
    outbox: Arc<Outbox>,
}

#[rustler::resource_impl]
impl Resource for Worker {
    const IMPLEMENTS_DOWN: bool = true;

    // Runs on a scheduler: only raises the stop flag and shuts the socket.
    fn down<'a>(&'a self, _env: Env<'a>, _pid: LocalPid, _monitor: Monitor) {
        self.discovery.stop();
    }
}

/// Starts a discovery whose events go to `owner`.
#[rustler::nif]
fn start(env: Env<'_>, options: Options, owner: LocalPid) -> Result<(ResourceArc<Worker>, Reference<'_>), String> {
    let config = Config::try_from(options)?;
    let reference = env.make_ref();
    let letterhead = OwnedEnv::new();
    let saved = letterhead.save(reference);
    let outbox: Arc<Outbox> = Arc::default();
    let worker_outbox = Arc::clone(&outbox);
    let discovery = Discovery::start(config, move |event| {
        outbox.push(event, |event| {
            letterhead.run(|letterhead| {
                let reference = saved.load(letterhead);
                OwnedEnv::new()
                    .send_and_clear(&owner, |env| message(env, reference.in_env(env), event))
                    .is_ok()
            })
        })
    })
    .map_err(|error| format!("no thread for the discovery: {error}"))?;
    let worker = ResourceArc::new(Worker {
        discovery,
        outbox: worker_outbox,
    });
    if env.monitor(&worker, &owner).is_none() {
        worker.discovery.stop();
    }
    Ok((worker, reference))
}

fn message<'a>(env: Env<'a>, reference: Term<'a>, event: &Event) -> Term<'a> {
    (atoms::libcluster_kubernetes(), reference, messages::event(env, event)).encode(env)
}

/// The last snapshot has been acted on: sends the owner, who calls this, the one that was held meanwhile.
#[rustler::nif]
#[expect(clippy::needless_pass_by_value, reason = "rustler hands arguments over by value")]
fn acknowledge<'a>(env: Env<'a>, worker: ResourceArc<Worker>, reference: Reference<'a>) -> Atom {
    worker.outbox.acknowledge(|event| {
        // Nobody but the caller is spoken to, and it is alive.
        let _ = env.send(&env.pid(), message(env, reference.into(), event));
    });
    atoms::ok()
}

/// Asks for a list, as a tick does: one that is running, or that a failure has scheduled, and a watch serve as well.
#[rustler::nif]
#[expect(clippy::needless_pass_by_value, reason = "rustler hands arguments over by value")]
fn refresh(worker: ResourceArc<Worker>, present: bool) -> Atom {
    let freshness = if present { Freshness::Present } else { Freshness::Known };
    worker.discovery.refresh(freshness);
    atoms::ok()
}

/// Asks for a list of what is true now, also while a watch is open.
#[rustler::nif]
#[expect(clippy::needless_pass_by_value, reason = "rustler hands arguments over by value")]
fn relist(worker: ResourceArc<Worker>) -> Atom {
    worker.discovery.list();
    atoms::ok()
}

/// Stops the discovery and closes its connection.
#[rustler::nif]
#[expect(clippy::needless_pass_by_value, reason = "rustler hands arguments over by value")]
fn stop(worker: ResourceArc<Worker>) -> Atom {
    worker.discovery.stop();
    atoms::ok()
}

/// Lists once, on the caller's time.
#[rustler::nif(schedule = "DirtyIo")]
fn list(env: Env<'_>, options: Options) -> Result<Term<'_>, Term<'_>> {
    let config = Config::try_from(options).map_err(|reason| reason.encode(env))?;
    let listed: Result<Snapshot, Error> = Lister::new(Arc::new(config)).list();
    listed
        .map(|snapshot| messages::snapshot(env, &snapshot))
        .map_err(|error| messages::error(env, &error))
}

/// Goes every step to the names and says what each found, on the caller's time.
#[rustler::nif(schedule = "DirtyIo")]
fn probe(env: Env<'_>, options: Options) -> Result<Term<'_>, String> {
    let config = Config::try_from(options)?;
    Ok(facts::encode(env, &discovery::diagnosis::probe::run(&Arc::new(config))))
}

// `rustler::init!` for the Elixir module of this version: see build.rs.
include!(concat!(env!("OUT_DIR"), "/init.rs"));
