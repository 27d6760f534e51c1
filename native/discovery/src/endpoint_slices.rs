//! `discovery.k8s.io/v1` EndpointSlices:
//! <https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/>.

use serde::Deserialize;

use crate::candidate::{Candidate, Standing};
use crate::config::IpFamily;
use crate::resource::{
    Metadata, Resource, ResourceKind, TargetRef, Text, namespace, null_as_empty, object, objects, optional_object, text,
};

#[derive(Debug, Deserialize)]
pub(crate) struct EndpointSlice<'a> {
    #[serde(borrow, deserialize_with = "object")]
    metadata: Metadata<'a>,
    #[serde(borrow, default, deserialize_with = "objects")]
    endpoints: Vec<Endpoint<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint<'a> {
    #[serde(borrow, default, deserialize_with = "null_as_empty")]
    addresses: Vec<Text<'a>>,
    #[serde(default, deserialize_with = "optional_object")]
    conditions: Option<Conditions>,
    #[serde(borrow)]
    hostname: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "optional_object")]
    target_ref: Option<TargetRef<'a>>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
struct Conditions {
    ready: Option<bool>,
    terminating: Option<bool>,
}

pub(crate) struct EndpointSlices;

impl ResourceKind for EndpointSlices {
    type Object<'a> = EndpointSlice<'a>;
}

impl<'a> Resource<'a> for EndpointSlice<'a> {
    const LIST_KIND: &'static str = "EndpointSliceList";

    fn name(&self) -> Option<&str> {
        self.metadata.name()
    }

    fn resource_version(&self) -> Option<&str> {
        self.metadata.resource_version()
    }

    fn candidates(&self, _family: Option<IpFamily>, found: &mut dyn FnMut(Candidate<'_>)) {
        for endpoint in &self.endpoints {
            found(Candidate {
                // "These are all assumed to be fungible and clients may choose to only use the first element."
                ip: text(endpoint.addresses.first()),
                hostname: text(endpoint.hostname.as_ref()),
                namespace: namespace(endpoint.target_ref.as_ref(), &self.metadata),
                standing: endpoint.conditions.unwrap_or_default().standing(),
            });
        }
    }
}

impl Conditions {
    /// "A nil value should be interpreted as true" for `ready`, and as false for `terminating`.
    fn standing(self) -> Standing {
        match (self.ready, self.terminating) {
            (None | Some(true), _) => Standing::Ready,
            (Some(false), Some(true)) => Standing::Draining,
            (Some(false), _) => Standing::NotReady,
        }
    }
}
