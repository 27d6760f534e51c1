//! The thread of a topology: lists, watches, waits after failures, and tells its owner. Uses all rooms but `diagnosis`.

pub mod backoff;
pub mod discovery;
pub mod lister;
pub(crate) mod open_watch;
pub mod outbox;
pub mod report;
pub(crate) mod requests;
pub mod thread;
pub(crate) mod watcher;
