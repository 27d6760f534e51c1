//! Locking that outlives a panic of another thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks; a panic in one connection must not fail every other one.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
