//! HTTP/1.1 as a server needs it here: reading requests with limits, writing answers.

use std::io::{self, Read, Write};

use serde_json::{Value, json};

/// The longest request head; more is an attack or a bug of the client.
const HEAD_LIMIT: usize = 64 * 1024;
const HEADER_LIMIT: usize = 128;
/// Go's server writes longer answers in chunks, so clients meet chunks here too.
const CHUNK_ABOVE: usize = 2048;

/// A request, decoded.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path as sent, without the query.
    pub(crate) path: String,
    /// The decoded query in order.
    pub(crate) query: Vec<(String, String)>,
    /// Headers with lower-case names, in order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the client wants to send another request.
    pub(crate) keep_alive: bool,
}

impl Request {
    /// The first header of that (lower-case) name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        first(&self.headers, name)
    }

    /// The first query parameter of that name.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        first(&self.query, name)
    }

    /// A boolean parameter, with the real server's idea of one: anything but these is true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.parameter(name)
            .is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
    }

    /// The decoded parts of the path; empty ones stay, so `//` matches nothing.
    pub(crate) fn segments(&self) -> Vec<String> {
        let path = self.path.strip_prefix('/').unwrap_or(&self.path);
        path.split('/')
            .map(|part| percent_decode(part, false).unwrap_or_else(|| part.to_owned()))
            .collect()
    }
}

fn first<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let pair = pairs.iter().find(|(key, _)| key == name)?;
    Some(&pair.1)
}

/// Why no request could be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The connection failed or ended amid a request.
    Io(io::Error),
    /// What came is not acceptable: status and reason for the last answer.
    Refused(u16, &'static str),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A stream with what was read beyond the last request.
pub(crate) struct Wire<S> {
    pub(crate) stream: S,
    pub(crate) buffer: Vec<u8>,
}

impl<S: Read + Write> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        let buffer = Vec::new();
        Self { stream, buffer }
    }

    /// The next request, or nothing when the client is done.
    pub(crate) fn read_request(&mut self, body_limit: usize) -> Result<Option<Request>, ReadError> {
        let (mut request, head) = loop {
            if let Some(parsed) = parse_head(&self.buffer)? {
                break parsed;
            }
            if self.buffer.len() > HEAD_LIMIT {
                return Err(ReadError::Refused(431, "request head too large"));
            }
            if self.fill()? == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
                };
            }
        };
        self.buffer.drain(..head);
        let length = body_length(&request, body_limit)?;
        let expects = request
            .header("expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
        if expects && self.buffer.len() < length {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            self.stream.flush()?;
        }
        while self.buffer.len() < length {
            if self.fill()? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        request.body = self.buffer.drain(..length).collect();
        Ok(Some(request))
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 16 * 1024];
        let count = loop {
            match self.stream.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(count)
    }

    /// Sends bytes at once.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Writes an answer as it should be.
    pub(crate) fn respond(&mut self, response: &Response, keep_alive: bool) -> io::Result<()> {
        self.send(&response.encode(keep_alive))
    }
}

fn parse_head(buffer: &[u8]) -> Result<Option<(Request, usize)>, ReadError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
    let mut parsed = httparse::Request::new(&mut headers);
    let head = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(head)) if head <= HEAD_LIMIT => head,
        Ok(httparse::Status::Complete(_)) | Err(httparse::Error::TooManyHeaders) => {
            return Err(ReadError::Refused(431, "request head too large"));
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(ReadError::Refused(400, "malformed request")),
    };
    let target = parsed.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: parse_query(query),
        ..Request::default()
    };
    for header in parsed.headers.iter() {
        request.headers.push((
            header.name.to_ascii_lowercase(),
            String::from_utf8_lossy(header.value).trim().to_owned(),
        ));
    }
    let connection = request.header("connection").unwrap_or_default();
    request.keep_alive = if parsed.version == Some(1) {
        !connection.eq_ignore_ascii_case("close")
    } else {
        connection.eq_ignore_ascii_case("keep-alive")
    };
    Ok(Some((request, head)))
}

fn body_length(request: &Request, limit: usize) -> Result<usize, ReadError> {
    if request.header("transfer-encoding").is_some() {
        return Err(ReadError::Refused(411, "a body needs a content-length"));
    }
    match request.header("content-length").map(str::parse::<usize>) {
        None => Ok(0),
        Some(Ok(length)) if length <= limit => Ok(length),
        Some(Ok(_)) => Err(ReadError::Refused(413, "request body too large")),
        Some(Err(_)) => Err(ReadError::Refused(400, "malformed content-length")),
    }
}

/// Like Go, drops the pairs that do not decode.
fn parse_query(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((percent_decode(name, true)?, percent_decode(value, true)?))
        })
        .collect()
}

fn percent_decode(text: &str, plus_is_space: bool) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    let hex = |byte: Option<u8>| char::from(byte?).to_digit(16);
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => u8::try_from(hex(bytes.next())? << 4 | hex(bytes.next())?).ok()?,
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

/// An answer, before it is known how (or whether) it will be sent.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        let body = body.into();
        Self { status, headers, body }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// How the control port refuses.
    pub(crate) fn error(status: u16, message: &str) -> Self {
        Self::json(status, &json!({ "error": message }))
    }

    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a header, in place of one of the same name.
    pub(crate) fn set_header(&mut self, name: &str, value: &str) {
        self.headers.retain(|(present, _)| !present.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// The head; without a length the body is announced as chunked.
    pub(crate) fn head(&self, length: Option<usize>, keep_alive: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let framing = match length {
            Some(length) => format!("Content-Length: {length}\r\n"),
            None => "Transfer-Encoding: chunked\r\n".to_owned(),
        };
        head.push_str(&framing);
        if !keep_alive {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    fn encode(&self, keep_alive: bool) -> Vec<u8> {
        if self.body.len() <= CHUNK_ABOVE {
            let mut bytes = self.head(Some(self.body.len()), keep_alive);
            bytes.extend_from_slice(&self.body);
            return bytes;
        }
        let mut bytes = self.head(None, keep_alive);
        for part in self.body.chunks(4 * CHUNK_ABOVE) {
            bytes.extend(chunk(part));
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    }
}

/// One chunk of a chunked body.
pub(crate) fn chunk(part: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", part.len()).into_bytes();
    bytes.extend_from_slice(part);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
