//! The NIF of `libcluster_kubernetes`: decodes options, owns threads, sends messages; nothing else.
//!
//! `start` runs a [`discovery::Discovery`] for a process. Its events reach that process as
//! `{:libcluster_kubernetes, ref, event}`, where `event` is `{:snapshot, map}`, `{:changed, {number, size}, gone, map}`,
//! `:unchanged`, `:watching`, `{:error, map}`, `{:listed, map}` or `{:watched, map}`; one of the first two that is not
//! acknowledged holds back the next. `list` and `probe` ask once, and are answered by one such message. All of it ends when `stop` is called, when the process dies,
//! however it dies, or when the resource is collected. No scheduler waits for any of it.

mod facts;
mod messages;
mod options;

use std::io;
use std::sync::Arc;

use discovery::diagnosis::probe;
use discovery::watch::lister::Lister;
use discovery::watch::outbox::Outbox;
use discovery::watch::thread::Thread;
use discovery::{Config, Discovery};
use rustler::env::SavedTerm;
use rustler::types::reference::Reference;
use rustler::{Atom, Encoder, Env, LocalPid, Monitor, NifResult, OwnedEnv, Resource, ResourceArc, Term};

use crate::options::Options;

mod atoms {
    rustler::atoms! {
        ok,
        libcluster_kubernetes,
        list,
        probe,
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

/// What one process has asked once.
struct Question(Thread);

#[rustler::resource_impl]
impl Resource for Question {
    const IMPLEMENTS_DOWN: bool = true;

    fn down<'a>(&'a self, _env: Env<'a>, _pid: LocalPid, _monitor: Monitor) {
        self.0.stop();
    }
}

/// Where messages of one reference go.
struct Address {
    owner: LocalPid,
    letterhead: OwnedEnv,
    reference: SavedTerm,
}

impl Address {
    fn new(owner: LocalPid, reference: Reference<'_>) -> Self {
        let letterhead = OwnedEnv::new();
        let reference = letterhead.save(reference);
        Self {
            owner,
            letterhead,
            reference,
        }
    }

    /// Whether the owner still listens.
    fn send(&self, event: impl for<'a> FnOnce(Env<'a>) -> Term<'a>) -> bool {
        self.letterhead.run(|letterhead| {
            let reference = self.reference.load(letterhead);
            let message = |env| message(env, reference.in_env(env), event(env));
            OwnedEnv::new().send_and_clear(&self.owner, message).is_ok()
        })
    }
}

fn message<'a>(env: Env<'a>, reference: Term<'a>, event: Term<'a>) -> Term<'a> {
    (atoms::libcluster_kubernetes(), reference, event).encode(env)
}

/// Starts a discovery whose events go to `owner`.
#[rustler::nif]
fn start(env: Env<'_>, options: Options, owner: LocalPid) -> Result<(ResourceArc<Worker>, Reference<'_>), String> {
    let config = Config::try_from(options)?;
    let reference = env.make_ref();
    let address = Address::new(owner, reference);
    let outbox: Arc<Outbox> = Arc::default();
    let worker_outbox = Arc::clone(&outbox);
    let sink = move |event| {
        outbox.push(event, |event, number| {
            address.send(|env| messages::event(env, event, number))
        })
    };
    let worker = ResourceArc::new(Worker {
        discovery: Discovery::start(config, sink).map_err(|error| no_thread(&error))?,
        outbox: worker_outbox,
    });
    if env.monitor(&worker, &owner).is_none() {
        worker.discovery.stop();
    }
    Ok((worker, reference))
}

fn no_thread(error: &io::Error) -> String {
    format!("the system gives no thread: {error}. Raise the limit of processes (ulimit -u, pids of the control group)")
}

/// Lists what is true now, once: `{:list, {:ok, map} | {:error, map}}`.
#[rustler::nif]
fn list(env: Env<'_>, options: Options, owner: LocalPid) -> Result<(ResourceArc<Question>, Reference<'_>), String> {
    ask(env, options, owner, |config, address| {
        Lister::start(config, move |answer| {
            address.send(|env| (atoms::list(), messages::answer(env, &answer)).encode(env));
        })
    })
}

/// Goes every step to the names: `{:probe, map}` says what each found.
#[rustler::nif]
fn probe(env: Env<'_>, options: Options, owner: LocalPid) -> Result<(ResourceArc<Question>, Reference<'_>), String> {
    ask(env, options, owner, |config, address| {
        probe::start(config, move |facts| {
            address.send(|env| (atoms::probe(), facts::encode(env, &facts)).encode(env));
        })
    })
}

fn ask(
    env: Env<'_>,
    options: Options,
    owner: LocalPid,
    begin: impl FnOnce(Config, Address) -> io::Result<Thread>,
) -> Result<(ResourceArc<Question>, Reference<'_>), String> {
    let config = Config::try_from(options)?;
    let reference = env.make_ref();
    let once = begin(config, Address::new(owner, reference)).map_err(|error| no_thread(&error))?;
    let question = ResourceArc::new(Question(once));
    if env.monitor(&question, &owner).is_none() {
        question.0.stop();
    }
    Ok((question, reference))
}

/// The last answer has been acted on: sends the owner, who calls this, the one that was held meanwhile.
#[rustler::nif]
#[expect(clippy::needless_pass_by_value, reason = "rustler hands arguments over by value")]
fn acknowledge<'a>(env: Env<'a>, worker: ResourceArc<Worker>, reference: Reference<'a>) -> Atom {
    worker.outbox.acknowledge(|event, number| {
        // Nobody but the caller is spoken to, and it is alive.
        let event = messages::event(env, event, number);
        let _ = env.send(&env.pid(), message(env, reference.into(), event));
    });
    atoms::ok()
}

/// Asks for a list, as a tick does: one that is running, or that a failure has scheduled, and a watch serve as well.
#[rustler::nif]
#[expect(clippy::needless_pass_by_value, reason = "rustler hands arguments over by value")]
fn refresh(worker: ResourceArc<Worker>) -> Atom {
    worker.discovery.refresh();
    atoms::ok()
}

/// Stops a discovery, or what was asked once, and closes its connection.
#[rustler::nif]
fn stop(handle: Term<'_>) -> NifResult<Atom> {
    match handle.decode::<ResourceArc<Worker>>() {
        Ok(worker) => worker.discovery.stop(),
        Err(_) => handle.decode::<ResourceArc<Question>>()?.0.stop(),
    }
    Ok(atoms::ok())
}

// `rustler::init!` for the Elixir module of this version: see build.rs.
include!(concat!(env!("OUT_DIR"), "/init.rs"));
