//! What the owner of a discovery tells its thread: look again, or stop now.

use std::fmt;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    Stop,
    /// A list is wanted.
    Refresh,
    TimeIsUp,
}

/// Something that blocks the thread, and can be cut from another one.
pub(crate) trait Interrupt: Send + Sync {
    /// Makes what is blocked return at once. Never blocks.
    fn interrupt(self: Arc<Self>);
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
    connection: Option<Weak<dyn Interrupt>>,
    expected_by: Option<Instant>,
}

impl Signals {
    /// Stops the thread, and whatever it is doing on the network.
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        interrupt(state);
        self.changed.notify_all();
    }

    pub(crate) fn stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Asks for a list.
    pub(crate) fn refresh(&self) {
        self.lock().refresh = true;
        self.changed.notify_all();
    }

    /// A list is done: it answers everything that was asked meanwhile.
    pub(crate) fn listed(&self) {
        self.lock().refresh = false;
    }

    /// Within what time from now what is waited for is to come, whatever trickles in meanwhile.
    pub(crate) fn expect_within(&self, time: Duration) {
        self.lock().expected_by = Some(Instant::now() + time);
    }

    /// The time left for that, if there is a limit.
    pub(crate) fn patience(&self) -> Option<Duration> {
        let deadline = self.lock().expected_by?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    /// Makes this the connection that `stop` interrupts; `false` if it came too late.
    pub(crate) fn connecting(&self, connection: Weak<dyn Interrupt>) -> bool {
        let mut state = self.lock();
        state.connection = Some(connection);
        !state.stopped
    }

    /// Waits for a signal, at most until `deadline`.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Wake {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return Wake::Stop;
            }
            if mem::take(&mut state.refresh) {
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

fn interrupt(state: MutexGuard<'_, State>) {
    let connection = state.connection.clone();
    drop(state);
    if let Some(connection) = connection.and_then(|connection| connection.upgrade()) {
        connection.interrupt();
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Connection(AtomicUsize);

    impl Interrupt for Connection {
        fn interrupt(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn connected() -> (Signals, Arc<Connection>) {
        let signals = Signals::default();
        let connection: Arc<Connection> = Arc::default();
        let weak: Weak<dyn Interrupt> = Arc::<Connection>::downgrade(&connection);
        assert!(signals.connecting(weak));
        (signals, connection)
    }

    #[test]
    fn stop_ends_a_wait_and_interrupts_the_connection() {
        let (signals, connection) = connected();
        let signals = Arc::new(signals);
        let waiting = Arc::clone(&signals);
        let waiter = std::thread::spawn(move || waiting.wait(None));
        signals.stop();
        assert_eq!(waiter.join().unwrap(), Wake::Stop);
        assert_eq!(connection.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_connection_made_after_stop_is_refused() {
        let (signals, connection) = connected();
        signals.stop();
        let weak: Weak<dyn Interrupt> = Arc::<Connection>::downgrade(&connection);
        assert!(!signals.connecting(weak));
    }

    #[test]
    fn what_is_asked_during_a_list_is_answered_by_it() {
        let signals = Signals::default();
        signals.refresh();
        signals.refresh();
        assert_eq!(signals.wait(None), Wake::Refresh);
        assert_eq!(signals.wait(Some(Instant::now())), Wake::TimeIsUp);
        signals.refresh();
        signals.listed();
        assert_eq!(signals.wait(Some(Instant::now())), Wake::TimeIsUp);
    }
}
