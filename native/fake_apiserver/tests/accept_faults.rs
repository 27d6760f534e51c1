//! Faults of connections before anything is asked, as the client sees them.

mod common;

use std::io::{ErrorKind, Read, Write};

use common::{Client, ENDPOINTS, client_hello, connect, control, get, tcp, wait};
use fake_apiserver::{Action, Fault, Server};

#[test]
fn a_hang_at_accept_leaves_tls_unanswered() {
    let server = Server::start().unwrap();
    server.set_faults(vec![Fault::on_accept(Action::Hang)]);
    let mut silent = Client::new(tcp(server.address()).unwrap());
    silent.send("this goes nowhere").unwrap();
    wait(&server, |summary| summary.connections_accepted == 1);
    assert_eq!(server.summary().connections_open, 1);
    server.clear_faults();
    assert!(silent.rest().0.is_empty());
    wait(&server, |summary| summary.connections_open == 0);
    assert_eq!(server.summary().handshakes_completed, 0);
    assert_eq!(get(&server, ENDPOINTS).unwrap().status, 200);
}

#[test]
fn a_hang_in_the_handshake_answers_half_of_it() {
    let server = Server::start().unwrap();
    server.set_faults(vec![Fault::on_accept(Action::HangInHandshake)]);
    let mut client = Client::new(tcp(server.address()).unwrap());
    client.stream.write_all(&client_hello()).unwrap();
    let greeting = client.piece().unwrap();
    // A handshake record: a ServerHello.
    assert_eq!((greeting[0], greeting[5]), (22, 2));
    assert_eq!(server.summary().connections_open, 1);
    server.clear_faults();
    assert!(client.rest().0.is_empty());
    wait(&server, |summary| summary.connections_open == 0);
    assert_eq!(server.summary().handshakes_completed, 0);
    assert_eq!(get(&server, ENDPOINTS).unwrap().status, 200);
}

#[test]
fn cut_connections_are_cut_and_new_ones_accepted() {
    let server = Server::start().unwrap();
    let mut client = connect(&server).unwrap();
    assert_eq!(client.get(ENDPOINTS, Some(server.token())).unwrap().status, 200);
    assert_eq!(control(&server, "POST", "/connections/cut", "").status, 200);
    assert_eq!(server.summary().connections_open, 0);
    assert!(client.rest().0.is_empty());
    assert_eq!(get(&server, ENDPOINTS).unwrap().status, 200);
}

#[test]
fn a_hang_at_accept_ends_when_the_peer_closes() {
    let server = Server::start().unwrap();
    server.set_faults(vec![Fault::on_accept(Action::Hang)]);
    let silent = tcp(server.address()).unwrap();
    wait(&server, |summary| summary.connections_open == 1);
    drop(silent);
    wait(&server, |summary| summary.connections_open == 0);
}

#[test]
fn resets_closes_and_plain_text_at_accept_fail_the_handshake() {
    let server = Server::start().unwrap();
    server.set_faults(vec![
        Fault::on_accept(Action::Reset).times(1),
        Fault::on_accept(Action::Close).times(1),
        Fault::on_accept(Action::RawResponse("HTTP/1.1 400 Bad Request\r\n\r\n".to_owned())).times(1),
    ]);
    let error = connect(&server).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let mut socket = tcp(server.address()).unwrap();
    socket.write_all(b"hello").unwrap();
    assert_eq!(socket.read(&mut [0]).unwrap(), 0);
    let error = connect(&server).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    assert_eq!(get(&server, ENDPOINTS).unwrap().status, 200);
    assert_eq!(server.summary().handshakes_completed, 1);
}
