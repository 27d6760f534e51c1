//! Which host to ask: libcluster's rule for `kubernetes_master`, URLs, and the other host where the first cannot be reached.

use std::net::IpAddr;

use rustls::pki_types::ServerName;
use ureq::http::uri::{Authority, Uri};

use crate::config::ApiAddress;
use crate::server::resolver::bare_host;

/// The name of the API server's own Service, the default of `kubernetes_master`.
const DEFAULT_MASTER: &str = "kubernetes.default.svc";

impl ApiAddress {
    /// `master` is the option `kubernetes_master`, `domain` the cluster's DNS domain, `service` the pair of
    /// `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`, which the kubelet sets in every pod
    /// (<https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/>).
    ///
    /// A URL is used as it is, with its path, and so is an IP address. A name that ends with `.` or with the domain is used
    /// as it is; to any other the domain is appended. Only the default name has a fallback: a name that someone chose is not silently another host.
    ///
    /// # Errors
    /// A sentence that says what is wrong with `master`.
    pub fn new(master: &str, domain: &str, service: Option<(&str, &str)>) -> Result<Self, String> {
        let primary = if master.contains("://") {
            https_url(master)
        } else if master.ends_with('.') || master.ends_with(domain) || master.parse::<IpAddr>().is_ok() {
            https_url(&format!("https://{}", host(master)))
        } else {
            https_url(&format!("https://{master}.{domain}"))
        };
        let fallback = match service {
            Some((address, port)) if master == DEFAULT_MASTER => {
                https_url(&format!("https://{}:{port}", host(address))).ok()
            }
            _ => None,
        };
        Ok(Self {
            primary: primary?,
            fallback,
        })
    }
}

/// A name or address as a URL has it.
fn host(text: &str) -> String {
    match text.parse() {
        Ok(IpAddr::V6(v6)) => format!("[{v6}]"),
        _ => text.to_owned(),
    }
}

/// The URL without the slash at its end, if it is one to which paths can be appended.
fn https_url(url: &str) -> Result<String, String> {
    let uri: Uri = url.parse().map_err(|error| format!("not a URL: {error}"))?;
    if uri.scheme_str() != Some("https") {
        return Err("only https:// is accepted: the service account's token goes over no other wire".to_owned());
    }
    if uri.query().is_some() || url.contains('#') {
        return Err("no query is accepted, only https://host[:port][/path]".to_owned());
    }
    let authority = uri.authority().ok_or("a host name or address is needed")?;
    check(authority)?;
    Ok(format!("https://{authority}{}", uri.path().trim_end_matches('/')))
}

fn check(authority: &Authority) -> Result<(), String> {
    if authority.as_str().contains('@') {
        return Err("no user name is accepted".to_owned());
    }
    let host = authority.host();
    // What the certificate must be of.
    let name = ServerName::try_from(bare_host(authority));
    let is_v6 = matches!(&name, Ok(ServerName::IpAddress(address)) if IpAddr::from(*address).is_ipv6());
    if name.is_err() || host.starts_with('[') != is_v6 {
        return Err(format!("{host:?} is no host name or address"));
    }
    match authority.as_str().strip_prefix(host) {
        Some("") => Ok(()),
        _ if authority.port_u16().is_some_and(|port| port > 0) => Ok(()),
        _ => Err("a port is a number from 1 to 65535".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn primary(master: &str) -> String {
        ApiAddress::new(master, "cluster.local", None).unwrap().primary
    }

    #[test]
    fn master_gets_the_domain_unless_it_is_final() {
        assert_eq!(
            primary("kubernetes.default.svc"),
            "https://kubernetes.default.svc.cluster.local"
        );
        assert_eq!(primary("api.cluster.local"), "https://api.cluster.local");
        assert_eq!(primary("api.example.com."), "https://api.example.com.");
    }

    #[test]
    fn url_is_used_as_it_is() {
        assert_eq!(primary("https://10.0.0.1:6443"), "https://10.0.0.1:6443");
        assert_eq!(primary("https://[::1]:6443/"), "https://[::1]:6443");
        assert_eq!(primary("https://api"), "https://api");
    }

    #[test]
    fn the_path_of_a_url_is_kept() {
        for url in ["https://rancher/k8s/clusters/c-1", "https://rancher:8443/k8s"] {
            assert_eq!(primary(url), url);
            assert_eq!(primary(&format!("{url}/")), url);
        }
    }

    #[test]
    fn an_address_is_used_as_it_is() {
        assert_eq!(primary("10.96.0.1"), "https://10.96.0.1");
        assert_eq!(primary("fd00::1"), "https://[fd00::1]");
        // Not one, but a name.
        assert_eq!(primary("10.96.0"), "https://10.96.0.cluster.local");
    }

    #[test]
    fn anything_that_no_request_can_be_sent_to_is_refused() {
        for bad in [
            "http://api:80",
            "https://api/path?query",
            "https://api/path#fragment",
            "https://user@api",
            "https://",
            "https://:",
            "https://:6443",
            "https://api:",
            "https://api:0",
            "https://api:65536",
            "https://api:99999",
            "https://api:port",
            "https://[::1",
            "https://[::1]]",
            "https://[api]",
            "https://::1",
            "https://-api-.",
            "https://a..b",
            "https://a b",
            "ftp://x",
            "a..b",
            "..",
            "",
        ] {
            assert!(ApiAddress::new(bad, "cluster.local", None).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_default_name_falls_back_to_the_service_variables() {
        let service = Some(("10.96.0.1", "443"));
        let address = ApiAddress::new("kubernetes.default.svc", "cluster.local", service).unwrap();
        assert_eq!(address.fallback.as_deref(), Some("https://10.96.0.1:443"));
        let address = ApiAddress::new("other.svc", "cluster.local", service).unwrap();
        assert_eq!(address.fallback, None);
        let v6 = ApiAddress::new("kubernetes.default.svc", "x", Some(("fd00::1", "443"))).unwrap();
        assert_eq!(v6.fallback.as_deref(), Some("https://[fd00::1]:443"));
        let nonsense = ApiAddress::new("kubernetes.default.svc", "x", Some(("10.0.0.1", "http"))).unwrap();
        assert_eq!(nonsense.fallback, None);
    }
}
