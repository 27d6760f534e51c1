//! One authenticated request to the API server. The only module that asks ureq, over `transport` and `resolver`.
//!
//! Every choice that ureq would make by itself is made here: roots, proxy, redirects, statuses and limits.

use std::fmt;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use ureq::Agent;
use ureq::http::Response;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::{Connector, RustlsConnector};

use crate::config::Config;
use crate::error::{Error, Kind, printable};
use crate::server::credentials::{self, Token};
use crate::server::failures::classify;
use crate::server::resolver::{Later, SharedResolver};
use crate::server::signals::Signals;
use crate::server::status::{self, Asked};
use crate::server::transport::InterruptibleConnector;

/// 1,000 realistic pods are about 10 MB.
const MAX_BODY_BYTES: u64 = 256 * 1024 * 1024;
/// A `Status` is under 1 KB.
const MAX_STATUS_BYTES: u64 = 64 * 1024;
/// Less than the buffer, which would be full before ureq sees that the headers are too large.
const MAX_HEADER_BYTES: usize = BUFFER_BYTES / 2;
/// TLS records are at most 16 KB, and a request is a token and little more. A connection has four of these, two inside
/// TLS and two outside, for as long as a watch is open.
const BUFFER_BYTES: usize = 32 * 1024;
/// Longer than any polling interval that makes sense; a connection that the server closed is noticed before use.
const MAX_IDLE: Duration = Duration::from_mins(10);

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
pub(crate) const JSON: &str = "application/json";

/// Encoding an answer in JSON costs a server more than in protobuf, which is what its own components ask for: measured on
/// 1.20, five times as much for pods, and a third more in all, with two thirds more bytes, for Endpoints. A server that does
/// not speak it, or serves the objects from a custom resource, answers in JSON.
pub(crate) const ACCEPT: &str = "application/vnd.kubernetes.protobuf, application/json";

/// What to send, and how long to wait for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    /// For the remedy of a refusal; `None` where that is no matter of the role.
    pub(crate) asked: Option<&'a Asked>,
    pub(crate) path_and_query: &'a str,
    pub(crate) accept: &'static str,
    pub(crate) method: Method<'a>,
    pub(crate) extent: Extent,
}

/// A POST carries JSON, and its 201 is as good as a 200.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Method<'a> {
    Get,
    Post(&'a str),
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Extent {
    /// The request timeout is for all of it.
    Whole,
    /// The request timeout is for its head, and for all of a refusal; its body may take up to `limit`. How long it may be
    /// silent is for its reader to say: [`Signals::expect_within`].
    Stream { limit: Duration },
}

/// The one connection of a discovery, with the text of the `ca.crt` it was made for.
pub(crate) struct Client {
    config: Arc<Config>,
    signals: Arc<Signals>,
    connected: Option<(String, Agent)>,
    /// How many connections were made.
    connections: Arc<AtomicU64>,
    use_fallback: bool,
    /// The token of the last request.
    token: Option<Token>,
    requests: u64,
}

impl Client {
    pub(crate) fn new(config: Arc<Config>, signals: Arc<Signals>) -> Self {
        Self {
            config,
            signals,
            connected: None,
            connections: Arc::default(),
            use_fallback: false,
            token: None,
            requests: 0,
        }
    }

    /// How many requests have been made so far.
    pub(crate) fn requests(&self) -> u64 {
        self.requests
    }

    /// Whether the token on disk is not the one of the last request.
    pub(crate) fn has_new_token(&self) -> bool {
        let token = credentials::token(&self.config.service_account);
        token.is_ok_and(|token| self.token.as_ref() != Some(&token))
    }

    /// A 200 answer; everything else is an error. However often it is tried for that, all of it has the time of one request.
    pub(crate) fn send(&mut self, request: &Request<'_>) -> Result<Answer, Error> {
        self.signals.expect_within(self.config.request_timeout);
        match self.send_with_token(request) {
            // Rotated between our reading it and the server's checking it? Then the file has the new one.
            Err(error) if error.kind == Kind::Unauthorized && self.has_new_token() => self.send_with_token(request),
            answer => answer,
        }
    }

    fn send_with_token(&mut self, request: &Request<'_>) -> Result<Answer, Error> {
        let token = credentials::token(&self.config.service_account)?;
        self.token = Some(token.clone());
        self.send_to_reachable(request, &token)
            .map_err(|error| token.conceal_in(error))
    }

    /// Asks the primary address, and the fallback where that cannot be reached in any way; stays with the fallback while it
    /// answers.
    fn send_to_reachable(&mut self, request: &Request<'_>, token: &Token) -> Result<Answer, Error> {
        let config = Arc::clone(&self.config);
        let api = &config.api;
        let Some(fallback) = &api.fallback else {
            return self.send_once(&api.primary, request, token);
        };
        if !self.use_fallback {
            match self.send_once(&api.primary, request, token) {
                Err(error) if error.is_unreachable() && self.has_time_for_another() => self.use_fallback = true,
                answer => return answer,
            }
        }
        let answer = self.send_once(fallback, request, token);
        if let Err(error) = &answer {
            self.use_fallback = error.status.is_some();
        }
        answer
    }

    /// Connecting leaves half of the time; a server that was reached and does not answer leaves none.
    fn has_time_for_another(&self) -> bool {
        let left = self.signals.patience();
        left.is_none_or(|left| left > self.config.request_timeout / 4)
    }

    /// Repeats a request once without a word where the server had just closed the connection that was kept.
    fn send_once(&mut self, server: &str, request: &Request<'_>, token: &Token) -> Result<Answer, Error> {
        let connections = self.connections.load(Ordering::Relaxed);
        match self.exchange(server, request, token) {
            Err(error) if error.kind == Kind::Connect && self.connections.load(Ordering::Relaxed) == connections => {
                self.exchange(server, request, token)
            }
            answer => answer,
        }
    }

    fn exchange(&mut self, server: &str, request: &Request<'_>, token: &Token) -> Result<Answer, Error> {
        let agent = self.agent()?;
        let url = format!("{server}{}", request.path_and_query);
        self.requests += 1;
        let response = match request.method {
            Method::Get => {
                let get = agent
                    .get(url)
                    .header("authorization", token.bearer())
                    .header("accept", request.accept);
                match request.extent {
                    // With a config of its own, it would have a TLS session of its own.
                    Extent::Whole => get.call(),
                    Extent::Stream { limit } => get
                        .config()
                        .timeout_global(None)
                        .timeout_recv_response(Some(self.config.request_timeout))
                        .timeout_recv_body(Some(limit))
                        .build()
                        .call(),
                }
            }
            Method::Post(body) => agent
                .post(url)
                .header("authorization", token.bearer())
                .header("accept", request.accept)
                .header("content-type", JSON)
                .send(body),
        };
        let limit = self.config.request_timeout;
        let response = response.map_err(|error| at(server, classify(&error, limit)))?;
        let coding = response.headers().get("transfer-encoding");
        if let Some(coding) = coding.filter(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
            // ureq would take such a body as it is.
            let coding = printable(&String::from_utf8_lossy(coding.as_bytes()));
            let why = format!("the answer has an unknown transfer encoding: {coding:?}");
            return Err(at(server, Error::new(Kind::Malformed, why)));
        }
        let created = matches!(request.method, Method::Post(_)) && response.status() == 201;
        if created || response.status() == 200 {
            return Ok(Answer {
                response,
                token: token.clone(),
            });
        }
        Err(at(server, refusal(request, response)))
    }

    /// The agent for the CA as it is on disk now. Keeps the connection as long as the CA stays the same.
    fn agent(&mut self) -> Result<Agent, Error> {
        let folder = &self.config.service_account;
        let authority = credentials::authority_text(folder)?;
        match &self.connected {
            Some((known, agent)) if *known == authority => Ok(agent.clone()),
            _ => {
                let anchors = credentials::trust_anchors(folder, &authority)?;
                let connector = InterruptibleConnector {
                    resolver: SharedResolver {
                        signals: Arc::clone(&self.signals),
                    },
                    lookup_limit: self.config.request_timeout / 3,
                    connections: Arc::clone(&self.connections),
                };
                let agent = new_agent(&self.config, connector, &anchors);
                self.connected = Some((authority, agent.clone()));
                Ok(agent)
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("api", &self.config.api)
            .finish_non_exhaustive()
    }
}

/// A 200 answer whose body has not been read yet.
pub(crate) struct Answer {
    response: Response<ureq::Body>,
    token: Token,
}

impl Answer {
    /// Whether its body is said to be in protobuf.
    pub(crate) fn is_protobuf(&self) -> bool {
        let kind = self.response.headers().get("content-type");
        kind.and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.starts_with(PROTOBUF))
    }

    /// The body as it comes, up to the limit of one list, and the token that must not be in it.
    pub(crate) fn body(self) -> (Body, Token) {
        let body = self.response.into_body().into_with_config().limit(MAX_BODY_BYTES);
        (Box::new(body.reader()), self.token)
    }

    /// A body of at most so many bytes, which took at most this time and is not the token's echo; and the token.
    pub(crate) fn read_short(mut self, limit: u64, time: Duration) -> Result<(Vec<u8>, Token), Error> {
        let body = self.response.body_mut().with_config().limit(limit);
        let body = body
            .read_to_vec()
            .map_err(|error| self.token.conceal_in(classify(&error, time)))?;
        self.token.refuse_echo(&body)?;
        Ok((body, self.token))
    }

    /// The body as it comes, without an end, and the token that must not be in it.
    pub(crate) fn stream(self) -> (Body, Token) {
        (Box::new(self.response.into_body().into_reader()), self.token)
    }
}

/// Bytes as they come. What its errors mean is for `failures` to say.
pub(crate) type Body = Box<dyn Read>;

fn new_agent(config: &Config, connector: InterruptibleConnector, authority: &[CertificateDer<'static>]) -> Agent {
    let roots: Vec<_> = authority
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned())
        .collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    // A server that takes no connection leaves time for the other.
    let addresses = if config.api.fallback.is_some() { 2 } else { 1 };
    let settings = Agent::config_builder()
        .tls_config(tls)
        .https_only(true)
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .timeout_global(Some(config.request_timeout))
        .timeout_connect(Some(config.request_timeout / addresses))
        .max_response_header_size(MAX_HEADER_BYTES)
        .input_buffer_size(BUFFER_BYTES)
        .output_buffer_size(BUFFER_BYTES)
        .max_idle_connections(1)
        .max_idle_connections_per_host(1)
        .max_idle_age(MAX_IDLE)
        .user_agent(concat!("libcluster_kubernetes/", env!("CARGO_PKG_VERSION")))
        .build();
    Agent::with_parts(settings, connector.chain(RustlsConnector::default()), Later)
}

/// An answer with a status other than 200. The status counts, whether or not its body can be read.
fn refusal(request: &Request<'_>, mut response: Response<ureq::Body>) -> Error {
    let body = response.body_mut().with_config().limit(MAX_STATUS_BYTES).read_to_vec();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after = header("retry-after").and_then(|value| status::retry_after(value, header("date")));
    let code = response.status().as_u16();
    status::error(request.asked, code, retry_after, &body.unwrap_or_default())
}

fn at(server: &str, mut error: Error) -> Error {
    error.message = format!("{error} [{server}]");
    error
}
