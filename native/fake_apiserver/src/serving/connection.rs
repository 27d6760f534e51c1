//! One connection to the API port, from accept to close.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use crate::answers::exchange::{Exchange, Next};
use crate::answers::target::Target;
use crate::faults::in_force::Strike;
use crate::faults::misbehave;
use crate::faults::struck::Struck;
use crate::lock::lock;
use crate::protocol::http::{ReadError, Response, Wire};
use crate::protocol::socket::Socket;
use crate::protocol::tls::{self, Tls};
use crate::serving::api::Api;

/// What a request to the API may carry; it is read only to be ignored.
const BODY_LIMIT: usize = 1024 * 1024;

/// Serves a connection to its end, under the fault that struck when it was accepted.
pub(crate) fn serve(api: &Api, id: u64, stream: TcpStream, strike: Option<&Strike>) {
    // An answer goes out in one write, and a test should not wait for Nagle.
    let _ = stream.set_nodelay(true);
    let mut socket = Socket::new(stream);
    let config = Arc::clone(&lock(&api.tls));
    if let Some(strike) = strike {
        misbehave::at_accept(&struck(api, id, strike), config, &mut socket);
        return;
    }
    let Some(tls) = tls::shake_hands(config, socket) else {
        return;
    };
    api.state.journal.handshake_completed();
    let mut wire = Wire::new(tls);
    if serve_requests(api, id, &mut wire).is_ok() {
        tls::say_goodbye(&mut wire.stream);
    }
}

/// Ends in an error where TLS must not be closed properly.
fn serve_requests(api: &Api, id: u64, wire: &mut Wire<Tls>) -> io::Result<()> {
    let state = &api.state;
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
        let user = lock(&state.access).authenticate(request.header("authorization"));
        // Before the journal: a test that saw the request may change the faults for the next one.
        let strike = api.faults.on_request(&target);
        let entry = state.journal.request(id, &request, target.verb(), user.as_ref());
        let exchange = Exchange {
            state,
            connection: id,
            entry,
            request: &request,
            target: &target,
            user: user.as_ref(),
        };
        let next = match &strike {
            None => exchange.answer_rightly(wire)?,
            Some(strike) => misbehave::at_request(&struck(api, id, strike), &exchange, wire)?,
        };
        match next {
            Next::Request => {}
            Next::Close => return Ok(()),
            Next::Vanish => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

fn struck<'a>(api: &'a Api, id: u64, strike: &'a Strike) -> Struck<'a> {
    Struck {
        faults: &api.faults,
        connections: &api.connections,
        id,
        strike,
    }
}
