//! The faults in action.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConnection;

use crate::access::User;
use crate::api::{Answer, Target};
use crate::connection::Tls;
use crate::faults::{Action, Strike};
use crate::http::{Request, Response, Wire, chunk};
use crate::socket::Socket;
use crate::sync::{Shared, lock};
use crate::watch::{self, Script, Watch};

/// A request that was read, and where its answer goes.
pub(crate) struct Exchange<'a> {
    pub(crate) shared: &'a Shared,
    /// The connection.
    pub(crate) id: u64,
    /// The entry in the journal.
    pub(crate) entry: u64,
    pub(crate) request: &'a Request,
    pub(crate) target: &'a Target,
    pub(crate) user: Option<&'a User>,
}

/// What becomes of the connection.
pub(crate) enum Next {
    /// It goes on.
    Request,
    /// It is closed properly.
    Close,
    /// It ends without the end of TLS.
    Vanish,
}

/// Strikes in place of the TLS handshake.
pub(crate) fn at_accept(shared: &Shared, id: u64, socket: &mut Socket, strike: &Strike) {
    match &strike.action {
        Action::Hang => hang(shared, id, strike, socket),
        Action::Reset => {
            socket.wait_for_data();
            reset(shared, id, socket);
        }
        Action::RawResponse(text) => {
            socket.wait_for_data();
            let _ = socket.write_all(text.as_bytes());
        }
        Action::RawBytes { bytes, .. } => {
            socket.wait_for_data();
            let _ = socket.write_all(bytes);
        }
        Action::HangInHandshake => {
            greet(shared, socket);
            hang(shared, id, strike, socket);
        }
        // With the greeting unread, this would be a reset.
        _ => socket.wait_for_data(),
    }
}

/// Strikes in place of an answer.
pub(crate) fn at_request(exchange: &Exchange<'_>, wire: &mut Wire<Tls>, strike: &Strike) -> io::Result<Next> {
    let (shared, id) = (exchange.shared, exchange.id);
    match &strike.action {
        Action::Status { code, body, headers } => {
            let mut response = match body {
                None => exchange.status(*code).into(),
                Some(body) => Response::new(*code, "application/json", body.as_str()),
            };
            for (name, value) in headers {
                response.set_header(name, value);
            }
            exchange.answer(wire, &response)
        }
        Action::RawBody(body) => {
            let response = Response::new(200, "application/json", body.as_str());
            exchange.answer(wire, &response)
        }
        Action::Hang => {
            hang(shared, id, strike, &mut wire.stream.sock);
            Ok(Next::Vanish)
        }
        Action::Reset => {
            reset(shared, id, &mut wire.stream.sock);
            Ok(Next::Vanish)
        }
        // There is no handshake left to hang in.
        Action::Close | Action::HangInHandshake => Ok(Next::Close),
        Action::HangAfterBytes(length) => hang_after(exchange, wire, strike, Some(*length)),
        Action::HeadersThenHang => hang_after(exchange, wire, strike, None),
        Action::TruncateBody(length) => match exchange.right_answer() {
            Answer::Response(right) => {
                exchange.note(right.status);
                let mut bytes = right.head(Some(right.body.len()), true);
                bytes.extend(right.body.iter().take(*length));
                wire.send(&bytes)?;
                Ok(Next::Vanish)
            }
            Answer::Watch(watch) => watch::stream(exchange, wire, watch, &cut_after(*length)),
        },
        Action::Drip { bytes, every } => drip(exchange, wire, strike, *bytes, *every),
        Action::DripHead { bytes, every } => drip_head(exchange, wire, strike, *bytes, *every),
        Action::CutAfterBytes(length) => with_script(exchange, wire, &cut_after(*length)),
        Action::HugeFrame(size) => {
            let huge_frame = Some(*size);
            let script = Script {
                huge_frame,
                ..Script::default()
            };
            with_script(exchange, wire, &script)
        }
        Action::EndlessBookmarks => {
            if !hold(shared, id, strike) {
                return Ok(Next::Vanish);
            }
            let endless_bookmarks = true;
            let script = Script {
                endless_bookmarks,
                ..Script::default()
            };
            let next = with_script(exchange, wire, &script)?;
            shared.connections.hold(id, false);
            Ok(next)
        }
        Action::RawResponse(text) => {
            wire.send(text.as_bytes())?;
            Ok(Next::Close)
        }
        Action::RawBytes { bytes, keep_alive } => {
            wire.send(bytes)?;
            Ok(if *keep_alive { Next::Request } else { Next::Close })
        }
        Action::EndlessBody => endless(exchange, wire, strike),
    }
}

/// Enters the state that a change of the faults ends; false when they changed already.
fn hold(shared: &Shared, id: u64, strike: &Strike) -> bool {
    // In this order: a change after the mark cuts the connection, one before it is seen here.
    shared.connections.hold(id, true);
    shared.faults.unchanged_since(strike.generation)
}

fn hang(shared: &Shared, id: u64, strike: &Strike, socket: &mut Socket) {
    if hold(shared, id, strike) {
        socket.drain();
    }
}

/// Sends the record header of the server's first message, and half of what it announces.
fn greet(shared: &Shared, socket: &mut Socket) {
    let config = Arc::clone(&lock(&shared.tls));
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

fn reset(shared: &Shared, id: u64, socket: &mut Socket) {
    shared.connections.release(id);
    socket.reset_on_drop();
}

fn cut_after(length: usize) -> Script {
    let cut_after = Some(length);
    Script {
        cut_after,
        ..Script::default()
    }
}

/// Streams a watch that goes wrong; where there is none, because it is refused, nothing does.
fn with_script(exchange: &Exchange<'_>, wire: &mut Wire<Tls>, script: &Script) -> io::Result<Next> {
    match exchange.right_answer() {
        Answer::Response(right) => exchange.answer(wire, &right),
        Answer::Watch(watch) => watch::stream(exchange, wire, watch, script),
    }
}

fn drip(
    exchange: &Exchange<'_>,
    wire: &mut Wire<Tls>,
    strike: &Strike,
    bytes: usize,
    every: Duration,
) -> io::Result<Next> {
    if !hold(exchange.shared, exchange.id, strike) {
        return Ok(Next::Vanish);
    }
    let right = match exchange.right_answer() {
        Answer::Response(right) => right,
        Answer::Watch(watch) => {
            let drip = Some((bytes, every));
            let script = Script {
                drip,
                ..Script::default()
            };
            let next = watch::stream(exchange, wire, watch, &script)?;
            exchange.shared.connections.hold(exchange.id, false);
            return Ok(next);
        }
    };
    exchange.note(right.status);
    wire.send(&right.head(Some(right.body.len()), true))?;
    for piece in right.body.chunks(bytes.max(1)) {
        if !wire.stream.sock.silent_for(every) {
            return Ok(Next::Vanish);
        }
        wire.send(piece)?;
    }
    exchange.shared.connections.hold(exchange.id, false);
    Ok(Next::Request)
}

/// Sends so many bytes of the right answer, or its head.
fn hang_after(
    exchange: &Exchange<'_>,
    wire: &mut Wire<Tls>,
    strike: &Strike,
    length: Option<usize>,
) -> io::Result<Next> {
    let mut bytes = match exchange.right_answer() {
        Answer::Response(right) => {
            exchange.note(right.status);
            let mut bytes = right.head(Some(right.body.len()), true);
            if length.is_some() {
                bytes.extend(&right.body);
            }
            bytes
        }
        Answer::Watch(_) => {
            exchange.note(200);
            Watch::head(true)
        }
    };
    bytes.truncate(length.unwrap_or(bytes.len()));
    wire.send(&bytes)?;
    hang(exchange.shared, exchange.id, strike, &mut wire.stream.sock);
    Ok(Next::Vanish)
}

fn drip_head(
    exchange: &Exchange<'_>,
    wire: &mut Wire<Tls>,
    strike: &Strike,
    bytes: usize,
    every: Duration,
) -> io::Result<Next> {
    if !hold(exchange.shared, exchange.id, strike) {
        return Ok(Next::Vanish);
    }
    let answer = exchange.right_answer();
    exchange.note(match &answer {
        Answer::Response(right) => right.status,
        Answer::Watch(_) => 200,
    });
    let head = match &answer {
        Answer::Response(right) => right.head(Some(right.body.len()), true),
        Answer::Watch(_) => Watch::head(true),
    };
    for piece in head.chunks(bytes.max(1)) {
        wire.send(piece)?;
        if !wire.stream.sock.silent_for(every) {
            return Ok(Next::Vanish);
        }
    }
    let next = match answer {
        Answer::Response(right) => wire.send(&right.body).map(|()| Next::Request),
        Answer::Watch(watch) => {
            let headless = true;
            let script = Script {
                headless,
                ..Script::default()
            };
            watch::stream(exchange, wire, watch, &script)
        }
    }?;
    exchange.shared.connections.hold(exchange.id, false);
    Ok(next)
}

fn endless(exchange: &Exchange<'_>, wire: &mut Wire<Tls>, strike: &Strike) -> io::Result<Next> {
    const START: &[u8] = br#"{"kind":"EndpointsList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":["#;
    const ITEM: &[u8] = br#"{"metadata":{"name":"endless","namespace":"default"},"subsets":[]},"#;
    exchange.note(200);
    if !hold(exchange.shared, exchange.id, strike) {
        return Ok(Next::Vanish);
    }
    let head = Response::new(200, "application/json", "").head(None, true);
    wire.send(&head)?;
    wire.send(&chunk(START))?;
    let items = chunk(&ITEM.repeat(128));
    // Ends with the error of writing to a peer that closed.
    loop {
        wire.send(&items)?;
    }
}
