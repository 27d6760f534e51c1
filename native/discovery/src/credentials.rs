//! The service account's files, as the kubelet mounts and rotates them.
//!
//! They are read for every request: the kubelet replaces them through a symlink, they are small, and what was read
//! before can be wrong by now. A missing or unusable file is an error before anything is sent, never a default.
//! <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens>

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::error::{Error, Kind, printable};
use crate::longname::is_dns_label;

const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// Tokens of service accounts have hundreds of characters.
const SHORTEST_SECRET: usize = 24;

/// A bearer token. Prints as `Token(..)`, wherever it is printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    #[cfg(test)]
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The value of the `authorization` header.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// The server's words, fit to print: without this token, should it be there, and as one short line.
    pub(crate) fn quote(&self, text: &str) -> String {
        printable(&text.replace(&self.0, "[token]"))
    }

    /// An answer that repeats the token is refused before any part of it can get into a name or a log line.
    pub(crate) fn refuse_echo(&self, answer: &[u8]) -> Result<(), Error> {
        // A short one, made by hand, may be a word of the answer.
        if self.0.len() < SHORTEST_SECRET {
            return Ok(());
        }
        match memchr::memmem::find(answer, self.0.as_bytes()) {
            None => Ok(()),
            Some(_) => Err(Error::new(
                Kind::Malformed,
                "the answer repeats the token that it was asked with: this is no API server",
            )),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Reads the token of the service account in `folder`.
pub fn token(folder: &Path) -> Result<Token, Error> {
    let text = read(&folder.join("token"), "the token to authenticate with")?;
    let token = text.trim();
    // The bytes that an HTTP header may carry; anything else is not a token but a damaged file.
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unusable(&folder.join("token"), "holds no token"));
    }
    Ok(Token(token.to_owned()))
}

/// Reads `ca.crt`: every certificate of it that can be a trust anchor, at least one.
pub fn certificate_authority(folder: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let path = folder.join("ca.crt");
    let text = read(&path, "the CA certificate to verify the API server with")?;
    let usable: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes())
        .filter_map(Result::ok)
        .filter(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok())
        .collect();
    if usable.is_empty() {
        return Err(unusable(&path, "holds no usable PEM certificate"));
    }
    Ok(usable)
}

/// Reads the service account's own namespace.
pub fn namespace(folder: &Path) -> Result<String, Error> {
    let path = folder.join("namespace");
    let text = read(&path, "the namespace to look in").map_err(|error| Error {
        message: format!("{error}; or set kubernetes_namespace"),
        ..error
    })?;
    let namespace = text.trim();
    if is_dns_label(namespace) {
        Ok(namespace.to_owned())
    } else {
        Err(unusable(
            &path,
            "holds no valid namespace name; set kubernetes_namespace",
        ))
    }
}

fn read(path: &Path, purpose: &str) -> Result<String, Error> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| {
            Error::new(
                Kind::Credentials,
                format!(
                    "cannot read {purpose} from {}: {error}; nothing was sent. In a pod, check that \
                     automountServiceAccountToken is not false; elsewhere set kubernetes_service_account_path",
                    path.display()
                ),
            )
        })?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(unusable(path, "is larger than 1 MiB"));
    }
    Ok(text)
}

fn unusable(path: &Path, why: &str) -> Error {
    Error::new(Kind::Credentials, format!("{} {why}; nothing was sent", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("discovery-credentials-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn token_is_trimmed_and_never_printed() {
        let folder = folder("token");
        let secret = "s".repeat(SHORTEST_SECRET);
        fs::write(folder.join("token"), format!("{secret}\n")).unwrap();
        let token = token(&folder).unwrap();
        assert_eq!(token.bearer(), format!("Bearer {secret}"));
        assert_eq!(format!("{token:?}"), "Token(..)");
        assert_eq!(token.quote(&format!("sent {secret}!\n")), "sent [token]!");
        assert!(token.refuse_echo(format!("a-{secret}-b").as_bytes()).is_err());
        assert!(token.refuse_echo(b"{}").is_ok());
    }

    #[test]
    fn each_unusable_file_has_its_own_error() {
        let folder = folder("unusable");
        for (file, content) in [
            ("token", ""),
            ("token", "two words"),
            ("ca.crt", "not a certificate"),
            (
                "ca.crt",
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            ),
            ("namespace", "Not_A_Label"),
            ("namespace", "\n"),
        ] {
            fs::write(folder.join(file), content).unwrap();
            let error = match file {
                "token" => token(&folder).map(drop),
                "ca.crt" => certificate_authority(&folder).map(drop),
                _ => namespace(&folder).map(drop),
            }
            .unwrap_err();
            assert_eq!(error.kind, Kind::Credentials);
            assert!(error.message.contains(file), "{error}");
            assert!(!error.message.contains("two words"), "{error}");
        }
    }

    #[test]
    fn missing_file_says_which_and_what_to_do() {
        let error = certificate_authority(Path::new("/nonexistent")).unwrap_err();
        assert!(error.message.contains("/nonexistent/ca.crt"), "{error}");
        assert!(error.message.contains("automountServiceAccountToken"), "{error}");
        let error = namespace(Path::new("/nonexistent")).unwrap_err();
        assert!(error.message.contains("kubernetes_namespace"), "{error}");
    }

    #[test]
    fn oversized_file_is_refused() {
        let folder = folder("oversized");
        fs::write(folder.join("token"), "x".repeat(2 * 1024 * 1024)).unwrap();
        assert!(token(&folder).unwrap_err().message.contains("1 MiB"));
    }
}
