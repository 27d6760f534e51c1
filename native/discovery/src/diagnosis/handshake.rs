//! A TLS handshake and nothing after it, that keeps the certificate it was shown: for `probe`.
//!
//! What is accepted is what every request accepts: rustls' own verifier decides, with `ca.crt` as the only roots.

use std::io;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::diagnosis::certificate::Certificate;
use crate::error::{Error, Kind, printable};
use crate::server::failures::{tls_cause, tls_failed};

/// The certificate that the server showed, if it came so far, and how the handshake ended.
pub(crate) fn try_tls(
    mut stream: TcpStream,
    host: &str,
    authorities: &[CertificateDer<'static>],
    until: Instant,
) -> (Option<Certificate>, Result<(), Error>) {
    let recorder = match Recorder::new(authorities) {
        Ok(recorder) => Arc::new(recorder),
        Err(error) => return (None, Err(error)),
    };
    let ended = connection(host, Arc::clone(&recorder)).and_then(|connection| shake(connection, &mut stream, until));
    let shown = recorder.shown.lock().unwrap_or_else(PoisonError::into_inner).take();
    (shown, ended)
}

fn connection(host: &str, recorder: Arc<Recorder>) -> Result<ClientConnection, Error> {
    let name = ServerName::try_from(host.to_owned()).map_err(|error| tls(&error.to_string()))?;
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| tls(&error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(recorder)
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), name).map_err(|error| tls(&error.to_string()))
}

fn shake(mut connection: ClientConnection, stream: &mut TcpStream, until: Instant) -> Result<(), Error> {
    while connection.is_handshaking() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::new(Kind::Timeout, "no TLS handshake in time"));
        }
        let step = stream
            .set_read_timeout(Some(left))
            .and_then(|()| stream.set_write_timeout(Some(left)))
            .and_then(|()| connection.complete_io(stream));
        step.map_err(|error| failed(&error))?;
    }
    Ok(())
}

fn failed(error: &io::Error) -> Error {
    match (tls_cause(error), error.kind()) {
        (Some(cause), _) => tls_failed(cause),
        (None, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            Error::new(Kind::Timeout, "no TLS handshake in time")
        }
        (None, io::ErrorKind::UnexpectedEof) => tls("the server closed the connection during the handshake"),
        (None, _) => tls(&error.to_string()),
    }
}

fn tls(why: &str) -> Error {
    Error::new(Kind::Tls, printable(why))
}

/// rustls' verifier, and what it was shown.
#[derive(Debug)]
struct Recorder {
    verifier: Arc<WebPkiServerVerifier>,
    shown: Mutex<Option<Certificate>>,
}

impl Recorder {
    fn new(authorities: &[CertificateDer<'static>]) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities.iter().cloned());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| tls(&error.to_string()))?;
        Ok(Self {
            verifier,
            shown: Mutex::default(),
        })
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(Certificate::read(end_entity));
        self.verifier
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
