//! Field selectors, read and refused as the real server does, in its words: each kind of object has few fields that can be
//! selected by.

use serde_json::Value;

use crate::state::resources::Resource;

/// What every kind has.
const COMMON: [&str; 2] = ["metadata.name", "metadata.namespace"];
/// What pods have beside that, of what the real server knows.
const OF_PODS: [&str; 4] = ["spec.nodeName", "spec.restartPolicy", "status.phase", "status.podIP"];

/// A parsed field selector: every requirement must hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSelector(Vec<Requirement>);

#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    field: String,
    value: String,
    equal: bool,
}

impl FieldSelector {
    /// Reads a selector; the empty one selects everything.
    pub(crate) fn parse(text: &str, resource: &Resource) -> Result<Self, String> {
        let parts = text.split(',').filter(|part| !part.is_empty());
        let requirements = parts.map(|part| {
            let requirement = Requirement::parse(part)
                .ok_or_else(|| format!("invalid selector: '{text}'; can't understand '{part}'"))?;
            requirement.check(resource)?;
            Ok(requirement)
        });
        requirements.collect::<Result<_, _>>().map(Self)
    }

    /// Whether this selects everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this object is selected.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|requirement| {
            let pointer = format!("/{}", requirement.field.replace('.', "/"));
            // What is absent is empty.
            let value = object.pointer(&pointer).and_then(Value::as_str).unwrap_or_default();
            (value == requirement.value) == requirement.equal
        })
    }
}

impl Requirement {
    fn parse(text: &str) -> Option<Self> {
        let at = text.find('=')?;
        let (field, equal) = match text[..at].strip_suffix('!') {
            Some(field) => (field, false),
            None => (&text[..at], true),
        };
        let value = text[at + 1..]
            .strip_prefix('=')
            .filter(|_| equal)
            .unwrap_or(&text[at + 1..]);
        Some(Self {
            field: field.to_owned(),
            value: value.to_owned(),
            equal,
        })
    }

    fn check(&self, resource: &Resource) -> Result<(), String> {
        let field = self.field.as_str();
        let of_pods = resource.plural == "pods";
        if COMMON.contains(&field) || (of_pods && OF_PODS.contains(&field)) {
            Ok(())
        } else if of_pods {
            Err(format!("field label not supported: {field}"))
        } else {
            let [name, namespace] = COMMON;
            Err(format!(
                "\"{field}\" is not a known field selector: only \"{name}\", \"{namespace}\""
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(text: &str, plural: &str) -> Result<FieldSelector, String> {
        FieldSelector::parse(text, Resource::named(plural).unwrap())
    }

    #[test]
    fn every_requirement_must_hold() {
        let pod = json!({"metadata": {"name": "web-0", "namespace": "prod"}, "status": {"phase": "Running"}});
        for (selector, selected) in [
            ("", true),
            (",", true),
            ("metadata.name=web-0", true),
            ("metadata.name==web-0,metadata.namespace=prod", true),
            ("metadata.name=web-0,metadata.namespace=test", false),
            ("status.phase!=Running", false),
            ("status.phase!=Failed", true),
            ("spec.nodeName=", true),
            ("spec.nodeName!=", false),
        ] {
            assert_eq!(parse(selector, "pods").unwrap().matches(&pod), selected, "{selector}");
        }
    }

    /// As Kubernetes 1.37 answers.
    #[test]
    fn what_is_not_known_is_refused_in_the_real_words() {
        for (selector, plural, words) in [
            ("foo=bar", "pods", "field label not supported: foo"),
            ("metadata.name = x", "pods", "field label not supported: metadata.name "),
            ("foo", "pods", "invalid selector: 'foo'; can't understand 'foo'"),
            ("a,,b=c", "pods", "invalid selector: 'a,,b=c'; can't understand 'a'"),
            (
                "status.phase=Running",
                "endpoints",
                "\"status.phase\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
            ),
        ] {
            assert_eq!(parse(selector, plural).unwrap_err(), words);
        }
    }
}
