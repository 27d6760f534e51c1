//! One authenticated GET to the API server. The only module that knows ureq.
//!
//! Every choice that ureq would make by itself is made here: roots, proxy, redirects, statuses and limits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::{Connector, RustlsConnector};
use ureq::{Agent, Timeout};

use crate::config::Config;
use crate::credentials::{self, Token};
use crate::error::{Error, Kind, printable};
use crate::resolver::{SharedResolver, Unresolved};
use crate::signals::Signals;
use crate::status::{self, Asked};
use crate::transport::InterruptibleConnector;

/// 1,000 realistic pods are about 10 MB.
const MAX_BODY_BYTES: u64 = 256 * 1024 * 1024;
/// A `Status` is under 1 KB.
const MAX_STATUS_BYTES: u64 = 64 * 1024;
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// TLS records are at most 16 KB.
const BUFFER_BYTES: usize = 64 * 1024;
/// Longer than any polling interval that makes sense; a connection that the server closed is noticed before use.
const MAX_IDLE: Duration = Duration::from_mins(10);

/// A list request: the path, and how error messages call it.
#[derive(Debug, Clone)]
pub(crate) struct Request<'a> {
    pub(crate) path_and_query: String,
    pub(crate) verb: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) namespace: &'a str,
}

/// The one connection of a discovery, with the credentials it was made for.
pub(crate) struct Client {
    config: Arc<Config>,
    signals: Arc<Signals>,
    connected: Option<(Vec<CertificateDer<'static>>, Agent)>,
    use_fallback: bool,
}

impl Client {
    pub(crate) fn new(config: Arc<Config>, signals: Arc<Signals>) -> Self {
        Self {
            config,
            signals,
            connected: None,
            use_fallback: false,
        }
    }

    /// The body of a 200 answer; everything else is an error.
    pub(crate) fn get(&mut self, request: &Request<'_>) -> Result<Vec<u8>, Error> {
        let token = credentials::token(&self.config.service_account)?;
        match self.get_from_reachable(request, &token) {
            // Rotated between our reading it and the server's checking it? Then the file has the new one.
            Err(error) if error.kind == Kind::Unauthorized => match credentials::token(&self.config.service_account) {
                Ok(rotated) if rotated != token => self.get_from_reachable(request, &rotated),
                _ => Err(error),
            },
            answer => answer,
        }
    }

    /// Asks the primary address, and the fallback where DNS does not know that; stays with the fallback while it answers.
    fn get_from_reachable(&mut self, request: &Request<'_>, token: &Token) -> Result<Vec<u8>, Error> {
        let config = Arc::clone(&self.config);
        let api = &config.api;
        let Some(fallback) = &api.fallback else {
            return self.get_once(&api.primary, request, token);
        };
        if !self.use_fallback {
            match self.get_once(&api.primary, request, token) {
                Err(error) if error.kind == Kind::Dns => self.use_fallback = true,
                answer => return answer,
            }
        }
        let answer = self.get_once(fallback, request, token);
        if let Err(error) = &answer {
            self.use_fallback = error.status.is_some();
        }
        answer
    }

    fn get_once(&mut self, server: &str, request: &Request<'_>, token: &Token) -> Result<Vec<u8>, Error> {
        let asked = Asked {
            verb: request.verb,
            resource: request.resource,
            namespace: request.namespace,
            server,
        };
        let agent = self.agent()?;
        let explain = |error| self.explain(&asked, &error);
        let mut response = agent
            .get(format!("{server}{}", request.path_and_query))
            .header("authorization", token.bearer())
            .header("accept", "application/json")
            .call()
            .map_err(explain)?;
        if response.status() == 200 {
            let body = response.body_mut().with_config().limit(MAX_BODY_BYTES);
            return body.read_to_vec().map_err(explain);
        }
        // A status counts, whether or not its body can be read.
        let body = response
            .body_mut()
            .with_config()
            .limit(MAX_STATUS_BYTES)
            .read_to_vec()
            .unwrap_or_default();
        let retry_after = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok());
        let error = status::error(&asked, response.status().as_u16(), retry_after, &body);
        Err(Error {
            message: token.redact(&error.message),
            ..error
        })
    }

    /// The agent for the CA as it is on disk now. Keeps the connection as long as the CA stays the same.
    fn agent(&mut self) -> Result<Agent, Error> {
        let authority = credentials::certificate_authority(&self.config.service_account)?;
        match &self.connected {
            Some((known, agent)) if *known == authority => Ok(agent.clone()),
            _ => {
                let agent = new_agent(&self.config, &self.signals, &authority);
                let interrupted = agent.clone();
                self.signals.on_stop(move || interrupted.shutdown());
                self.connected = Some((authority, agent.clone()));
                Ok(agent)
            }
        }
    }

    fn explain(&self, asked: &Asked<'_>, error: &ureq::Error) -> Error {
        let (kind, why) = classify(error, self.config.request_timeout);
        Error::new(kind, format!("{}: {why}", asked.cannot()))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("api", &self.config.api)
            .finish_non_exhaustive()
    }
}

fn new_agent(config: &Config, signals: &Arc<Signals>, authority: &[CertificateDer<'static>]) -> Agent {
    let roots: Vec<_> = authority
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned())
        .collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let settings = Agent::config_builder()
        .tls_config(tls)
        .https_only(true)
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .timeout_global(Some(config.request_timeout))
        // A name server that does not answer leaves time for the fallback address.
        .timeout_resolve(Some(config.request_timeout / 3))
        .max_response_header_size(MAX_HEADER_BYTES)
        .input_buffer_size(BUFFER_BYTES)
        .max_idle_connections(1)
        .max_idle_connections_per_host(1)
        .max_idle_age(MAX_IDLE)
        .user_agent(concat!("libcluster_kubernetes/", env!("CARGO_PKG_VERSION")))
        .build();
    Agent::with_parts(
        settings,
        InterruptibleConnector.chain(RustlsConnector::default()),
        SharedResolver {
            signals: Arc::clone(signals),
        },
    )
}

/// What ureq's error means to a user.
fn classify(error: &ureq::Error, request_timeout: Duration) -> (Kind, String) {
    let limit = request_timeout.as_millis();
    match error {
        ureq::Error::Timeout(Timeout::Resolve) => (Kind::Dns, "the name server does not answer".to_owned()),
        ureq::Error::Timeout(phase) => (
            Kind::Timeout,
            format!("no complete answer within kubernetes_request_timeout ({limit} ms), while in phase {phase:?}"),
        ),
        ureq::Error::Other(cause) if cause.is::<Unresolved>() => (
            Kind::Dns,
            format!("cannot resolve {cause}; check kubernetes_master, kubernetes_cluster_name and CLUSTER_DOMAIN"),
        ),
        ureq::Error::HostNotFound => (Kind::Dns, "the name has no address".to_owned()),
        ureq::Error::Io(cause) => match tls_cause(cause) {
            Some(cause) => (
                Kind::Tls,
                format!(
                    "TLS failed: {cause}; the server's certificate must be signed by ca.crt and carry this host name"
                ),
            ),
            None => (Kind::Connect, format!("the connection failed: {cause}")),
        },
        ureq::Error::Rustls(cause) => (Kind::Tls, format!("TLS failed: {cause}")),
        ureq::Error::Tls(cause) => (Kind::Tls, format!("TLS failed: {cause}")),
        ureq::Error::BodyExceedsLimit(bytes) => (Kind::TooLarge, format!("the answer is larger than {bytes} bytes")),
        ureq::Error::LargeResponseHeader(..) => (
            Kind::TooLarge,
            format!("the answer's headers are larger than {MAX_HEADER_BYTES} bytes"),
        ),
        other => (
            Kind::Malformed,
            format!("the answer is not HTTP as expected: {}", printable(&other.to_string())),
        ),
    }
}

/// rustls' errors come wrapped in I/O errors.
fn tls_cause(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}
