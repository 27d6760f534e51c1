//! What a request that failed in ureq means to a user, and what to do about it.

use std::io;
use std::time::Duration;

use crate::error::{Error, Kind, printable};
use crate::server::resolver::Unresolved;

/// Why a body cannot be read to its end, where all of it may take this long.
pub(crate) fn body_error(error: io::Error, limit: Duration) -> Error {
    classify(&ureq::Error::from(error), limit)
}

/// What a stream's end means.
pub(crate) fn stream_error(error: io::Error) -> Error {
    match ureq::Error::from(error) {
        ureq::Error::Timeout(_) => Error::new(Kind::Timeout, "the stream was silent for too long"),
        error => classify(&error, Duration::ZERO),
    }
}

/// What ureq's error means to a user.
pub(crate) fn classify(error: &ureq::Error, limit: Duration) -> Error {
    let (kind, why) = match error {
        ureq::Error::Timeout(phase) => (
            Kind::Timeout,
            format!(
                "no complete answer within kubernetes_request_timeout ({} ms), while in phase {phase:?}. Is the way to \
                 the API server open (NetworkPolicy, service mesh), and is it well?",
                limit.as_millis()
            ),
        ),
        ureq::Error::Other(cause) if cause.is::<Unresolved>() => (
            Kind::Dns,
            format!("cannot resolve {cause}; check kubernetes_master, kubernetes_cluster_name and CLUSTER_DOMAIN"),
        ),
        ureq::Error::HostNotFound => (Kind::Dns, "the name has no address".to_owned()),
        ureq::Error::Io(cause) => match tls_cause(cause) {
            Some(cause) => (Kind::Tls, tls_failed(cause)),
            None if cause.kind() == io::ErrorKind::UnexpectedEof => (
                Kind::Connect,
                "the connection was closed before the answer was complete. If this lasts, look at what stands between \
                 this node and the API server"
                    .to_owned(),
            ),
            None => (
                Kind::Connect,
                format!(
                    "the connection failed: {cause}. Is kubernetes_master right, and the way to it open (NetworkPolicy, \
                     service mesh)?"
                ),
            ),
        },
        ureq::Error::Rustls(cause) => (Kind::Tls, tls_failed(cause)),
        ureq::Error::Tls(cause) => (Kind::Tls, format!("TLS failed: {cause}")),
        ureq::Error::BodyExceedsLimit(bytes) => (
            Kind::TooLarge,
            format!("the answer is larger than {bytes} bytes: check kubernetes_selector"),
        ),
        ureq::Error::LargeResponseHeader(_, limit) => (
            Kind::TooLarge,
            format!("the answer's headers are larger than {limit} bytes: is this the API server?"),
        ),
        other => (
            Kind::Malformed,
            format!(
                "the answer is not HTTP as expected: {}. Is kubernetes_master the API server?",
                printable(&other.to_string())
            ),
        ),
    };
    Error::new(kind, why)
}

/// Without the time of now, which rustls names: the text must be stable while the cause is the same.
fn tls_failed(cause: &rustls::Error) -> String {
    use rustls::{CertificateError, Error};
    match cause {
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "TLS failed: the server's certificate has expired. Renew it, or set this machine's clock right".to_owned()
        }
        Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "TLS failed: the server's certificate is not valid yet. Set this machine's clock right, or the server's"
                .to_owned()
        }
        cause => {
            format!("TLS failed: {cause}; the server's certificate must be signed by ca.crt and carry this host name")
        }
    }
}

/// rustls' errors come wrapped in I/O errors.
pub(crate) fn tls_cause(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}
