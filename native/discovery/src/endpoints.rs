//! `v1` Endpoints: <https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoints-v1/>.

use serde::Deserialize;

use crate::candidate::{Candidate, Standing};
use crate::config::IpFamily;
use crate::list::{Resource, Text, null_as_empty, text};

#[derive(Debug, Deserialize)]
pub(crate) struct Endpoints<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default, deserialize_with = "null_as_empty")]
    subsets: Vec<Subset<'a>>,
}

#[derive(Debug, Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    namespace: Option<Text<'a>>,
    #[serde(borrow)]
    annotations: Option<Annotations<'a>>,
}

#[derive(Debug, Deserialize)]
struct Annotations<'a> {
    #[serde(borrow, rename = "endpoints.kubernetes.io/over-capacity")]
    over_capacity: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subset<'a> {
    #[serde(borrow, default, deserialize_with = "null_as_empty")]
    addresses: Vec<Address<'a>>,
    #[serde(borrow, default, deserialize_with = "null_as_empty")]
    not_ready_addresses: Vec<Address<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Address<'a> {
    #[serde(borrow)]
    ip: Option<Text<'a>>,
    #[serde(borrow)]
    hostname: Option<Text<'a>>,
    #[serde(borrow)]
    target_ref: Option<TargetRef<'a>>,
}

#[derive(Debug, Deserialize)]
struct TargetRef<'a> {
    #[serde(borrow)]
    namespace: Option<Text<'a>>,
}

impl<'a> Resource<'a> for Endpoints<'a> {
    const LIST_KIND: &'static str = "EndpointsList";

    fn candidates(&self, _family: Option<IpFamily>, found: &mut dyn FnMut(Candidate<'_>)) {
        for subset in &self.subsets {
            for (addresses, standing) in [
                (&subset.addresses, Standing::Ready),
                (&subset.not_ready_addresses, Standing::NotReady),
            ] {
                for address in addresses {
                    found(self.candidate(address, standing));
                }
            }
        }
    }

    fn warning(&self) -> Option<String> {
        let annotations = self.metadata.annotations.as_ref()?;
        annotations.over_capacity.as_ref()?;
        let name = text(self.metadata.name.as_ref()).unwrap_or_default();
        Some(format!(
            "the Endpoints object {name:?} is over capacity: it holds only the first 1,000 addresses, and the nodes \
             beyond them are not found. Use an EndpointSlices source (kubernetes_ip_lookup_mode: :endpoint_slices) or :pods"
        ))
    }
}

impl Endpoints<'_> {
    fn candidate<'s>(&'s self, address: &'s Address<'_>, standing: Standing) -> Candidate<'s> {
        let target = address.target_ref.as_ref().and_then(|target| target.namespace.as_ref());
        Candidate {
            ip: text(address.ip.as_ref()),
            hostname: text(address.hostname.as_ref()),
            namespace: text(target.or(self.metadata.namespace.as_ref())),
            standing,
        }
    }
}
