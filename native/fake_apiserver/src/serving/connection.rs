//! One connection to the API port, from accept to close.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::{ServerConnection, StreamOwned};

use crate::api::{self, Answer, Target};
use crate::faults::Strike;
use crate::http::{ReadError, Response, Wire};
use crate::misbehave::{self, Exchange, Next};
use crate::socket::Socket;
use crate::status::Status;
use crate::sync::{Shared, lock};
use crate::watch::{self, Script};

/// What a request to the API may carry; it is read only to be ignored.
const BODY_LIMIT: usize = 1024 * 1024;

/// The encrypted connection.
pub(crate) type Tls = StreamOwned<ServerConnection, Socket>;

/// Serves a connection to its end, under the fault that struck when it was accepted.
pub(crate) fn serve(shared: &Shared, id: u64, stream: TcpStream, strike: Option<Strike>) {
    // An answer goes out in one write, and a test should not wait for Nagle.
    let _ = stream.set_nodelay(true);
    let mut socket = Socket::new(stream);
    if let Some(strike) = strike {
        misbehave::at_accept(shared, id, &mut socket, &strike);
        return;
    }
    let config = Arc::clone(&lock(&shared.tls));
    let Ok(mut connection) = ServerConnection::new(config) else {
        return;
    };
    while connection.is_handshaking() {
        if connection.complete_io(&mut socket).is_err() {
            return;
        }
    }
    shared.journal.handshake_completed();
    let mut wire = Wire::new(StreamOwned::new(connection, socket));
    if serve_requests(shared, id, &mut wire).is_ok() {
        say_goodbye(&mut wire);
    }
}

/// Ends in an error where TLS must not be closed properly.
fn serve_requests(shared: &Shared, id: u64, wire: &mut Wire<Tls>) -> io::Result<()> {
    loop {
        let request = match wire.read_request(BODY_LIMIT) {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(ReadError::Io(error)) => return Err(error),
            Err(ReadError::Refused(status, reason)) => {
                // As Go's server: not a Status, for no handler saw the request.
                let response = Response::new(status, "text/plain; charset=utf-8", reason);
                return wire.respond(&response, false);
            }
        };
        let target = Target::of(&request);
        let user = lock(&shared.access).authenticate(request.header("authorization"));
        // Before the journal: a test that saw the request may change the faults for the next one.
        let strike = shared.faults.on_request(&target);
        let entry = shared.journal.request(id, &request, &target, user.as_ref());
        let exchange = Exchange {
            shared,
            id,
            entry,
            request: &request,
            target: &target,
            user: user.as_ref(),
        };
        let next = match strike {
            None => exchange.answer_rightly(wire)?,
            Some(strike) => misbehave::at_request(&exchange, wire, &strike)?,
        };
        match next {
            Next::Request => {}
            Next::Close => return Ok(()),
            Next::Vanish => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

impl Exchange<'_> {
    /// What a server without faults answers.
    pub(crate) fn right_answer(&self) -> Answer {
        api::respond(self.shared, self.request, self.target, self.user)
    }

    /// Sends that as it should be.
    pub(crate) fn answer_rightly(&self, wire: &mut Wire<Tls>) -> io::Result<Next> {
        match self.right_answer() {
            Answer::Response(response) => self.answer(wire, &response),
            Answer::Watch(watch) => watch::stream(self, wire, watch, &Script::default()),
        }
    }

    /// What the real server says with a code about this request.
    pub(crate) fn status(&self, code: u16) -> Status {
        if code != 403 {
            return Status::for_code(code);
        }
        let user = self.user.map_or("system:anonymous", |user| user.name.as_str());
        self.target.forbidden(user, &self.request.path)
    }

    /// Enters the status into the journal; before the client can know it.
    pub(crate) fn note(&self, status: u16) {
        self.shared.journal.answered(self.entry, status);
    }

    /// Sends an answer as it should be.
    pub(crate) fn answer(&self, wire: &mut Wire<Tls>, response: &Response) -> io::Result<Next> {
        self.note(response.status);
        wire.respond(response, self.request.keep_alive)?;
        Ok(if self.request.keep_alive {
            Next::Request
        } else {
            Next::Close
        })
    }
}

fn say_goodbye(wire: &mut Wire<Tls>) {
    wire.stream.conn.send_close_notify();
    // The peer may be gone already.
    let _ = wire.stream.flush();
}
