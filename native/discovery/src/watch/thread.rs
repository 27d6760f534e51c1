//! A thread with a connection of its own, and what is asked once on one, and answered by a call.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crate::error::Error;
use crate::server::signals::Signals;

/// The owner's end of a thread. Dropping it stops the thread, too.
#[derive(Debug)]
pub struct Thread {
    pub(crate) signals: Arc<Signals>,
}

impl Thread {
    /// Starts a thread of this name that does this.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(name: &str, work: impl FnOnce(&Arc<Signals>) + Send + 'static) -> io::Result<Self> {
        let signals: Arc<Signals> = Arc::default();
        let shared = Arc::clone(&signals);
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work(&shared))?;
        Ok(Self { signals })
    }

    /// Starts one that is asked once; `answer` is called on it, unless it was stopped. Where `work` panics, it is told the `bug`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn ask<T>(
        work: impl FnOnce(&Arc<Signals>) -> T + Send + 'static,
        bug: fn(Error) -> T,
        answer: impl FnOnce(T) + Send + 'static,
    ) -> io::Result<Self>
    where
        T: 'static,
    {
        Self::start("k8s-once", move |signals| {
            let found = catch_unwind(AssertUnwindSafe(|| work(signals)));
            if !signals.stopped() {
                answer(found.unwrap_or_else(|_| bug(Error::bug())));
            }
        })
    }

    /// Stops the thread and closes its connection. Never blocks, and can be called again.
    pub fn stop(&self) {
        self.signals.stop();
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop();
    }
}
