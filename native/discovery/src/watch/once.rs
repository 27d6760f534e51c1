//! Something that is asked once, on a thread and a connection of its own, and answered by a call.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crate::error::Error;
use crate::server::signals::Signals;

/// The asker's end of the thread. Dropping it stops the thread, too.
#[derive(Debug)]
pub struct Once {
    signals: Arc<Signals>,
}

impl Once {
    /// Starts the thread; `answer` is called on it, unless it was stopped. Where `work` panics, it is told the `bug`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start<T>(
        work: impl FnOnce(&Arc<Signals>) -> T + Send + 'static,
        bug: fn(Error) -> T,
        answer: impl FnOnce(T) + Send + 'static,
    ) -> io::Result<Self>
    where
        T: 'static,
    {
        let signals: Arc<Signals> = Arc::default();
        let shared = Arc::clone(&signals);
        thread::Builder::new().name("k8s-once".to_owned()).spawn(move || {
            let found = catch_unwind(AssertUnwindSafe(|| work(&shared)));
            if !shared.stopped() {
                answer(found.unwrap_or_else(|_| bug(Error::bug())));
            }
        })?;
        Ok(Self { signals })
    }

    /// Stops the thread and closes its connection. Never blocks, and can be called again.
    pub fn stop(&self) {
        self.signals.stop();
    }
}

impl Drop for Once {
    fn drop(&mut self) {
        self.stop();
    }
}
