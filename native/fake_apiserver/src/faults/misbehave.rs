//! The faults in action.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

use crate::answers::answer::Answer;
use crate::answers::exchange::{Exchange, Next};
use crate::answers::stream::Script;
use crate::answers::watch::Watch;
use crate::faults::fault::Action;
use crate::faults::struck::Struck;
use crate::protocol::http::{Response, Wire, chunk};
use crate::protocol::socket::Socket;
use crate::protocol::tls::{self, Tls};

/// Strikes in place of the TLS handshake.
pub(crate) fn at_accept(struck: &Struck<'_>, config: Arc<ServerConfig>, socket: &mut Socket) {
    match &struck.strike.action {
        Action::Hang => struck.hang(socket),
        Action::Reset => {
            socket.wait_for_data();
            struck.reset(socket);
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
            tls::greet_by_half(config, socket);
            struck.hang(socket);
        }
        // With the greeting unread, this would be a reset.
        _ => socket.wait_for_data(),
    }
}

/// Strikes in place of an answer.
pub(crate) fn at_request(struck: &Struck<'_>, exchange: &Exchange<'_>, wire: &mut Wire<Tls>) -> io::Result<Next> {
    match &struck.strike.action {
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
            struck.hang(&mut wire.stream.sock);
            Ok(Next::Vanish)
        }
        Action::Reset => {
            struck.reset(&mut wire.stream.sock);
            Ok(Next::Vanish)
        }
        // There is no handshake left to hang in.
        Action::Close | Action::HangInHandshake => Ok(Next::Close),
        Action::HangAfterBytes(length) => hang_after(struck, exchange, wire, Some(*length)),
        Action::HeadersThenHang => hang_after(struck, exchange, wire, None),
        Action::TruncateBody(length) => match exchange.right_answer() {
            Answer::Response(right) => {
                exchange.note(right.status);
                let mut bytes = right.head(Some(right.body.len()), true);
                bytes.extend(right.body.iter().take(*length));
                wire.send(&bytes)?;
                Ok(Next::Vanish)
            }
            Answer::Watch(watch) => exchange.stream(wire, watch, &cut_after(*length)),
        },
        Action::Drip { bytes, every } => drip(struck, exchange, wire, *bytes, *every),
        Action::DripHead { bytes, every } => drip_head(struck, exchange, wire, *bytes, *every),
        Action::CutAfterBytes(length) => exchange.answer_by(wire, &cut_after(*length)),
        Action::HugeFrame(size) => {
            let huge_frame = Some(*size);
            let script = Script {
                huge_frame,
                ..Script::default()
            };
            exchange.answer_by(wire, &script)
        }
        Action::EndlessBookmarks => {
            if !struck.hold() {
                return Ok(Next::Vanish);
            }
            let endless_bookmarks = true;
            let script = Script {
                endless_bookmarks,
                ..Script::default()
            };
            let next = exchange.answer_by(wire, &script)?;
            struck.let_go();
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
        Action::EndlessBody => endless(struck, exchange, wire),
    }
}

fn cut_after(length: usize) -> Script {
    let cut_after = Some(length);
    Script {
        cut_after,
        ..Script::default()
    }
}

fn drip(
    struck: &Struck<'_>,
    exchange: &Exchange<'_>,
    wire: &mut Wire<Tls>,
    bytes: usize,
    every: Duration,
) -> io::Result<Next> {
    if !struck.hold() {
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
            let next = exchange.stream(wire, watch, &script)?;
            struck.let_go();
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
    struck.let_go();
    Ok(Next::Request)
}

/// Sends so many bytes of the right answer, or its head.
fn hang_after(
    struck: &Struck<'_>,
    exchange: &Exchange<'_>,
    wire: &mut Wire<Tls>,
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
    struck.hang(&mut wire.stream.sock);
    Ok(Next::Vanish)
}

fn drip_head(
    struck: &Struck<'_>,
    exchange: &Exchange<'_>,
    wire: &mut Wire<Tls>,
    bytes: usize,
    every: Duration,
) -> io::Result<Next> {
    if !struck.hold() {
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
            exchange.stream(wire, watch, &script)
        }
    }?;
    struck.let_go();
    Ok(next)
}

fn endless(struck: &Struck<'_>, exchange: &Exchange<'_>, wire: &mut Wire<Tls>) -> io::Result<Next> {
    const START: &[u8] = br#"{"kind":"EndpointsList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":["#;
    const ITEM: &[u8] = br#"{"metadata":{"name":"endless","namespace":"default"},"subsets":[]},"#;
    exchange.note(200);
    if !struck.hold() {
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
