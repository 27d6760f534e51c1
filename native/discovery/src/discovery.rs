//! A thread that lists whenever it is asked to, and by itself while it fails.
//!
//! ```text
//!           start (jitter)              refresh
//!   ┌────────────┴───────────┐   ┌─────────┴────────┐
//!   ▼                        │   ▼                  │
//! listing ── snapshot ──▶ resting                   │
//!   ▲  └───── error ────▶ backing off ── pause over ┘
//!   └────────────────────────┘            (a refresh waits for the pause to be over)
//! ```
//!
//! `stop` ends it in every state: it shuts the socket, so that a silent server holds up nobody.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crate::backoff::{Backoff, random_up_to};
use crate::config::Config;
use crate::error::{Error, Kind};
use crate::lister::Lister;
use crate::signals::{Signals, Wake};
use crate::snapshot::Snapshot;

/// What the thread has to say.
#[derive(Debug)]
pub enum Event {
    /// A complete, successful answer.
    Snapshot(Snapshot),
    /// Why there is none. The last snapshot stays in force.
    Error(Error),
}

/// Whether anybody still listens.
pub type Listening = bool;

/// The owner's end of the thread. Dropping it stops the thread, too.
#[derive(Debug)]
pub struct Discovery {
    signals: Arc<Signals>,
}

impl Discovery {
    /// Starts the thread; `sink` is called on it. The first list begins by itself.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(config: Config, sink: impl FnMut(Event) -> Listening + Send + 'static) -> std::io::Result<Self> {
        let signals: Arc<Signals> = Arc::default();
        let worker = Worker {
            config: Arc::new(config),
            signals: Arc::clone(&signals),
            sink,
        };
        thread::Builder::new()
            .name("k8s-discovery".to_owned())
            .spawn(move || worker.run())?;
        Ok(Self { signals })
    }

    /// Asks for a list; while one is running or a pause after a failure is not over, that one serves. Never blocks.
    pub fn refresh(&self) {
        self.signals.refresh();
    }

    /// Stops the thread and closes its connection. Never blocks, and can be called again.
    pub fn stop(&self) {
        self.signals.stop();
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Worker<S> {
    config: Arc<Config>,
    signals: Arc<Signals>,
    sink: S,
}

impl<S: FnMut(Event) -> Listening> Worker<S> {
    fn run(mut self) {
        let mut lister = Lister::with_signals(Arc::clone(&self.config), Arc::clone(&self.signals));
        let mut backoff = Backoff::default();
        let mut next = Some(Instant::now() + random_up_to(self.config.start_jitter));
        loop {
            match self.signals.wait(next) {
                Wake::Stop => return,
                Wake::Refresh if next.is_some() => continue,
                Wake::Refresh | Wake::TimeIsUp => {}
            }
            let event = match list_or_explain(&mut lister) {
                Ok(snapshot) => {
                    backoff.reset();
                    next = None;
                    Event::Snapshot(snapshot)
                }
                Err(error) => {
                    let pause = backoff.pause().max(error.retry_after.unwrap_or_default());
                    next = Some(Instant::now() + pause);
                    Event::Error(error)
                }
            };
            self.signals.refreshed();
            if self.signals.stopped() || !(self.sink)(event) {
                return;
            }
        }
    }
}

/// A bug in here must not silence discovery: it is an error like others, and the next try comes.
fn list_or_explain(lister: &mut Lister) -> Result<Snapshot, Error> {
    catch_unwind(AssertUnwindSafe(|| lister.list())).unwrap_or_else(|_| {
        Err(Error::new(
            Kind::Malformed,
            "internal error while reading an answer: please report it, with the text on standard error",
        ))
    })
}
