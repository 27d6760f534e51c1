//! Something that is asked once, on a thread and a connection of its own, and answered by a call.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crate::server::signals::Signals;

/// The asker's end of the thread. Dropping it stops the thread, too.
#[derive(Debug)]
pub struct Once {
    signals: Arc<Signals>,
}

impl Once {
    /// Starts the thread. Does nothing but write to standard error where `work` panics.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(work: impl FnOnce(Arc<Signals>) + Send + 'static) -> io::Result<Self> {
        let signals: Arc<Signals> = Arc::default();
        let shared = Arc::clone(&signals);
        thread::Builder::new().name("k8s-once".to_owned()).spawn(move || {
            let _ = catch_unwind(AssertUnwindSafe(|| work(shared)));
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
