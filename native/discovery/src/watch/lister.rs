//! One complete list, for a caller that waits for it.

use std::sync::Arc;
use std::time::Instant;

use crate::config::Config;
use crate::error::Error;
use crate::names::snapshot::Snapshot;
use crate::watch::requests::Api;
use crate::watch::watcher::{Input, Request, Tell, Watcher};

/// Lists on a connection that it keeps. [`crate::Discovery`] is the one that goes on by itself.
#[derive(Debug)]
pub struct Lister {
    config: Arc<Config>,
    api: Api,
}

impl Lister {
    /// Connects to nothing yet.
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            api: Api::new(Arc::clone(&config), Arc::default()),
            config,
        }
    }

    /// Lists once, all pages.
    ///
    /// # Errors
    /// Whatever kept the answer from being complete: there is no partial snapshot.
    pub fn list(&mut self) -> Result<Snapshot, Error> {
        let mut watcher = Watcher::new(&self.config);
        while let Request::List(position) = watcher.request() {
            let page = self.api.list_page(position);
            if let Some(Tell::Error(error)) = watcher.step(Input::Page(page), Instant::now()).tell {
                return Err(error);
            }
        }
        Ok(watcher.snapshot())
    }
}
