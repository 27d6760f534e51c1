//! The API port: a thread and an entry in the books for every connection.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use crate::protocol::listener::Acceptor;
use crate::serving::api::Api;
use crate::serving::connection;

/// Serves every connection, each in a thread of its own, until it is stopped.
pub(crate) fn serve(api: &Arc<Api>, listener: TcpListener) -> io::Result<Acceptor> {
    let api = Arc::clone(api);
    Acceptor::start(listener, move |stream| spawn_connection(&api, stream))
}

fn spawn_connection(api: &Arc<Api>, stream: TcpStream) {
    let Ok(id) = api.connections.enter(&stream) else {
        return;
    };
    // Before the journal: a test that saw the connection may change the faults for the next one.
    let strike = api.faults.on_accept();
    api.state.journal.accepted();
    let open = Open {
        api: Arc::clone(api),
        id,
    };
    // Without a thread the closure is dropped, and with it the connection.
    let _ = thread::Builder::new()
        .name(format!("api connection {id}"))
        .spawn(move || connection::serve(&open.api, open.id, stream, strike.as_ref()));
}

/// Takes a connection out of the books, even when its thread panics.
struct Open {
    api: Arc<Api>,
    id: u64,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.api.state.journal.closed();
        self.api.connections.leave(self.id);
    }
}
