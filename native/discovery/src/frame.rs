//! One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::config::{Config, Source};
use crate::endpoint_slices::EndpointSlices;
use crate::endpoints::EndpointsKind;
use crate::error::{Error, Kind, printable};
use crate::pods::PodKind;
use crate::reflector::Entry;
use crate::resource::{Metadata, Object, Resource, ResourceKind, Text, object};
use crate::status::Status;

/// A frame, with its object reduced to what counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// The object is now so.
    Upsert { key: String, entry: Entry, version: String },
    /// The object is gone.
    Delete { key: String, version: String },
    /// Nothing but a newer version.
    Bookmark { version: String },
    /// The server ends the stream for this reason.
    Error { code: u16, message: String },
}

impl Frame {
    pub(crate) fn parse(line: &[u8], config: &Config) -> Result<Self, Error> {
        match config.source {
            Source::Endpoints => Self::parse_kind::<EndpointsKind>(line, config),
            Source::EndpointSlices => Self::parse_kind::<EndpointSlices>(line, config),
            Source::Pods => Self::parse_kind::<PodKind>(line, config),
        }
    }

    fn parse_kind<K: ResourceKind>(line: &[u8], config: &Config) -> Result<Self, Error> {
        let Object(envelope): Object<Envelope<'_>> =
            serde_json::from_slice(line).map_err(|error| malformed(&error.to_string()))?;
        match envelope.kind.as_str() {
            "ADDED" | "MODIFIED" => {
                let object: K::Object<'_> = read(envelope.object)?;
                Ok(Self::Upsert {
                    key: required("metadata.name", object.name())?,
                    version: required("metadata.resourceVersion", object.resource_version())?,
                    entry: Entry::read(&object, config),
                })
            }
            "DELETED" => {
                let object: Bare<'_> = read(envelope.object)?;
                Ok(Self::Delete {
                    key: required("metadata.name", object.metadata.name())?,
                    version: required("metadata.resourceVersion", object.metadata.resource_version())?,
                })
            }
            "BOOKMARK" => {
                let object: Bare<'_> = read(envelope.object)?;
                Ok(Self::Bookmark {
                    version: required("metadata.resourceVersion", object.metadata.resource_version())?,
                })
            }
            "ERROR" => {
                let status: Status = read(envelope.object)?;
                Ok(Self::Error {
                    code: status.code.unwrap_or_default(),
                    message: printable(&status.message.unwrap_or_default()),
                })
            }
            other => Err(malformed(&format!("unknown type {:?}", printable(other)))),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// An object of which only the metadata counts.
#[derive(Debug, Deserialize)]
struct Bare<'a> {
    #[serde(borrow, deserialize_with = "object")]
    metadata: Metadata<'a>,
}

fn read<'a, T: Deserialize<'a>>(object: &'a RawValue) -> Result<T, Error> {
    let Object(object) = serde_json::from_str(object.get()).map_err(|error| malformed(&error.to_string()))?;
    Ok(object)
}

fn required(what: &str, value: Option<&str>) -> Result<String, Error> {
    match value {
        Some(value) if !value.is_empty() => Ok(value.to_owned()),
        _ => Err(malformed(&format!("its object has no {what}"))),
    }
}

fn malformed(why: &str) -> Error {
    Error::new(
        Kind::Malformed,
        format!("a line of the watch is not a watch event: {}", printable(why)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::config;

    fn parse(line: &str) -> Result<Frame, Error> {
        Frame::parse(line.as_bytes(), &config(Source::Endpoints))
    }

    #[test]
    fn each_type_is_read() {
        let object = r#"{"kind":"Endpoints","metadata":{"name":"app","namespace":"ns","resourceVersion":"7"},
            "subsets":[{"addresses":[{"ip":"10.0.0.1"}]}]}"#;
        for kind in ["ADDED", "MODIFIED"] {
            match parse(&format!(r#"{{"type":"{kind}","object":{object}}}"#)).unwrap() {
                Frame::Upsert { key, entry, version } => {
                    assert_eq!((key.as_str(), version.as_str()), ("app", "7"));
                    assert_eq!(entry.named[0].name, "app@10.0.0.1");
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(
            parse(&format!(r#"{{"type":"DELETED","object":{object}}}"#)).unwrap(),
            Frame::Delete {
                key: "app".to_owned(),
                version: "7".to_owned()
            }
        );
        let bookmark = r#"{"type":"BOOKMARK","object":{"kind":"Endpoints","metadata":{"resourceVersion":"9","creationTimestamp":null},"subsets":null}}"#;
        assert_eq!(
            parse(bookmark).unwrap(),
            Frame::Bookmark {
                version: "9".to_owned()
            }
        );
        let gone = r#"{"type":"ERROR","object":{"kind":"Status","message":"too old resource version: 1 (5)","reason":"Expired","code":410}}"#;
        assert_eq!(
            parse(gone).unwrap(),
            Frame::Error {
                code: 410,
                message: "too old resource version: 1 (5)".to_owned()
            }
        );
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for line in [
            "",
            "garbage",
            "{}",
            "[]",
            r#"{"type":"ADDED"}"#,
            r#"{"type":"ADDED","object":null}"#,
            r#"{"type":"ADDED","object":{}}"#,
            r#"{"type":"ADDED","object":{"metadata":{"name":"a"}}}"#,
            r#"{"type":"ADDED","object":{"metadata":{"resourceVersion":"1"}}}"#,
            r#"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"1"},"subsets":7}}"#,
            r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":""}}}"#,
            r#"{"type":"RENAMED","object":{"metadata":{"name":"a","resourceVersion":"1"}}}"#,
            r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"1"}}} trailing"#,
        ] {
            assert_eq!(parse(line).unwrap_err().kind, Kind::Malformed, "{line}");
        }
    }
}
