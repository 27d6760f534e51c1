//! What all threads share, and locking that outlives a panic of another thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;

use crate::access::Access;
use crate::connections::Connections;
use crate::faults::Faults;
use crate::journal::Journal;
use crate::store::Store;
use crate::watches::Watches;

/// The state behind the API port; the control port and the handle change it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Mutex<Store>,
    pub(crate) access: Mutex<Access>,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
    pub(crate) connections: Connections,
    pub(crate) watches: Watches,
    /// For connections that are accepted from now on.
    pub(crate) tls: Mutex<Arc<ServerConfig>>,
}

/// Locks; a panic in one connection must not fail every other one.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
