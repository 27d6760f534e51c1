//! What the kinds of objects have in common: their `metadata`, and the reference to a pod.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::encoding::json::optional_object;
use crate::encoding::protobuf::{Malformed, Message, Value};
use crate::encoding::text::{Text, text};

const MAX_NAME_BYTES: usize = 253;

/// The parts of `metadata` that every kind of object needs.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    namespace: Option<Text<'a>>,
    #[serde(borrow)]
    resource_version: Option<Text<'a>>,
    #[serde(borrow)]
    deletion_timestamp: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "optional_object")]
    annotations: Option<Annotations<'a>>,
    #[serde(borrow, default)]
    labels: Labels<'a>,
}

#[derive(Debug, Deserialize)]
struct Annotations<'a> {
    #[serde(borrow, rename = "endpoints.kubernetes.io/over-capacity")]
    over_capacity: Option<Text<'a>>,
}

impl Metadata<'_> {
    /// `metadata.name`, which is unique in a namespace. One that is too long to be one is none: names are kept.
    /// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#names>
    pub(crate) fn name(&self) -> Option<&str> {
        text(self.name.as_ref()).filter(|name| name.len() <= MAX_NAME_BYTES)
    }

    /// What sets an object apart from all others of its kind. `/` is in no name of an object or a namespace.
    pub(crate) fn key(&self) -> Option<String> {
        let name = self.name().filter(|name| !name.is_empty())?;
        let namespace = self.namespace().unwrap_or_default();
        (namespace.len() <= MAX_NAME_BYTES).then(|| [namespace, "/", name].concat())
    }

    pub(crate) fn namespace(&self) -> Option<&str> {
        text(self.namespace.as_ref())
    }

    /// `metadata.resourceVersion`, the position mark of the object's last change.
    pub(crate) fn resource_version(&self) -> Option<&str> {
        text(self.resource_version.as_ref())
    }

    pub(crate) fn is_being_deleted(&self) -> bool {
        self.deletion_timestamp.is_some()
    }

    /// The value of a label.
    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        let Labels(labels) = &self.labels;
        // A map has each key once; if not, the last counts, in both encodings.
        labels
            .iter()
            .rev()
            .find(|(known, _)| known.as_str() == key)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_over_capacity(&self) -> bool {
        self.annotations
            .as_ref()
            .is_some_and(|annotations| annotations.over_capacity.is_some())
    }
}

/// `ObjectMeta`
impl<'a> Message<'a> for Metadata<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.name = value.text()?,
            3 => self.namespace = value.text()?,
            6 => self.resource_version = value.text()?,
            // That there is one is all that counts.
            9 => self.deletion_timestamp = Some(Text::borrowed("")),
            11 => {
                let label: Entry<'_> = value.message()?;
                if let (Ok(key), Ok(value)) = (str::from_utf8(label.key), str::from_utf8(label.value)) {
                    self.labels.0.push((Text::borrowed(key), Text::borrowed(value)));
                }
            }
            12 => {
                let annotation: Entry<'_> = value.message()?;
                if annotation.key == OVER_CAPACITY.as_bytes() {
                    let over_capacity = Some(Text::borrowed(""));
                    self.annotations = Some(Annotations { over_capacity });
                }
            }
            _ => {}
        }
        Ok(())
    }
}

const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";

/// The labels of an object.
#[derive(Debug, Default)]
struct Labels<'a>(Vec<(Text<'a>, Text<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Labels<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LabelsVisitor;

        impl<'de> Visitor<'de> for LabelsVisitor {
            type Value = Labels<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of strings")
            }

            // Go writes an empty map as `null`.
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Labels::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut labels = Vec::new();
                while let Some(label) = map.next_entry()? {
                    labels.push(label);
                }
                Ok(Labels(labels))
            }
        }

        deserializer.deserialize_any(LabelsVisitor)
    }
}

/// An entry of a map.
#[derive(Default)]
struct Entry<'a> {
    key: &'a [u8],
    value: &'a [u8],
}

impl<'a> Message<'a> for Entry<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.key = value.bytes()?,
            2 => self.value = value.bytes()?,
            _ => {}
        }
        Ok(())
    }
}

/// The reference from an address to its pod.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct TargetRef<'a> {
    #[serde(borrow)]
    namespace: Option<Text<'a>>,
}

/// `ObjectReference`
impl<'a> Message<'a> for TargetRef<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        if number == 2 {
            self.namespace = value.text()?;
        }
        Ok(())
    }
}

/// The namespace of an address: its pod's where it names one, else the object's.
pub(crate) fn namespace<'t>(target: Option<&'t TargetRef<'_>>, metadata: &'t Metadata<'_>) -> Option<&'t str> {
    target
        .and_then(|target| text(target.namespace.as_ref()))
        .or(metadata.namespace())
}
