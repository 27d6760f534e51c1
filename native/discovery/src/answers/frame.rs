//! One event of a watch: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::answers::page::is_version;
use crate::answers::pieces::Delimiter;
use crate::config::Source;
use crate::encoding::json::{Object, object};
use crate::encoding::protobuf::{self, Malformed, Message, Value};
use crate::encoding::text::Text;
use crate::error::{Error, Kind, WHO_ANSWERS, printable};
use crate::objects::endpoint_slices::EndpointSlices;
use crate::objects::endpoints::EndpointsKind;
use crate::objects::metadata::Metadata;
use crate::objects::pods::PodKind;
use crate::objects::resource::{Resource, ResourceKind};
use crate::server::credentials::Token;
use crate::server::status::Status;

/// A frame, with what is kept of its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame<T> {
    /// The object is now so.
    Upsert { key: String, kept: T, version: String },
    /// The object is gone.
    Delete { key: String, version: String },
    /// Nothing but a newer version.
    Bookmark { version: String },
}

impl<T> Frame<T> {
    /// Reads a piece of the stream, and lets nothing of the token through but by `keep`. The ERROR that a server ends a
    /// stream with is an error with its status; one without a status is ours.
    pub(crate) fn read(
        piece: &[u8],
        delimiter: Delimiter,
        token: &Token,
        source: Source,
        keep: impl FnOnce(&dyn Resource<'_>) -> T,
    ) -> Result<Self, Error> {
        token.refuse_echo(piece)?;
        Self::parse(piece, delimiter, source, keep).map_err(|error| token.conceal_in(error))
    }

    fn parse(
        piece: &[u8],
        delimiter: Delimiter,
        source: Source,
        keep: impl FnOnce(&dyn Resource<'_>) -> T,
    ) -> Result<Self, Error> {
        let event = match delimiter {
            Delimiter::LineFeed => {
                let Object(envelope): Object<Envelope<'_>> = serde_json::from_slice(piece).map_err(malformed)?;
                WatchEvent {
                    kind: envelope.kind,
                    object: Encoded::Json(envelope.object),
                }
            }
            Delimiter::Length => WatchEvent::decode(piece).map_err(malformed)?,
        };
        match source {
            Source::Endpoints => Self::of::<EndpointsKind>(&event, keep),
            Source::EndpointSlices => Self::of::<EndpointSlices>(&event, keep),
            Source::Pods => Self::of::<PodKind>(&event, keep),
        }
    }

    /// The position mark of this change.
    pub(crate) fn version(&self) -> &str {
        match self {
            Self::Upsert { version, .. } | Self::Delete { version, .. } | Self::Bookmark { version } => version,
        }
    }

    fn of<K: ResourceKind>(event: &WatchEvent<'_>, keep: impl FnOnce(&dyn Resource<'_>) -> T) -> Result<Self, Error> {
        match event.kind.as_str() {
            "ADDED" | "MODIFIED" => {
                let object: K::Object<'_> = event.object.read()?;
                Ok(Self::Upsert {
                    key: key(object.metadata())?,
                    version: version(object.metadata())?,
                    kept: keep(&object),
                })
            }
            "DELETED" => {
                let object: Bare<'_> = event.object.read()?;
                Ok(Self::Delete {
                    key: key(&object.metadata)?,
                    version: version(&object.metadata)?,
                })
            }
            "BOOKMARK" => {
                let object: Bare<'_> = event.object.read()?;
                Ok(Self::Bookmark {
                    version: version(&object.metadata)?,
                })
            }
            "ERROR" => {
                let status: Status<'_> = event.object.read()?;
                Err(status.end_of_watch())
            }
            other => Err(malformed(format!("unknown type {:?}", printable(other)))),
        }
    }
}

/// What an event is, and its object as it came.
#[derive(Default)]
struct WatchEvent<'a> {
    kind: Text<'a>,
    object: Encoded<'a>,
}

/// `WatchEvent`
impl<'a> Message<'a> for WatchEvent<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.kind = value.text()?.unwrap_or_default(),
            // `RawExtension`
            2 => self.object = Encoded::Protobuf(value.message::<Raw<'_>>()?.0),
            _ => {}
        }
        Ok(())
    }
}

#[derive(Default)]
struct Raw<'a>(&'a [u8]);

impl<'a> Message<'a> for Raw<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        if number == 1 {
            self.0 = value.bytes()?;
        }
        Ok(())
    }
}

#[derive(Default)]
enum Encoded<'a> {
    #[default]
    Missing,
    Json(&'a RawValue),
    Protobuf(&'a [u8]),
}

impl<'a> Encoded<'a> {
    fn read<T: Deserialize<'a> + Message<'a>>(&self) -> Result<T, Error> {
        match self {
            Self::Missing => Err(malformed("it has no object")),
            Self::Json(object) => {
                let Object(object) = serde_json::from_str(object.get()).map_err(malformed)?;
                Ok(object)
            }
            Self::Protobuf(object) => {
                let envelope = protobuf::Envelope::open(object).map_err(malformed)?;
                T::decode(envelope.object).map_err(malformed)
            }
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
#[derive(Debug, Default, Deserialize)]
struct Bare<'a> {
    #[serde(borrow, deserialize_with = "object")]
    metadata: Metadata<'a>,
}

impl<'a> Message<'a> for Bare<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        if number == 1 {
            self.metadata.merge(value.bytes()?)?;
        }
        Ok(())
    }
}

fn key(metadata: &Metadata<'_>) -> Result<String, Error> {
    metadata.key().ok_or_else(|| lacks("metadata.name"))
}

fn version(metadata: &Metadata<'_>) -> Result<String, Error> {
    let version = metadata.resource_version().filter(|version| is_version(version));
    version
        .map(str::to_owned)
        .ok_or_else(|| lacks("metadata.resourceVersion"))
}

fn lacks(what: &str) -> Error {
    malformed(format!("its object has no {what}, or none that can be"))
}

fn malformed(why: impl fmt::Display) -> Error {
    let why = printable(&why.to_string());
    Error::new(Kind::Malformed, format!("what the watch sent is no event: {why}")).advise(WHO_ANSWERS)
}

#[cfg(test)]
mod tests;
