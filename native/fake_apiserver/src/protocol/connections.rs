//! The open connections, so that they can be cut from outside.
//!
//! Every thread here blocks on its socket alone; shutting the socket down is what wakes it.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::lock::lock;

/// All connections of one port.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    table: Mutex<Table>,
    closed: Condvar,
}

#[derive(Debug, Default)]
struct Table {
    last_id: u64,
    open: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// A second handle on the connection's socket; given up before a reset.
    socket: Option<TcpStream>,
    /// Whether it is under a fault that lasts until the faults change.
    held: bool,
}

impl Connections {
    /// Enters a connection and names it.
    pub(crate) fn enter(&self, socket: &TcpStream) -> io::Result<u64> {
        let socket = Some(socket.try_clone()?);
        let mut table = lock(&self.table);
        table.last_id += 1;
        let id = table.last_id;
        let held = false;
        table.open.insert(id, Entry { socket, held });
        Ok(id)
    }

    /// Forgets a connection whose thread is done.
    pub(crate) fn leave(&self, id: u64) {
        lock(&self.table).open.remove(&id);
        self.closed.notify_all();
    }

    /// Marks whether a connection is under a lasting fault.
    pub(crate) fn hold(&self, id: u64, held: bool) {
        if let Some(entry) = lock(&self.table).open.get_mut(&id) {
            entry.held = held;
        }
    }

    /// Gives up the second handle: a socket is reset only when its last handle goes.
    pub(crate) fn release(&self, id: u64) {
        if let Some(entry) = lock(&self.table).open.get_mut(&id) {
            entry.socket = None;
        }
    }

    /// Cuts the connections that are under a lasting fault.
    pub(crate) fn cut_held(&self) {
        self.cut(|entry| entry.held);
    }

    /// Cuts one connection.
    pub(crate) fn cut_one(&self, id: u64) {
        if let Some(socket) = lock(&self.table).open.get(&id).and_then(|e| e.socket.as_ref()) {
            // Fails only when the peer was first.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Cuts all connections and waits, within reason, until their threads are done.
    pub(crate) fn cut_all(&self) {
        self.cut(|_| true);
        let deadline = Instant::now() + Duration::from_secs(2);
        let mut table = lock(&self.table);
        while !table.open.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.closed.wait_timeout(table, left);
            table = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn cut(&self, chosen: impl Fn(&Entry) -> bool) {
        for entry in lock(&self.table).open.values().filter(|e| chosen(e)) {
            if let Some(socket) = &entry.socket {
                // Fails only when the peer was first.
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
    }
}
