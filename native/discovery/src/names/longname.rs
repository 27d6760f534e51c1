//! A candidate becomes `<basename>@<ip_or_domain>`, as libcluster's Kubernetes strategy builds it.
//!
//! A name is built only from parts that are valid: the VM makes an atom of it, and atoms are never freed.

use std::net::IpAddr;

use crate::config::{Basename, IpFamily, Mode, Names};
use crate::dns_label::is_dns_label;
use crate::objects::candidate::Candidate;

/// The longest node name: an atom holds 255 characters.
const MAX_CHARS: usize = 255;

/// Why a candidate has no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unnameable {
    /// The label for the basename is missing, or its value is none.
    Basename,
    /// The address is missing or does not parse.
    Address,
    /// The address is not of the wanted family.
    Family,
    /// The hostname is missing or no DNS label.
    Hostname,
    /// The namespace is missing or no DNS label.
    Namespace,
    /// The whole name is over 255 characters.
    TooLong,
}

impl Unnameable {
    /// The reason as a user reads it, with the remedy where there is one.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basename => {
                "no label that kubernetes_node_basename names, or its value is no basename: at most 63 letters, digits, _ and -"
            }
            Self::Address => "no valid IP address",
            Self::Family => "no address of the family that kubernetes_ip_family, or this node's own name, asks for",
            Self::Hostname => {
                "no valid hostname, which mode :hostname needs: only pods of a StatefulSet, or with spec.hostname, have one"
            }
            Self::Namespace => "no valid namespace",
            Self::TooLong => "the node name would be longer than 255 characters",
        }
    }
}

impl Names {
    /// The basename of an object, whose label of this key `label` gives.
    pub fn basename<'n>(&'n self, label: impl FnOnce(&str) -> Option<&'n str>) -> Result<&'n str, Unnameable> {
        match &self.basename {
            Basename::Fixed(basename) => Ok(basename),
            Basename::Label(key) => label(key)
                .filter(|value| is_basename(value))
                .ok_or(Unnameable::Basename),
        }
    }

    /// The node name of `candidate`, with the address of `family` where one is asked for.
    pub fn longname(
        &self,
        basename: &str,
        candidate: &Candidate<'_>,
        family: Option<IpFamily>,
    ) -> Result<String, Unnameable> {
        let Self { mode, domain, .. } = self;
        let name = match mode {
            Mode::Ip => [basename, "@", address(candidate, family)?].concat(),
            Mode::Dns => {
                let dashes = address(candidate, family)?.replace(['.', ':'], "-");
                [basename, "@", &dashes, ".", namespace(candidate)?, ".pod.", domain].concat()
            }
            Mode::Hostname { service } => {
                let hostname = label(candidate.hostname).ok_or(Unnameable::Hostname)?;
                let namespace = namespace(candidate)?;
                [basename, "@", hostname, ".", service, ".", namespace, ".svc.", domain].concat()
            }
        };
        if name.len() > MAX_CHARS {
            return Err(Unnameable::TooLong);
        }
        Ok(name)
    }
}

/// As `LibclusterKubernetes.Options` has it.
fn is_basename(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(allowed)
}

fn address<'a>(candidate: &Candidate<'a>, family: Option<IpFamily>) -> Result<&'a str, Unnameable> {
    let text = candidate.ip.ok_or(Unnameable::Address)?;
    let parsed: IpAddr = text.parse().map_err(|_| Unnameable::Address)?;
    match (family, parsed) {
        (Some(IpFamily::V4), IpAddr::V6(_)) | (Some(IpFamily::V6), IpAddr::V4(_)) => Err(Unnameable::Family),
        _ => Ok(text),
    }
}

fn namespace<'a>(candidate: &Candidate<'a>) -> Result<&'a str, Unnameable> {
    label(candidate.namespace).ok_or(Unnameable::Namespace)
}

fn label(text: Option<&str>) -> Option<&str> {
    text.filter(|text| is_dns_label(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::candidate::Standing;
    use proptest::prelude::*;

    fn names(mode: Mode) -> Names {
        Names {
            basename: Basename::Fixed("app".to_owned()),
            mode,
            domain: "cluster.local".to_owned(),
        }
    }

    fn candidate<'a>(ip: &'a str, hostname: Option<&'a str>, namespace: &'a str) -> Candidate<'a> {
        Candidate {
            ip: Some(ip),
            hostname,
            namespace: Some(namespace),
            standing: Standing::Ready,
        }
    }

    fn hostname_mode() -> Mode {
        Mode::Hostname {
            service: "headless".to_owned(),
        }
    }

    #[test]
    fn each_mode_builds_its_form() {
        let pod = candidate("10.1.2.3", Some("app-0"), "prod");
        assert_eq!(names(Mode::Ip).longname("app", &pod, None).unwrap(), "app@10.1.2.3");
        assert_eq!(
            names(Mode::Dns).longname("app", &pod, None).unwrap(),
            "app@10-1-2-3.prod.pod.cluster.local"
        );
        assert_eq!(
            names(hostname_mode()).longname("app", &pod, None).unwrap(),
            "app@app-0.headless.prod.svc.cluster.local"
        );
        let v6 = candidate("fd00:10::3", None, "prod");
        assert_eq!(names(Mode::Ip).longname("app", &v6, None).unwrap(), "app@fd00:10::3");
        assert_eq!(
            names(Mode::Dns).longname("app", &v6, None).unwrap(),
            "app@fd00-10--3.prod.pod.cluster.local"
        );
    }

    #[test]
    fn each_unusable_part_is_named() {
        let good = candidate("10.1.2.3", Some("app-0"), "prod");
        for (names, candidate, family, reason) in [
            (
                names(Mode::Ip),
                Candidate { ip: None, ..good },
                None,
                Unnameable::Address,
            ),
            (
                names(Mode::Ip),
                Candidate {
                    ip: Some("10.1.2.3.evil"),
                    ..good
                },
                None,
                Unnameable::Address,
            ),
            (names(Mode::Ip), good, Some(IpFamily::V6), Unnameable::Family),
            (
                names(hostname_mode()),
                Candidate { hostname: None, ..good },
                None,
                Unnameable::Hostname,
            ),
            (
                names(hostname_mode()),
                Candidate {
                    hostname: Some("a.b"),
                    ..good
                },
                None,
                Unnameable::Hostname,
            ),
            (
                names(Mode::Dns),
                Candidate {
                    namespace: None,
                    ..good
                },
                None,
                Unnameable::Namespace,
            ),
        ] {
            assert_eq!(names.longname("app", &candidate, family), Err(reason));
        }
        let long = Names {
            domain: "d".repeat(250),
            ..names(Mode::Dns)
        };
        assert_eq!(long.longname("app", &good, None), Err(Unnameable::TooLong));
    }

    #[test]
    fn the_basename_is_the_labels_where_that_is_asked_for() {
        let mut names = names(Mode::Ip);
        assert_eq!(names.basename(|_| panic!("a label")), Ok("app"));
        names.basename = Basename::Label("team/name".to_owned());
        let of = |value| {
            names.basename(move |key| {
                assert_eq!(key, "team/name");
                value
            })
        };
        let longest = "a".repeat(63);
        for good in ["shop", "Shop_1-b", "0", &longest] {
            assert_eq!(of(Some(good)), Ok(good));
        }
        let too_long = "a".repeat(64);
        for bad in [
            None,
            Some(""),
            Some("a.b"),
            Some("a@b"),
            Some("ä"),
            Some("a\n"),
            Some(&too_long),
        ] {
            assert_eq!(of(bad), Err(Unnameable::Basename), "{bad:?}");
        }
    }

    proptest! {
        /// Whatever the API says, a name that comes out is short, has one `@`, and only characters that cannot hurt.
        #[test]
        fn names_are_safe_whatever_comes_in(
            ip in ".{0,40}",
            hostname in proptest::option::of(".{0,80}"),
            namespace in ".{0,80}",
            mode in prop_oneof![Just(Mode::Ip), Just(Mode::Dns), Just(hostname_mode())],
        ) {
            if let Ok(name) = names(mode).longname("app", &candidate(&ip, hostname.as_deref(), &namespace), None) {
                prop_assert!(name.len() <= 255);
                let host = name.strip_prefix("app@").unwrap();
                prop_assert!(!host.is_empty());
                prop_assert!(host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:".contains(&b)));
            }
        }

        #[test]
        fn every_address_has_a_name(ip: IpAddr) {
            let text = ip.to_string();
            let pod = candidate(&text, None, "ns");
            prop_assert_eq!(names(Mode::Ip).longname("app", &pod, None), Ok(format!("app@{text}")));
            let dns = names(Mode::Dns).longname("app", &pod, None).unwrap();
            let label = dns.strip_prefix("app@").unwrap().split('.').next().unwrap();
            prop_assert_eq!(label, text.replace(['.', ':'], "-"));
        }
    }
}
