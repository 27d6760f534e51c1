//! The service account's files, as the kubelet mounts and rotates them.
//!
//! They are read for every request: the kubelet replaces them through a symlink, they are small, and what was read
//! before can be wrong by now. A missing or unusable file is an error before anything is sent, never a default.
//! <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens>

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use memchr::memmem::Finder;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::config::{Config, Namespace};
use crate::dns_label::is_dns_label;
use crate::error::{Error, Kind};

const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// Tokens of service accounts have hundreds of characters.
const SHORTEST_SECRET: usize = 24;

const MOUNT: &str = "In a pod, check that automountServiceAccountToken is not false; elsewhere set \
                     kubernetes_service_account_path";
const OPTION: &str = "kubernetes_namespace";

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

    /// What a JSON Web Token says of itself, still encoded: the second of its three parts.
    pub(crate) fn payload(&self) -> Option<&str> {
        let mut parts = self.0.split('.');
        let payload = parts.nth(1)?;
        (parts.count() == 1).then_some(payload)
    }

    /// The text without what it has of this token: nobody who reads it can put the token together again.
    pub(crate) fn conceal(&self, text: &str) -> String {
        let (text, token) = (text.as_bytes(), self.0.as_bytes());
        let length = token.len().min(SHORTEST_SECRET);
        let mut shown = Vec::with_capacity(text.len());
        let mut hidden_to = 0;
        for start in 0..text.len() {
            let piece = text.get(start..start + length);
            if piece.is_some_and(|piece| memchr::memmem::find(token, piece).is_some()) {
                if start >= hidden_to {
                    shown.extend(b"[token]");
                }
                hidden_to = start + length;
            } else if start >= hidden_to {
                shown.push(text[start]);
            }
        }
        // A token is ASCII: what is left out are whole characters.
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// The error without what its text has of this token.
    pub(crate) fn conceal_in(&self, mut error: Error) -> Error {
        error.message = self.conceal(&error.message);
        error
    }

    /// An answer that repeats the token is refused before any part of it can get into a name or a log line.
    pub(crate) fn refuse_echo(&self, answer: &[u8]) -> Result<(), Error> {
        self.echo().refuse(answer)
    }

    /// What looks for the token in an answer, for one that is read in parts.
    pub(crate) fn echo(&self) -> Echo<'_> {
        // A short one, made by hand, may be a word of the answer.
        Echo((self.0.len() >= SHORTEST_SECRET).then(|| Finder::new(&self.0)))
    }
}

/// Looks for a token, prepared once.
pub(crate) struct Echo<'t>(Option<Finder<'t>>);

impl Echo<'_> {
    /// Refuses this part of an answer, if it repeats the token.
    pub(crate) fn refuse(&self, part: &[u8]) -> Result<(), Error> {
        match self.0.as_ref().and_then(|token| token.find(part)) {
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
    authority_text(folder).and_then(|text| trust_anchors(folder, &text))
}

/// The text of `ca.crt`, for [`trust_anchors`]. Where it has not changed, they have not.
pub(crate) fn authority_text(folder: &Path) -> Result<String, Error> {
    read(
        &folder.join("ca.crt"),
        "the CA certificate to verify the API server with",
    )
}

/// Every certificate in this text of `ca.crt` that can be a trust anchor, at least one.
pub(crate) fn trust_anchors(folder: &Path, text: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let usable: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes())
        .filter_map(Result::ok)
        .filter(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok())
        .collect();
    if usable.is_empty() {
        return Err(unusable(&folder.join("ca.crt"), "holds no usable PEM certificate"));
    }
    Ok(usable)
}

/// The namespace to look in, which may be in a file; none is all of them.
pub(crate) fn looked_in(config: &Config) -> Result<Option<String>, Error> {
    match &config.namespace {
        Namespace::Own => namespace(&config.service_account).map(Some),
        Namespace::Named(namespace) => Ok(Some(namespace.clone())),
        Namespace::All => Ok(None),
    }
}

/// Reads the service account's own namespace.
pub fn namespace(folder: &Path) -> Result<String, Error> {
    let path = folder.join("namespace");
    let text =
        read(&path, "the namespace to look in").map_err(|error| error.advise(format!("{MOUNT}; or set {OPTION}")))?;
    let namespace = text.trim();
    if is_dns_label(namespace) {
        Ok(namespace.to_owned())
    } else {
        Err(unusable(&path, "holds no valid namespace name").advise(format!("Set {OPTION}")))
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
                    "cannot read {purpose} from {}: {error}; nothing was sent",
                    path.display()
                ),
            )
            .advise(MOUNT)
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

    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("discovery-credentials-{}-{name}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn write(&self, file: &str, content: &str) {
            fs::write(self.0.join(file), content).unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn token_is_trimmed_and_never_printed() {
        let folder = Folder::new("token");
        let secret = "s".repeat(SHORTEST_SECRET);
        folder.write("token", &format!("{secret}\n"));
        let token = token(&folder.0).unwrap();
        assert_eq!(token.bearer(), format!("Bearer {secret}"));
        assert_eq!(format!("{token:?}"), "Token(..)");
        assert_eq!(token.conceal(&format!("sent {secret}!")), "sent [token]!");
        assert!(token.refuse_echo(format!("a-{secret}-b").as_bytes()).is_err());
        assert!(token.refuse_echo(b"{}").is_ok());
    }

    #[test]
    fn pieces_of_a_token_are_concealed_and_nothing_else() {
        let secret: String = (0..60).map(|number| char::from(b'A' + number % 58)).collect();
        let token = Token::new(secret.clone());
        for (text, shown) in [
            (format!("ä {secret} ö {secret}"), "ä [token] ö [token]".to_owned()),
            (format!("half: {}", &secret[..30]), "half: [token]".to_owned()),
            (format!("the end: {}!", &secret[30..]), "the end: [token]!".to_owned()),
            (
                format!("{}-{}", &secret[..24], &secret[24..48]),
                "[token]-[token]".to_owned(),
            ),
            (
                format!("too short: {}", &secret[..23]),
                format!("too short: {}", &secret[..23]),
            ),
            ("nothing of it".to_owned(), "nothing of it".to_owned()),
        ] {
            assert_eq!(token.conceal(&text), shown);
        }
        assert_eq!(
            Token::new("word".to_owned()).conceal("a word, words"),
            "a [token], [token]s"
        );
    }

    #[test]
    fn each_unusable_file_has_its_own_error() {
        let folder = Folder::new("unusable");
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
            folder.write(file, content);
            let error = match file {
                "token" => token(&folder.0).map(drop),
                "ca.crt" => certificate_authority(&folder.0).map(drop),
                _ => namespace(&folder.0).map(drop),
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
        assert!(error.advice.unwrap().contains("automountServiceAccountToken"));
        let error = namespace(Path::new("/nonexistent")).unwrap_err();
        assert!(error.advice.unwrap().contains("kubernetes_namespace"));
    }

    #[test]
    fn oversized_file_is_refused() {
        let folder = Folder::new("oversized");
        folder.write("token", &"x".repeat(2 * 1024 * 1024));
        assert!(token(&folder.0).unwrap_err().message.contains("1 MiB"));
    }
}
