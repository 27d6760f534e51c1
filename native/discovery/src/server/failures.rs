//! What a request that failed in ureq means to a user, and what to do about it.

use std::io;
use std::time::Duration;

use crate::error::{CHECK_SELECTOR, Error, Kind, WHO_ANSWERS, printable};
use crate::server::resolver::Unresolved;

/// What ring verifies, of what clusters use.
const KNOWN_SIGNATURES: &str = "Known are RSA, Ed25519, and ECDSA with P-256 or P-384 and SHA-256 or SHA-384, but not \
    ECDSA with P-521 or SHA-512: such certificates have to be issued anew";

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
    match error {
        ureq::Error::Timeout(phase) => {
            let limit = limit.as_millis();
            let why =
                format!("no complete answer within kubernetes_request_timeout ({limit} ms), while in phase {phase:?}");
            Error::new(Kind::Timeout, why)
                .advise("Is the way to the API server open (NetworkPolicy, service mesh), and is it well?")
        }
        ureq::Error::Other(cause) if cause.is::<Unresolved>() => {
            Error::new(Kind::Dns, format!("cannot resolve {cause}"))
                .advise("Check kubernetes_master, kubernetes_cluster_name and CLUSTER_DOMAIN")
        }
        ureq::Error::HostNotFound => Error::new(Kind::Dns, "the name has no address"),
        ureq::Error::Io(cause) => match tls_cause(cause) {
            Some(cause) => tls_failed(cause),
            None if cause.kind() == io::ErrorKind::UnexpectedEof => Error::new(
                Kind::Connect,
                "the connection was closed before the answer was complete",
            )
            .advise("If this lasts, look at what stands between this node and the API server"),
            None => Error::new(Kind::Connect, format!("the connection failed: {cause}"))
                .advise("Is kubernetes_master right, and the way to it open (NetworkPolicy, service mesh)?"),
        },
        ureq::Error::Rustls(cause) => tls_failed(cause),
        ureq::Error::Tls(cause) => Error::new(Kind::Tls, format!("TLS failed: {cause}")),
        ureq::Error::BodyExceedsLimit(bytes) => {
            Error::new(Kind::TooLarge, format!("the answer is larger than {bytes} bytes")).advise(CHECK_SELECTOR)
        }
        ureq::Error::LargeResponseHeader(_, limit) => Error::new(
            Kind::TooLarge,
            format!("the answer's headers are larger than {limit} bytes"),
        )
        .advise(WHO_ANSWERS),
        other => {
            let why = printable(&other.to_string());
            Error::new(Kind::Malformed, format!("the answer is not HTTP as expected: {why}")).advise(WHO_ANSWERS)
        }
    }
}

/// Why there is no TLS, and what to do about it.
pub(crate) fn tls_failed(cause: &rustls::Error) -> Error {
    let (why, advice) = tls_reason(cause);
    Error::new(Kind::Tls, format!("TLS failed: {}", printable(&why))).advise(advice)
}

/// Without the time of now and without the long lists, which rustls names: the text must be stable while the cause is the
/// same.
fn tls_reason(cause: &rustls::Error) -> (String, &'static str) {
    use rustls::AlertDescription::{HandshakeFailure, InsufficientSecurity};
    use rustls::CertificateError as Certificate;
    use rustls::Error::{AlertReceived, InvalidCertificate};
    match cause {
        InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => (
            "the server's certificate has expired".to_owned(),
            "Renew it, or set this machine's clock right",
        ),
        InvalidCertificate(Certificate::NotValidYet | Certificate::NotValidYetContext { .. }) => (
            "the server's certificate is not valid yet".to_owned(),
            "Set this machine's clock right, or the server's",
        ),
        InvalidCertificate(
            Certificate::UnsupportedSignatureAlgorithmContext { .. }
            | Certificate::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
        ) => (
            "the server's certificate is signed in a way that this TLS does not know".to_owned(),
            KNOWN_SIGNATURES,
        ),
        // What a server says whose only certificate is of no use to this client.
        AlertReceived(alert @ (HandshakeFailure | InsufficientSecurity)) => (
            format!("the server has no certificate or cipher that this TLS knows ({alert:?})"),
            KNOWN_SIGNATURES,
        ),
        cause => (
            cause.to_string(),
            "The server's certificate must be signed by ca.crt and carry this host name",
        ),
    }
}

/// rustls' errors come wrapped in I/O errors.
pub(crate) fn tls_cause(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{AlertDescription, CertificateError};

    #[test]
    fn signatures_that_are_not_known_are_no_matter_of_ca_crt() {
        let unsupported = CertificateError::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: vec![6, 8, 42],
            supported_algorithms: Vec::new(),
        };
        for cause in [
            rustls::Error::InvalidCertificate(unsupported),
            rustls::Error::AlertReceived(AlertDescription::HandshakeFailure),
            rustls::Error::AlertReceived(AlertDescription::InsufficientSecurity),
        ] {
            let error = tls_failed(&cause);
            assert_eq!(error.kind, Kind::Tls);
            let advice = error.advice.unwrap();
            assert!(advice.contains("P-521") && !advice.contains("ca.crt"), "{advice}");
            assert!(error.message.len() < 120, "{}", error.message);
        }
        let unknown = tls_failed(&rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer));
        assert!(unknown.advice.unwrap().contains("ca.crt"));
    }
}
