//! One complete list of what is true now, for a caller that waits for it or is called with it.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::config::Config;
use crate::error::Error;
use crate::names::snapshot::Snapshot;
use crate::server::signals::Signals;
use crate::watch::requests::Api;
use crate::watch::thread::Thread;
use crate::watch::watcher::{Input, Request, Tell, Watcher};

/// Lists what is true now, on a connection that it keeps. [`crate::Discovery`] is the one that goes on by itself.
#[derive(Debug)]
pub struct Lister {
    config: Arc<Config>,
    api: Api,
}

impl Lister {
    /// Connects to nothing yet.
    pub fn new(config: Arc<Config>) -> Self {
        Self::interrupted_by(config, Arc::default())
    }

    pub(crate) fn interrupted_by(config: Arc<Config>, signals: Arc<Signals>) -> Self {
        Self {
            api: Api::new(Arc::clone(&config), signals),
            config,
        }
    }

    /// Lists once on a thread of its own, on which `answer` is called.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(config: Config, answer: impl FnOnce(Result<Snapshot, Error>) + Send + 'static) -> io::Result<Thread> {
        let list = |signals: &_| Self::interrupted_by(Arc::new(config), Arc::clone(signals)).list();
        Thread::ask(list, Err, answer)
    }

    /// Lists once, all pages.
    ///
    /// # Errors
    /// Whatever kept the answer from being complete: there is no partial snapshot.
    pub fn list(&mut self) -> Result<Snapshot, Error> {
        let mut watcher = Watcher::of_the_present(&self.config);
        while let Request::List(position) = watcher.request() {
            let page = self.api.list_page(position);
            if let Some(Tell::Error(error)) = watcher.step(Input::Page(page), Instant::now()).tell {
                return Err(error);
            }
        }
        Ok(watcher.snapshot())
    }
}
