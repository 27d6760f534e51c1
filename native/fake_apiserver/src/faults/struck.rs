//! A connection under a fault, which may last until the faults change.

use crate::faults::in_force::{Faults, Strike};
use crate::protocol::connections::Connections;
use crate::protocol::socket::Socket;

/// A connection and the fault that struck it.
pub(crate) struct Struck<'a> {
    pub(crate) faults: &'a Faults,
    pub(crate) connections: &'a Connections,
    /// The connection.
    pub(crate) id: u64,
    pub(crate) strike: &'a Strike,
}

impl Struck<'_> {
    /// Enters the state that a change of the faults ends; false when they changed already.
    pub(super) fn hold(&self) -> bool {
        // In this order: a change after the mark cuts the connection, one before it is seen here.
        self.connections.hold(self.id, true);
        self.faults.unchanged_since(self.strike.generation)
    }

    /// Leaves that state.
    pub(super) fn let_go(&self) {
        self.connections.hold(self.id, false);
    }

    /// Stays silent until the faults change or the peer closes.
    pub(super) fn hang(&self, socket: &mut Socket) {
        if self.hold() {
            socket.drain();
        }
    }

    /// Has the connection end with an RST.
    pub(super) fn reset(&self, socket: &mut Socket) {
        self.connections.release(self.id);
        socket.reset_on_drop();
    }
}
