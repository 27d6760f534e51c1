//! `v1` Pods: <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/>.

use std::net::IpAddr;

use serde::Deserialize;

use crate::candidate::{Candidate, Standing};
use crate::config::IpFamily;
use crate::list::{Resource, Text, null_as_empty, text};

#[derive(Debug, Deserialize)]
pub(crate) struct Pod<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    spec: Option<Spec<'a>>,
    #[serde(borrow)]
    status: Option<Status<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    namespace: Option<Text<'a>>,
    #[serde(borrow)]
    deletion_timestamp: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
struct Spec<'a> {
    #[serde(borrow)]
    hostname: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(borrow)]
    phase: Option<Text<'a>>,
    #[serde(borrow, rename = "podIP")]
    pod_ip: Option<Text<'a>>,
    #[serde(borrow, rename = "podIPs", default, deserialize_with = "null_as_empty")]
    pod_ips: Vec<PodIp<'a>>,
    #[serde(borrow, default, deserialize_with = "null_as_empty")]
    conditions: Vec<Condition<'a>>,
}

#[derive(Debug, Deserialize)]
struct PodIp<'a> {
    #[serde(borrow)]
    ip: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
}

impl<'a> Resource<'a> for Pod<'a> {
    const LIST_KIND: &'static str = "PodList";

    fn candidates(&self, family: Option<IpFamily>, found: &mut dyn FnMut(Candidate<'_>)) {
        let Some(status) = &self.status else { return };
        // The address of a finished pod may already be another pod's.
        if matches!(text(status.phase.as_ref()), Some("Succeeded" | "Failed")) {
            return;
        }
        let Some(ip) = status.address(family) else { return };
        found(Candidate {
            ip: Some(ip),
            hostname: self.spec.as_ref().and_then(|spec| text(spec.hostname.as_ref())),
            namespace: text(self.metadata.namespace.as_ref()),
            standing: self.standing(status),
        });
    }
}

impl Pod<'_> {
    fn standing(&self, status: &Status<'_>) -> Standing {
        if self.metadata.deletion_timestamp.is_some() {
            return Standing::Draining;
        }
        let ready = status
            .conditions
            .iter()
            .find(|it| text(it.kind.as_ref()) == Some("Ready"));
        match ready.map(|condition| text(condition.status.as_ref())) {
            None | Some(Some("True")) => Standing::Ready,
            Some(_) => Standing::NotReady,
        }
    }
}

impl Status<'_> {
    /// The primary address, or the first of the wanted family. A pod that has only the other family is handed on with
    /// what it has, so that it is counted as dropped instead of going unseen.
    fn address(&self, family: Option<IpFamily>) -> Option<&str> {
        let primary = text(self.pod_ip.as_ref()).filter(|ip| !ip.is_empty())?;
        let all = self.pod_ips.iter().filter_map(|pod_ip| text(pod_ip.ip.as_ref()));
        let wanted = |ip: &&str| match (family, ip.parse()) {
            (Some(IpFamily::V4), Ok(IpAddr::V4(_))) | (Some(IpFamily::V6), Ok(IpAddr::V6(_))) => true,
            (family, _) => family.is_none(),
        };
        Some(std::iter::once(primary).chain(all).find(wanted).unwrap_or(primary))
    }
}
