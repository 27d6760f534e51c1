//! `discovery.k8s.io/v1` EndpointSlices:
//! <https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/>.

use serde::Deserialize;

use crate::config::IpFamily;
use crate::encoding::json::{null_as_empty, object, objects, optional_object};
use crate::encoding::protobuf::{Malformed, Message, Value};
use crate::encoding::text::{Text, text};
use crate::objects::candidate::{Candidate, Standing};
use crate::objects::metadata::{Metadata, TargetRef, namespace};
use crate::objects::resource::{Resource, ResourceKind};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EndpointSlice<'a> {
    #[serde(borrow)]
    address_type: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "object")]
    metadata: Metadata<'a>,
    #[serde(borrow, default, deserialize_with = "objects")]
    endpoints: Vec<Endpoint<'a>>,
}

#[derive(Debug, Default, Deserialize)]
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

/// `EndpointSlice` of `discovery.k8s.io/v1`
impl<'a> Message<'a> for EndpointSlice<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.metadata.merge(value.bytes()?)?,
            2 => self.endpoints.push(value.message()?),
            4 => self.address_type = value.text()?,
            _ => {}
        }
        Ok(())
    }
}

/// `Endpoint`
impl<'a> Message<'a> for Endpoint<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.addresses.extend(value.text()?),
            2 => self.conditions.get_or_insert_default().merge(value.bytes()?)?,
            3 => self.hostname = value.text()?,
            4 => self.target_ref.get_or_insert_default().merge(value.bytes()?)?,
            _ => {}
        }
        Ok(())
    }
}

/// `EndpointConditions`
impl<'a> Message<'a> for Conditions {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.ready = Some(value.flag()?),
            3 => self.terminating = Some(value.flag()?),
            _ => {}
        }
        Ok(())
    }
}

pub(crate) struct EndpointSlices;

impl ResourceKind for EndpointSlices {
    const LIST_KIND: &'static str = "EndpointSliceList";

    type Object<'a> = EndpointSlice<'a>;
}

impl<'a> Resource<'a> for EndpointSlice<'a> {
    fn metadata(&self) -> &Metadata<'a> {
        &self.metadata
    }

    fn family(&self) -> Option<IpFamily> {
        match text(self.address_type.as_ref()) {
            Some("IPv4") => Some(IpFamily::V4),
            Some("IPv6") => Some(IpFamily::V6),
            _ => None,
        }
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
    /// "A nil value should be interpreted as true" for `ready`, and as false for `terminating`, which counts before the other:
    /// with `publishNotReadyAddresses` what terminates is `ready`, too.
    fn standing(self) -> Standing {
        match (self.terminating, self.ready) {
            (Some(true), _) => Standing::Draining,
            (_, Some(false)) => Standing::NotReady,
            (_, None | Some(true)) => Standing::Ready,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::candidates::candidates_of;
    use serde_json::Value;

    /// As a 1.28 dual-stack cluster has them for a StatefulSet behind a headless Service.
    const LIST: &str = include_str!("../../tests/fixtures/endpoint_slices.json");

    #[derive(Debug, Deserialize)]
    struct List<'a> {
        #[serde(borrow, deserialize_with = "objects")]
        #[expect(dead_code, reason = "whether it can be read is all that counts")]
        items: Vec<EndpointSlice<'a>>,
    }

    /// Each candidate of a slice as a line, in its order.
    fn candidates(slice: &str) -> Vec<String> {
        let slice: EndpointSlice<'_> = serde_json::from_str(slice).unwrap();
        candidates_of(&slice, None)
    }

    /// The candidates of a slice with one endpoint.
    fn of_endpoint(endpoint: &str) -> Vec<String> {
        candidates(&format!(
            r#"{{"metadata":{{"name":"web-x","namespace":"prod"}},"addressType":"IPv4","endpoints":[{endpoint}],"ports":null}}"#
        ))
    }

    #[test]
    fn every_endpoint_of_every_slice_is_a_candidate() {
        let list: Value = serde_json::from_str(LIST).unwrap();
        let items = list["items"].as_array().unwrap().iter();
        let lines: Vec<_> = items.map(|slice| candidates(&slice.to_string())).collect();
        assert_eq!(
            lines[0],
            [
                "10.244.1.7 web-0 prod Ready",
                "10.244.2.9 web-1 prod NotReady",
                "10.244.3.4 web-2 prod Draining",
            ]
        );
        assert_eq!(lines[1], ["10.244.4.1 web-3 prod Ready", "10.244.1.7 web-0 prod Ready"]);
        assert_eq!(
            lines[2],
            ["fd00:10:244:1::7 web-0 prod Ready", "fd00:10:244:4::1 web-3 prod Ready"]
        );
        assert_eq!(lines[3], ["db.example.com - prod Ready"]);
        assert!(lines[4].is_empty());
        assert_eq!(lines.len(), 5);
    }

    #[test]
    fn ready_and_terminating_decide_and_serving_does_not() {
        for (conditions, standing) in [
            ("", "Ready"),
            (r#","conditions":null"#, "Ready"),
            (r#","conditions":{}"#, "Ready"),
            (
                r#","conditions":{"ready":null,"serving":null,"terminating":null}"#,
                "Ready",
            ),
            (r#","conditions":{"ready":true}"#, "Ready"),
            (
                r#","conditions":{"ready":true,"serving":true,"terminating":false}"#,
                "Ready",
            ),
            (r#","conditions":{"ready":true,"serving":false}"#, "Ready"),
            // publishNotReadyAddresses says so.
            (
                r#","conditions":{"ready":true,"serving":true,"terminating":true}"#,
                "Draining",
            ),
            (r#","conditions":{"serving":false,"terminating":true}"#, "Draining"),
            (r#","conditions":{"ready":false}"#, "NotReady"),
            (r#","conditions":{"ready":false,"serving":true}"#, "NotReady"),
            (
                r#","conditions":{"ready":false,"serving":false,"terminating":false}"#,
                "NotReady",
            ),
            (r#","conditions":{"ready":false,"terminating":null}"#, "NotReady"),
            (
                r#","conditions":{"ready":false,"serving":true,"terminating":true}"#,
                "Draining",
            ),
            (
                r#","conditions":{"ready":false,"serving":false,"terminating":true}"#,
                "Draining",
            ),
            (r#","conditions":{"ready":false,"terminating":true}"#, "Draining"),
        ] {
            let endpoint = format!(r#"{{"addresses":["10.0.0.1"]{conditions}}}"#);
            assert_eq!(
                of_endpoint(&endpoint),
                [format!("10.0.0.1 - prod {standing}")],
                "{endpoint}"
            );
        }
    }

    #[test]
    fn the_first_address_counts_and_one_without_is_counted() {
        assert_eq!(
            of_endpoint(r#"{"addresses":["10.0.0.1","10.0.0.2"]}"#),
            ["10.0.0.1 - prod Ready"]
        );
        for nothing in ["{}", r#"{"addresses":[]}"#, r#"{"addresses":null}"#] {
            assert_eq!(of_endpoint(nothing), ["- - prod Ready"], "{nothing}");
        }
    }

    #[test]
    fn the_namespace_is_the_targets_before_the_slices() {
        for (target, namespace) in [
            (
                r#","targetRef":{"kind":"Pod","name":"x","namespace":"elsewhere"}"#,
                "elsewhere",
            ),
            (r#","targetRef":{"kind":"Pod","name":"x"}"#, "prod"),
            (r#","targetRef":{}"#, "prod"),
            (r#","targetRef":null"#, "prod"),
            ("", "prod"),
        ] {
            let endpoint = format!(r#"{{"addresses":["10.0.0.1"]{target}}}"#);
            assert_eq!(of_endpoint(&endpoint), [format!("10.0.0.1 - {namespace} Ready")]);
        }
    }

    #[test]
    fn what_is_not_read_may_be_anything() {
        let endpoint = r#"{"addresses":["10.0.0.1"],"hostname":"web-0","nodeName":"worker-1","zone":"eu-1a",
            "hints":{"forZones":[{"name":"eu-1a"}]},"deprecatedTopology":{"topology.kubernetes.io/zone":"eu-1a"}}"#;
        assert_eq!(of_endpoint(endpoint), ["10.0.0.1 web-0 prod Ready"]);
        let endpoint = r#"{"addresses":["10.0.0.1"],"hostname":null,"nodeName":null,"zone":null,"hints":null,
            "deprecatedTopology":null,"notYetInvented":[1,{"a":null}]}"#;
        assert_eq!(of_endpoint(endpoint), ["10.0.0.1 - prod Ready"]);
    }

    #[test]
    fn what_go_writes_for_nothing_is_nothing() {
        for endpoints in ["", r#","endpoints":null"#, r#","endpoints":[]"#] {
            let slice = format!(r#"{{"metadata":{{"name":"a"}},"addressType":"IPv4"{endpoints},"ports":null}}"#);
            assert!(candidates(&slice).is_empty(), "{slice}");
        }
    }

    #[test]
    fn a_slice_of_another_shape_is_an_error() {
        for items in [
            "[null]",
            "[{}]",
            r#"[{"metadata":null,"endpoints":[]}]"#,
            r#"[{"metadata":[],"endpoints":[]}]"#,
            r#"[{"metadata":{"name":7}}]"#,
            r#"[{"metadata":{},"endpoints":{}}]"#,
            r#"[{"metadata":{},"endpoints":"a"}]"#,
            r#"[{"metadata":{},"endpoints":[null]}]"#,
            r#"[{"metadata":{},"endpoints":[[["10.0.0.1"]]]}]"#,
            r#"[{"metadata":{},"endpoints":[{"addresses":"10.0.0.1"}]}]"#,
            r#"[{"metadata":{},"endpoints":[{"addresses":[7]}]}]"#,
            r#"[{"metadata":{},"endpoints":[{"addresses":[null]}]}]"#,
            r#"[{"metadata":{},"endpoints":[{"addresses":{"0":"10.0.0.1"}}]}]"#,
            r#"[{"metadata":{},"endpoints":[{"conditions":[]}]}]"#,
            r#"[{"metadata":{},"endpoints":[{"conditions":[true,false]}]}]"#,
            r#"[{"metadata":{},"endpoints":[{"conditions":"ready"}]}]"#,
            r#"[{"metadata":{},"endpoints":[{"conditions":{"ready":"true"}}]}]"#,
            r#"[{"metadata":{},"endpoints":[{"conditions":{"ready":1}}]}]"#,
            r#"[{"metadata":{},"endpoints":[{"conditions":{"terminating":"false"}}]}]"#,
            r#"[{"metadata":{},"endpoints":[{"conditions":{"ready":true,"ready":false}}]}]"#,
            r#"[{"metadata":{},"endpoints":[{"hostname":["web-0"]}]}]"#,
            r#"[{"metadata":{},"endpoints":[{"targetRef":["Pod"]}]}]"#,
            r#"[{"metadata":{},"endpoints":[{"targetRef":{"namespace":7}}]}]"#,
            r#"[{"metadata":{},"endpoints":[],"endpoints":[]}]"#,
        ] {
            let body = format!(r#"{{"items":{items}}}"#);
            assert!(serde_json::from_str::<List<'_>>(&body).is_err(), "{items}");
        }
    }
}
