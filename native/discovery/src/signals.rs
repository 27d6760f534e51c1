//! What the owner of a discovery tells its thread: look again, or stop now.

use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    Stop,
    Refresh,
    TimeIsUp,
}

/// Shared by the owner and the thread. No call on it blocks its caller but [`Signals::wait`].
#[derive(Default)]
pub(crate) struct Signals {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stopped: bool,
    refresh: bool,
    abort: Option<Box<dyn FnOnce() + Send>>,
}

impl Signals {
    /// Stops the thread, and whatever it is doing on the network.
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        let abort = state.abort.take();
        drop(state);
        self.changed.notify_all();
        if let Some(abort) = abort {
            abort();
        }
    }

    pub(crate) fn stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Asks for a list, unless one is running.
    pub(crate) fn refresh(&self) {
        self.lock().refresh = true;
        self.changed.notify_all();
    }

    /// A list is done: it answers everything that was asked meanwhile.
    pub(crate) fn refreshed(&self) {
        self.lock().refresh = false;
    }

    /// What `stop` calls to interrupt the network; called at once if `stop` came before.
    pub(crate) fn on_stop(&self, abort: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        if state.stopped {
            drop(state);
            abort();
        } else {
            state.abort = Some(Box::new(abort));
        }
    }

    /// Waits for a signal, at most until `deadline`.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Wake {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return Wake::Stop;
            }
            if state.refresh {
                state.refresh = false;
                return Wake::Refresh;
            }
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return Wake::TimeIsUp,
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    // A panic elsewhere leaves this state valid: each change is one assignment.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signals")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn stop_ends_a_wait_and_aborts_what_is_running() {
        let signals = Arc::new(Signals::default());
        let (aborted, abort) = mpsc::channel();
        signals.on_stop(move || aborted.send(()).unwrap());
        let waiting = Arc::clone(&signals);
        let waiter = std::thread::spawn(move || waiting.wait(None));
        signals.stop();
        assert_eq!(waiter.join().unwrap(), Wake::Stop);
        abort.recv_timeout(Duration::from_secs(5)).unwrap();
    }

    #[test]
    fn what_starts_after_stop_is_aborted_at_once() {
        let signals = Signals::default();
        signals.stop();
        let (aborted, abort) = mpsc::channel();
        signals.on_stop(move || aborted.send(()).unwrap());
        abort.recv_timeout(Duration::from_secs(5)).unwrap();
    }

    #[test]
    fn refreshes_during_a_list_are_one_and_are_answered_by_it() {
        let signals = Signals::default();
        signals.refresh();
        signals.refresh();
        assert_eq!(signals.wait(None), Wake::Refresh);
        signals.refresh();
        signals.refreshed();
        assert_eq!(signals.wait(Some(Instant::now())), Wake::TimeIsUp);
    }
}
