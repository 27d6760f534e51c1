//! TLS on one connection: the handshake, half of one, and the end.

use std::io::Write;
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::protocol::socket::Socket;

/// The encrypted connection.
pub(crate) type Tls = StreamOwned<ServerConnection, Socket>;

/// Completes the handshake, if the client does.
pub(crate) fn shake_hands(config: Arc<ServerConfig>, mut socket: Socket) -> Option<Tls> {
    let mut connection = ServerConnection::new(config).ok()?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket).ok()?;
    }
    Some(StreamOwned::new(connection, socket))
}

/// Sends the record header of the server's first message, and half of what it announces.
pub(crate) fn greet_by_half(config: Arc<ServerConfig>, socket: &mut Socket) {
    let Ok(mut connection) = ServerConnection::new(config) else {
        return;
    };
    while connection.is_handshaking() && !connection.wants_write() {
        if !matches!(connection.read_tls(socket), Ok(1..)) || connection.process_new_packets().is_err() {
            return;
        }
    }
    let mut greeting = Vec::new();
    let _ = connection.write_tls(&mut greeting);
    greeting.truncate(greeting.len() / 2);
    let _ = socket.write_all(&greeting);
}

/// Ends TLS as it should end.
pub(crate) fn say_goodbye(stream: &mut Tls) {
    stream.conn.send_close_notify();
    // The peer may be gone already.
    let _ = stream.flush();
}
