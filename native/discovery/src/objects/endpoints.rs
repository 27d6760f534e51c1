//! `v1` Endpoints: <https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoints-v1/>.

use serde::Deserialize;

use crate::config::IpFamily;
use crate::encoding::json::{object, objects, optional_object};
use crate::encoding::protobuf::{Malformed, Message, Value};
use crate::encoding::text::{Text, text};
use crate::objects::candidate::{Candidate, Standing};
use crate::objects::metadata::{Metadata, TargetRef, namespace};
use crate::objects::resource::{Resource, ResourceKind};

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Endpoints<'a> {
    #[serde(borrow, deserialize_with = "object")]
    metadata: Metadata<'a>,
    #[serde(borrow, default, deserialize_with = "objects")]
    subsets: Vec<Subset<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subset<'a> {
    #[serde(borrow, default, deserialize_with = "objects")]
    addresses: Vec<Address<'a>>,
    #[serde(borrow, default, deserialize_with = "objects")]
    not_ready_addresses: Vec<Address<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Address<'a> {
    #[serde(borrow)]
    ip: Option<Text<'a>>,
    #[serde(borrow)]
    hostname: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "optional_object")]
    target_ref: Option<TargetRef<'a>>,
}

/// `Endpoints`
impl<'a> Message<'a> for Endpoints<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.metadata.merge(value.bytes()?)?,
            2 => self.subsets.push(value.message()?),
            _ => {}
        }
        Ok(())
    }
}

/// `EndpointSubset`
impl<'a> Message<'a> for Subset<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.addresses.push(value.message()?),
            2 => self.not_ready_addresses.push(value.message()?),
            _ => {}
        }
        Ok(())
    }
}

/// `EndpointAddress`
impl<'a> Message<'a> for Address<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.ip = value.text()?,
            2 => self.target_ref.get_or_insert_default().merge(value.bytes()?)?,
            3 => self.hostname = value.text()?,
            _ => {}
        }
        Ok(())
    }
}

pub(crate) struct EndpointsKind;

impl ResourceKind for EndpointsKind {
    const LIST_KIND: &'static str = "EndpointsList";

    type Object<'a> = Endpoints<'a>;
}

impl<'a> Resource<'a> for Endpoints<'a> {
    fn metadata(&self) -> &Metadata<'a> {
        &self.metadata
    }

    fn candidates(&self, _family: Option<IpFamily>, found: &mut dyn FnMut(Candidate<'_>)) {
        for subset in &self.subsets {
            for (addresses, standing) in [
                (&subset.addresses, Standing::Ready),
                (&subset.not_ready_addresses, Standing::NotReady),
            ] {
                for address in addresses {
                    found(Candidate {
                        ip: text(address.ip.as_ref()),
                        hostname: text(address.hostname.as_ref()),
                        namespace: namespace(address.target_ref.as_ref(), &self.metadata),
                        standing,
                    });
                }
            }
        }
    }

    fn truncated(&self) -> Option<String> {
        let name = self.metadata.name().unwrap_or_default();
        self.metadata.is_over_capacity().then(|| {
            format!(
                "the Endpoints object {name:?} is over capacity: it holds only the first 1,000 addresses, and the \
                 nodes beyond them are not found. Set kubernetes_ip_lookup_mode: :endpoint_slices"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::candidates::candidates_of;

    const LIST: &str = include_str!("../../tests/fixtures/endpoints.json");

    #[derive(Deserialize)]
    struct List<'a> {
        #[serde(borrow, deserialize_with = "objects")]
        items: Vec<Endpoints<'a>>,
    }

    /// Each candidate as a line, in the order of the answer.
    fn candidates(body: &str) -> Vec<String> {
        let list: List<'_> = serde_json::from_str(body).unwrap();
        let lines = list.items.iter().flat_map(|object| candidates_of(object, None));
        lines.collect()
    }

    fn list_of(items: &str) -> String {
        format!(r#"{{"kind":"EndpointsList","metadata":{{"resourceVersion":"1"}},"items":{items}}}"#)
    }

    #[test]
    fn every_address_of_every_subset_is_a_candidate() {
        assert_eq!(
            candidates(LIST),
            [
                "10.244.1.7 web-0 prod Ready",
                "10.244.2.9 - elsewhere Ready",
                "192.0.2.10 - prod Ready",
                "10.244.3.4 web-2 prod NotReady",
                "10.244.4.1 web-3 prod Ready",
            ]
        );
    }

    #[test]
    fn what_go_writes_for_nothing_is_nothing() {
        for items in [
            "[]",
            "null",
            r#"[{"metadata":{}}]"#,
            r#"[{"metadata":{},"subsets":null}]"#,
            r#"[{"metadata":{},"subsets":[{"addresses":null,"notReadyAddresses":[]}]}]"#,
        ] {
            assert!(candidates(&list_of(items)).is_empty(), "{items}");
        }
    }

    #[test]
    fn the_namespace_is_the_targets_before_the_objects() {
        for (object, target, namespace) in [
            (r#""namespace":"a""#, r#""targetRef":{"namespace":"b"}"#, "b"),
            (r#""namespace":"a""#, r#""targetRef":{"kind":"Node","name":"n"}"#, "a"),
            (r#""namespace":"a""#, r#""targetRef":{"namespace":null}"#, "a"),
            (r#""namespace":"a""#, r#""targetRef":null"#, "a"),
            (r#""namespace":"a""#, r#""nodeName":"n""#, "a"),
            (r#""name":"x""#, r#""targetRef":{}"#, "-"),
        ] {
            let item =
                format!(r#"[{{"metadata":{{{object}}},"subsets":[{{"addresses":[{{"ip":"1.2.3.4",{target}}}]}}]}}]"#);
            assert_eq!(
                candidates(&list_of(&item)),
                [format!("1.2.3.4 - {namespace} Ready")],
                "{item}"
            );
        }
    }

    #[test]
    fn an_address_without_ip_is_a_candidate_that_can_be_counted() {
        for address in ["{}", r#"{"ip":null}"#] {
            let item = format!(r#"[{{"metadata":{{}},"subsets":[{{"addresses":[{address}]}}]}}]"#);
            assert_eq!(candidates(&list_of(&item)), ["- - - Ready"]);
        }
    }

    #[test]
    fn only_an_object_over_capacity_is_warned_of_and_named() {
        let list: List<'_> = serde_json::from_str(LIST).unwrap();
        let warnings: Vec<_> = list.items.iter().filter_map(Resource::truncated).collect();
        assert_eq!(warnings.len(), 1);
        assert!(
            warnings[0].contains("\"crowd\"") && warnings[0].contains("1,000"),
            "{}",
            warnings[0]
        );
    }
}
