//! What all connections to the API port share.

use std::sync::{Arc, Mutex};

use rustls::ServerConfig;

use crate::faults::in_force::Faults;
use crate::protocol::connections::Connections;
use crate::state::State;

/// What is behind the API port; the control port and the handle change it.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) state: State,
    pub(crate) faults: Faults,
    pub(crate) connections: Connections,
    /// For connections that are accepted from now on.
    pub(crate) tls: Mutex<Arc<ServerConfig>>,
}

impl Api {
    /// Without objects, tokens and faults.
    pub(crate) fn new(tls: ServerConfig) -> Self {
        Self {
            state: State::new(),
            faults: Faults::default(),
            connections: Connections::default(),
            tls: Mutex::new(Arc::new(tls)),
        }
    }
}
