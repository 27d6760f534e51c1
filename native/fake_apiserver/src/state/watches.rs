//! The open watches: what wakes them, and what the control port has them do.
//!
//! Every watch sleeps on one condition, whatever it waits for. Whoever changes something rings;
//! all wake, and those that it does not concern sleep on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::lock::lock;
use crate::state::journal::Journal;

/// How often the real server sends bookmarks.
const BOOKMARK_INTERVAL: Duration = Duration::from_mins(1);
/// How long ending streams waits for a client that does not read.
const END_LIMIT: Duration = Duration::from_secs(2);

/// What is asked of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// Send a bookmark now.
    Bookmark,
    /// Send these bytes as one chunk.
    Send(Arc<[u8]>),
    /// End the body as it should end.
    End,
    /// Stop; the socket is shut down already.
    Cut,
}

impl Order {
    /// Whether silence holds it back.
    fn waits(&self) -> bool {
        *self == Self::Bookmark
    }
}

/// All open watches and the switches for them.
#[derive(Debug)]
pub(crate) struct Watches {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Counts the rings, so that none is lost between looking and sleeping.
    rings: u64,
    last_number: u64,
    streams: BTreeMap<u64, Stream>,
    silent: bool,
    bookmarks: Option<Duration>,
    expired_as_status: bool,
}

#[derive(Debug)]
struct Stream {
    connection: u64,
    /// Each with the version that goes before it.
    orders: VecDeque<(u64, Order)>,
}

/// What a stream has to know at one moment.
#[derive(Debug)]
pub(crate) struct Turn {
    /// For [`Watches::wait`].
    pub(crate) rings: u64,
    pub(crate) silent: bool,
    pub(crate) bookmarks: Option<Duration>,
    pub(crate) orders: VecDeque<(u64, Order)>,
}

impl Default for Watches {
    fn default() -> Self {
        let state = State {
            rings: 0,
            last_number: 0,
            streams: BTreeMap::new(),
            silent: false,
            bookmarks: Some(BOOKMARK_INTERVAL),
            expired_as_status: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }
}

impl Watches {
    /// Wakes every watch; after a change of the objects.
    pub(crate) fn ring(&self) {
        self.change(|_| ());
    }

    /// Holds back everything but orders of the test, or lets it flow.
    pub(crate) fn set_silent(&self, silent: bool) {
        self.change(|state| state.silent = silent);
    }

    /// Sets the time between bookmarks; none means none but on demand.
    pub(crate) fn set_bookmarks(&self, every: Option<Duration>) {
        self.change(|state| state.bookmarks = every);
    }

    /// Whether an expired version is refused by a status, not by an event.
    pub(crate) fn set_expired_as_status(&self, as_status: bool) {
        self.change(|state| state.expired_as_status = as_status);
    }

    pub(crate) fn expired_as_status(&self) -> bool {
        lock(&self.state).expired_as_status
    }

    /// Gives an order to all open watches, to be obeyed after the changes up to a version; says
    /// which they are.
    pub(crate) fn order(&self, version: u64, order: &Order) -> Vec<u64> {
        self.change(|state| {
            for stream in state.streams.values_mut() {
                stream.orders.push_back((version, order.clone()));
            }
            state.streams.keys().copied().collect()
        })
    }

    /// The connections of all open watches.
    pub(crate) fn connections(&self) -> Vec<u64> {
        let state = lock(&self.state);
        state.streams.values().map(|stream| stream.connection).collect()
    }

    /// Waits, within reason, until these streams are over.
    pub(crate) fn wait_for_end(&self, numbers: &[u64]) {
        let deadline = Instant::now() + END_LIMIT;
        let mut state = lock(&self.state);
        while numbers.iter().any(|number| state.streams.contains_key(number)) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The orders for a stream, which forgets them, and the state of the switches.
    pub(crate) fn turn(&self, number: u64) -> Turn {
        let mut state = lock(&self.state);
        let silent = state.silent;
        let mut orders = VecDeque::new();
        if let Some(stream) = state.streams.get_mut(&number) {
            let (wait, go) = stream.orders.drain(..).partition(|(_, order)| silent && order.waits());
            stream.orders = wait;
            orders = go;
        }
        Turn {
            rings: state.rings,
            silent,
            bookmarks: state.bookmarks,
            orders,
        }
    }

    /// Sleeps until it rings after a turn, or until then.
    pub(crate) fn wait(&self, rings: u64, until: Instant) {
        let mut state = lock(&self.state);
        while state.rings == rings {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = lock(&self.state);
        state.rings += 1;
        let result = change(&mut state);
        self.changed.notify_all();
        result
    }
}

/// A stream in the books, out of which it goes when this is dropped.
pub(crate) struct Open<'a> {
    watches: &'a Watches,
    journal: &'a Journal,
    pub(crate) number: u64,
}

impl<'a> Open<'a> {
    pub(crate) fn enter(watches: &'a Watches, journal: &'a Journal, connection: u64) -> Self {
        let number = {
            let mut state = lock(&watches.state);
            state.last_number += 1;
            let orders = VecDeque::new();
            let number = state.last_number;
            state.streams.insert(number, Stream { connection, orders });
            number
        };
        journal.watch_opened();
        Self {
            watches,
            journal,
            number,
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.journal.watch_closed();
        lock(&self.watches.state).streams.remove(&self.number);
        // Not a ring: it concerns nobody but those who wait for the end.
        self.watches.changed.notify_all();
    }
}
