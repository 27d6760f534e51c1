//! What the fake stores: objects and their versions, tokens and what they allow, the open watches, and the journal of what
//! was asked. Knows nothing of paths and answers; uses `protocol` for the words of a request.

use std::sync::Mutex;

use crate::state::access::Access;
use crate::state::journal::Journal;
use crate::state::store::Store;
use crate::state::watches::Watches;

pub(crate) mod access;
pub(crate) mod journal;
pub(crate) mod resources;
pub(crate) mod store;
pub(crate) mod watches;

/// What answers are made of; the control port and the handle change it.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) store: Mutex<Store>,
    /// What the store is put back to.
    pub(crate) backup: Mutex<Option<Store>>,
    pub(crate) access: Mutex<Access>,
    pub(crate) journal: Journal,
    pub(crate) watches: Watches,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            store: Mutex::new(Store::new()),
            backup: Mutex::default(),
            access: Mutex::new(Access::default()),
            journal: Journal::default(),
            watches: Watches::default(),
        }
    }
}
