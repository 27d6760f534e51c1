//! Which host to ask: libcluster's rule for `kubernetes_master`, URLs, and what to do when DNS does not know the name.

use std::net::IpAddr;

use crate::config::ApiAddress;

/// The name of the API server's own Service, the default of `kubernetes_master`.
const DEFAULT_MASTER: &str = "kubernetes.default.svc";

impl ApiAddress {
    /// `master` is the option `kubernetes_master`, `domain` the cluster's DNS domain, `service` the pair of
    /// `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`, which the kubelet sets in every pod
    /// (<https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/>).
    ///
    /// A URL is used as it is. A name that ends with `.` or with the domain is used as it is; to any other the domain
    /// is appended. Only the default name has a fallback: a name that someone chose is not silently another host.
    ///
    /// # Errors
    /// A sentence that says what is wrong with `master`.
    pub fn new(master: &str, domain: &str, service: Option<(&str, &str)>) -> Result<Self, String> {
        if master.contains("://") {
            return Ok(Self {
                primary: https_url(master)?,
                fallback: None,
            });
        }
        let host = if master.ends_with('.') || master.ends_with(domain) {
            master.to_owned()
        } else {
            format!("{master}.{domain}")
        };
        let fallback = match service {
            Some((address, port)) if master == DEFAULT_MASTER => service_url(address, port),
            _ => None,
        };
        Ok(Self {
            primary: https_url(&format!("https://{host}"))?,
            fallback,
        })
    }
}

fn https_url(url: &str) -> Result<String, String> {
    let uri: ureq::http::Uri = url.parse().map_err(|error| format!("not a URL: {error}"))?;
    if uri.scheme_str() != Some("https") {
        return Err("only https:// is accepted: the service account's token goes over no other wire".to_owned());
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err("no path is accepted, only https://host[:port]".to_owned());
    }
    match uri.authority() {
        Some(authority) if !authority.host().is_empty() && !authority.as_str().contains('@') => {
            Ok(format!("https://{authority}"))
        }
        _ => Err("a host name or address is needed, and no user name".to_owned()),
    }
}

fn service_url(address: &str, port: &str) -> Option<String> {
    let port: u16 = port.parse().ok()?;
    let host = match address.parse() {
        Ok(IpAddr::V6(v6)) => format!("[{v6}]"),
        Ok(IpAddr::V4(v4)) => v4.to_string(),
        Err(_) => address.to_owned(),
    };
    https_url(&format!("https://{host}:{port}")).ok()
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
    }

    #[test]
    fn anything_but_an_https_origin_is_refused() {
        for bad in [
            "http://api:80",
            "https://api/path",
            "https://user@api",
            "https://",
            "https://a b",
            "ftp://x",
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
