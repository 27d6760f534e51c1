//! A client of a few lines: it must show what is on the wire, which a real one would hide.

// Every test file uses its part, and is a crate of its own with this as a private module.
#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fake_apiserver::{Server, Summary};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

pub mod watch;

/// What most tests list or watch.
pub const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints";

/// No test waits longer than this for anything.
pub const LIMIT: Duration = Duration::from_secs(5);

pub type Tls = StreamOwned<ClientConnection, TcpStream>;

/// An answer, its body without framing.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// One connection, encrypted or not.
pub struct Client<S> {
    pub stream: S,
    buffer: Vec<u8>,
}

pub fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(&address, LIMIT)?;
    socket.set_read_timeout(Some(LIMIT))?;
    socket.set_write_timeout(Some(LIMIT))?;
    Ok(socket)
}

/// Connects and completes the handshake, trusting one CA file, expecting one name.
pub fn connect_as(server: &Server, ca: &Path, name: &str) -> io::Result<Client<Tls>> {
    let mut roots = RootCertStore::empty();
    let pem = fs::read(ca)?;
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = tcp(server.address())?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    Ok(Client::new(StreamOwned::new(connection, socket)))
}

/// The first bytes that a client says.
pub fn client_hello() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

pub fn connect(server: &Server) -> io::Result<Client<Tls>> {
    connect_as(server, &server.service_account().join("ca.crt"), "127.0.0.1")
}

/// One authorized GET on a connection of its own.
pub fn get(server: &Server, path: &str) -> io::Result<Answer> {
    connect(server)?.get(path, Some(server.token()))
}

/// One request to the control port.
pub fn control(server: &Server, method: &str, path: &str, body: &str) -> Answer {
    let address = server.control_url().replace("http://", "").parse().unwrap();
    let mut client = Client::new(tcp(address).unwrap());
    let length = body.len();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}");
    client.exchange(&request).unwrap()
}

pub fn wait(server: &Server, wanted: impl Fn(&Summary) -> bool) {
    server.wait_until(LIMIT, wanted).expect("the counters in time");
}

impl<S: Read + Write> Client<S> {
    pub fn new(stream: S) -> Self {
        let buffer = Vec::new();
        Self { stream, buffer }
    }

    pub fn send(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes())?;
        self.stream.flush()
    }

    pub fn send_get(&mut self, path: &str, token: Option<&str>) -> io::Result<()> {
        let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n{token}\r\n"))
    }

    pub fn get(&mut self, path: &str, token: Option<&str>) -> io::Result<Answer> {
        self.send_get(path, token)?;
        self.receive()
    }

    pub fn exchange(&mut self, request: &str) -> io::Result<Answer> {
        self.send(request)?;
        self.receive()
    }

    pub fn receive(&mut self) -> io::Result<Answer> {
        let (status, headers) = self.receive_head()?;
        let mut body = Vec::new();
        if let Some(length) = headers.get("content-length") {
            self.take(length.parse().unwrap(), &mut body)?;
        } else if headers.contains_key("transfer-encoding") {
            loop {
                let chunk = self.chunk()?;
                if chunk.is_empty() {
                    break;
                }
                body.extend(chunk);
            }
        } else {
            while self.fill()? > 0 {}
            body.append(&mut self.buffer);
        }
        Ok(Answer { status, headers, body })
    }

    pub fn receive_head(&mut self) -> io::Result<(u16, BTreeMap<String, String>)> {
        let status = self.line()?;
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = BTreeMap::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else {
                return Ok((status, headers));
            };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
    }

    /// One chunk of a body; an empty one is its end.
    pub fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let size = self.line()?;
        let size = usize::from_str_radix(&size, 16).unwrap();
        let mut chunk = Vec::new();
        self.take(size, &mut chunk)?;
        assert_eq!(self.line()?, "");
        Ok(chunk)
    }

    /// Everything until the end, and how it ended.
    pub fn rest(&mut self) -> (Vec<u8>, io::Result<()>) {
        let end = loop {
            match self.fill() {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        (std::mem::take(&mut self.buffer), end)
    }

    /// The next piece that comes, alone.
    pub fn piece(&mut self) -> io::Result<Vec<u8>> {
        if self.buffer.is_empty() {
            self.fill()?;
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).take(end).collect();
                return Ok(String::from_utf8(line).unwrap());
            }
            self.fill_or_fail()?;
        }
    }

    fn take(&mut self, count: usize, body: &mut Vec<u8>) -> io::Result<()> {
        while self.buffer.len() < count {
            self.fill_or_fail()?;
        }
        body.extend(self.buffer.drain(..count));
        Ok(())
    }

    fn fill_or_fail(&mut self) -> io::Result<()> {
        match self.fill()? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 4096];
        let count = self.stream.read(&mut chunk)?;
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(count)
    }
}
