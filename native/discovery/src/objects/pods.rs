//! `v1` Pods: <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/>.

use std::net::IpAddr;

use serde::Deserialize;

use crate::config::IpFamily;
use crate::encoding::json::{object, objects, optional_object};
use crate::encoding::protobuf::{Malformed, Message, Value};
use crate::encoding::text::{Text, text};
use crate::objects::candidate::{Candidate, Standing};
use crate::objects::metadata::Metadata;
use crate::objects::resource::{Resource, ResourceKind};

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Pod<'a> {
    #[serde(borrow, deserialize_with = "object")]
    metadata: Metadata<'a>,
    #[serde(borrow, default, deserialize_with = "optional_object")]
    spec: Option<Spec<'a>>,
    #[serde(borrow, default, deserialize_with = "optional_object")]
    status: Option<Status<'a>>,
}

#[derive(Debug, Default, Deserialize)]
struct Spec<'a> {
    #[serde(borrow)]
    hostname: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(borrow)]
    phase: Option<Text<'a>>,
    #[serde(borrow, rename = "podIP")]
    pod_ip: Option<Text<'a>>,
    #[serde(borrow, rename = "podIPs", default, deserialize_with = "objects")]
    pod_ips: Vec<PodIp<'a>>,
    #[serde(borrow, default, deserialize_with = "objects")]
    conditions: Vec<Condition<'a>>,
}

#[derive(Debug, Default, Deserialize)]
struct PodIp<'a> {
    #[serde(borrow)]
    ip: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
}

/// `Pod`
impl<'a> Message<'a> for Pod<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.metadata.merge(value.bytes()?)?,
            2 => self.spec.get_or_insert_default().merge(value.bytes()?)?,
            3 => self.status.get_or_insert_default().merge(value.bytes()?)?,
            _ => {}
        }
        Ok(())
    }
}

/// `PodSpec`
impl<'a> Message<'a> for Spec<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        if number == 16 {
            self.hostname = value.text()?;
        }
        Ok(())
    }
}

/// `PodStatus`
impl<'a> Message<'a> for Status<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.phase = value.text()?,
            2 => self.conditions.push(value.message()?),
            6 => self.pod_ip = value.text()?,
            12 => self.pod_ips.push(value.message()?),
            _ => {}
        }
        Ok(())
    }
}

/// `PodIP`
impl<'a> Message<'a> for PodIp<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        if number == 1 {
            self.ip = value.text()?;
        }
        Ok(())
    }
}

/// `PodCondition`
impl<'a> Message<'a> for Condition<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.kind = value.text()?,
            2 => self.status = value.text()?,
            _ => {}
        }
        Ok(())
    }
}

pub(crate) struct PodKind;

impl ResourceKind for PodKind {
    const LIST_KIND: &'static str = "PodList";

    type Object<'a> = Pod<'a>;
}

impl<'a> Resource<'a> for Pod<'a> {
    fn metadata(&self) -> &Metadata<'a> {
        &self.metadata
    }

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
            namespace: self.metadata.namespace(),
            standing: self.standing(status),
        });
    }
}

impl Pod<'_> {
    fn standing(&self, status: &Status<'_>) -> Standing {
        if self.metadata.is_being_deleted() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::candidates::candidates_of;

    const LIST: &str = include_str!("../../tests/fixtures/pods.json");

    #[derive(Deserialize)]
    struct List<'a> {
        #[serde(borrow, deserialize_with = "objects")]
        items: Vec<Pod<'a>>,
    }

    /// Each candidate as a line, in the order of the answer.
    fn candidates(body: &str, family: Option<IpFamily>) -> Vec<String> {
        let list: List<'_> = serde_json::from_str(body).unwrap();
        let lines = list.items.iter().flat_map(|pod| candidates_of(pod, family));
        lines.collect()
    }

    fn list_of(pod: &str) -> String {
        format!(r#"{{"kind":"PodList","metadata":{{"resourceVersion":"1"}},"items":[{pod}]}}"#)
    }

    /// The candidates of one pod with this status.
    fn with_status(status: &str, family: Option<IpFamily>) -> Vec<String> {
        candidates(
            &list_of(&format!(r#"{{"metadata":{{"namespace":"prod"}},"status":{status}}}"#)),
            family,
        )
    }

    #[test]
    fn a_pod_is_a_candidate_from_its_first_address_to_its_end() {
        assert_eq!(
            candidates(LIST, None),
            [
                "10.244.1.7 web-0 prod Ready",
                "10.244.1.8 - prod NotReady",
                "10.244.1.9 - prod NotReady",
                "10.244.1.12 leaving prod Draining",
                "fd00:10:244:1::13 - prod Ready",
                "172.18.0.3 - prod Draining",
                "172.18.0.3 - prod Ready",
            ]
        );
    }

    #[test]
    fn the_wanted_family_is_found_wherever_it_stands() {
        let dual = r#"{"podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"},{"ip":"fd00::1"}]}"#;
        assert_eq!(with_status(dual, None), ["10.0.0.1 - prod Ready"]);
        assert_eq!(with_status(dual, Some(IpFamily::V4)), ["10.0.0.1 - prod Ready"]);
        assert_eq!(with_status(dual, Some(IpFamily::V6)), ["fd00::1 - prod Ready"]);
        let reversed = r#"{"podIP":"fd00::1","podIPs":[{"ip":"fd00::1"},{"ip":"10.0.0.1"},{"ip":"10.0.0.2"}]}"#;
        assert_eq!(with_status(reversed, None), ["fd00::1 - prod Ready"]);
        assert_eq!(with_status(reversed, Some(IpFamily::V4)), ["10.0.0.1 - prod Ready"]);
        assert_eq!(with_status(reversed, Some(IpFamily::V6)), ["fd00::1 - prod Ready"]);
    }

    /// So that it is counted as dropped, instead of going unseen.
    #[test]
    fn a_pod_without_the_wanted_family_is_handed_on_with_what_it_has() {
        let only_v6 = r#"{"podIP":"fd00::1","podIPs":[{"ip":"fd00::1"}]}"#;
        assert_eq!(with_status(only_v6, Some(IpFamily::V4)), ["fd00::1 - prod Ready"]);
        let nonsense = r#"{"podIP":"nonsense","podIPs":null}"#;
        assert_eq!(with_status(nonsense, Some(IpFamily::V4)), ["nonsense - prod Ready"]);
    }

    #[test]
    fn a_pod_without_an_address_is_none_yet() {
        for status in [
            "{}",
            "null",
            r#"{"podIP":null}"#,
            r#"{"podIP":""}"#,
            r#"{"podIPs":null}"#,
            r#"{"phase":"Pending"}"#,
        ] {
            assert!(with_status(status, None).is_empty(), "{status}");
        }
        assert!(candidates(&list_of(r#"{"metadata":{}}"#), None).is_empty());
    }

    #[test]
    fn only_the_condition_ready_decides() {
        for (conditions, standing) in [
            (r#"[{"type":"Ready","status":"True"}]"#, "Ready"),
            (r#"[{"type":"Ready","status":"False"}]"#, "NotReady"),
            (r#"[{"type":"Ready","status":"Unknown"}]"#, "NotReady"),
            (r#"[{"type":"Ready","status":"true"}]"#, "NotReady"),
            (r#"[{"type":"Ready"}]"#, "NotReady"),
            (r#"[{"type":"ContainersReady","status":"False"}]"#, "Ready"),
            (r#"[{"status":"False"}]"#, "Ready"),
            (r#"[{"type":"R\u0065ady","status":"F\u0061lse"}]"#, "NotReady"),
            ("[]", "Ready"),
            ("null", "Ready"),
        ] {
            let status = format!(r#"{{"podIP":"10.0.0.1","conditions":{conditions}}}"#);
            assert_eq!(
                with_status(&status, None),
                [format!("10.0.0.1 - prod {standing}")],
                "{conditions}"
            );
        }
    }

    #[test]
    fn a_finished_pod_is_none_even_while_it_is_deleted() {
        for phase in ["Succeeded", "Failed", "Fail\\u0065d"] {
            let pod = format!(
                r#"{{"metadata":{{"deletionTimestamp":"2026-08-04T13:00:31Z"}},"status":{{"phase":"{phase}","podIP":"10.0.0.1"}}}}"#
            );
            assert!(candidates(&list_of(&pod), None).is_empty(), "{phase}");
        }
        for phase in ["Running", "Pending", "Unknown", "succeeded", ""] {
            let status = format!(r#"{{"phase":"{phase}","podIP":"10.0.0.1"}}"#);
            assert_eq!(with_status(&status, None).len(), 1, "{phase}");
        }
    }
}
