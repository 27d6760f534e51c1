//! The certificates: an authority of the cluster, another one, and what they sign for the server.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// The names that a server in a cluster is called by.
const NAMES: [&str; 5] = [
    "localhost",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "127.0.0.1",
    "::1",
];

/// How long the certificates of a real server are good for.
const YEAR: Duration = Duration::from_hours(24 * 365);

/// Who signs the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Authority {
    /// The one in the service account's `ca.crt`.
    #[default]
    Own,
    /// The one in `other-ca.crt`.
    Other,
}

/// What the server's certificate should be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// All names and addresses it is valid for.
    pub sans: Vec<String>,
    /// Who signs it.
    pub authority: Authority,
    /// Whether its time is over.
    pub expired: bool,
    /// Whether its time is still to come.
    pub not_yet_valid: bool,
}

impl Default for Certificate {
    /// A good one for the usual names.
    fn default() -> Self {
        Self {
            sans: NAMES.map(str::to_owned).to_vec(),
            authority: Authority::Own,
            expired: false,
            not_yet_valid: false,
        }
    }
}

impl Certificate {
    /// A good one for the usual names and these.
    pub fn with_names(names: &[String]) -> Self {
        let mut certificate = Self::default();
        certificate.sans.extend_from_slice(names);
        certificate
    }
}

/// Both authorities with their keys.
pub(crate) struct Authorities {
    own: CertifiedIssuer<'static, KeyPair>,
    other: CertifiedIssuer<'static, KeyPair>,
}

impl Authorities {
    pub(crate) fn new() -> Result<Self, rcgen::Error> {
        Ok(Self {
            own: authority("kubernetes")?,
            other: authority("other")?,
        })
    }

    /// The certificate of an authority, for a `ca.crt`.
    pub(crate) fn pem(&self, authority: Authority) -> String {
        self.get(authority).pem()
    }

    /// What a server needs to present such a certificate.
    pub(crate) fn server_config(&self, wanted: &Certificate) -> Result<ServerConfig, String> {
        let (certificate, key) = self.issue(wanted).map_err(|error| error.to_string())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .and_then(|builder| {
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![certificate.into()], key)
            })
            .map_err(|error| error.to_string())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    fn issue(&self, wanted: &Certificate) -> Result<(rcgen::Certificate, KeyPair), rcgen::Error> {
        let mut params = CertificateParams::new(wanted.sans.clone())?;
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        params.not_before = date_time_ymd(if wanted.not_yet_valid { 2110 } else { 2020 }, 1, 1);
        params.not_after = match wanted {
            Certificate { expired: true, .. } => date_time_ymd(2021, 1, 1),
            Certificate {
                not_yet_valid: true, ..
            } => date_time_ymd(2120, 1, 1),
            _ => (SystemTime::now() + YEAR).into(),
        };
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, self.get(wanted.authority))?;
        Ok((certificate, key))
    }

    fn get(&self, authority: Authority) -> &CertifiedIssuer<'static, KeyPair> {
        match authority {
            Authority::Own => &self.own,
            Authority::Other => &self.other,
        }
    }
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}
