//! One page of a list answer, read without copying what is not needed.
//!
//! A page that is not what the API documents is an error as a whole: to take half of it would be to take the members
//! of the other half for gone. What the API allows to be absent, or `null` (Go writes an empty slice so), is fine.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

use crate::candidate::Candidate;
use crate::config::IpFamily;
use crate::error::{Error, Kind, printable};

/// A kind of object that carries candidates.
pub(crate) trait Resource<'a>: Deserialize<'a> {
    /// The `kind` of the list.
    const LIST_KIND: &'static str;

    /// Calls `found` with each candidate of this object.
    fn candidates(&self, family: Option<IpFamily>, found: &mut dyn FnMut(Candidate<'_>));

    /// Something about this object that its users should know.
    fn warning(&self) -> Option<String> {
        None
    }
}

/// A page: its objects and where the list goes on.
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub(crate) struct Page<'a, T> {
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    pub(crate) metadata: PageMeta<'a>,
    #[serde(deserialize_with = "null_as_empty")]
    pub(crate) items: Vec<T>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageMeta<'a> {
    #[serde(borrow)]
    pub(crate) resource_version: Text<'a>,
    #[serde(borrow, rename = "continue")]
    next: Option<Text<'a>>,
}

impl<'a, T: Resource<'a>> Page<'a, T> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let page: Self = serde_json::from_slice(body).map_err(|error| malformed(&error.to_string()))?;
        if page.kind.as_str() == T::LIST_KIND {
            Ok(page)
        } else {
            let kind = printable(page.kind.as_str());
            Err(malformed(&format!(
                "its kind is {kind:?} instead of {:?}",
                T::LIST_KIND
            )))
        }
    }

    /// The token of the next page, if this is not the last.
    pub(crate) fn next(&self) -> Option<&str> {
        self.metadata
            .next
            .as_ref()
            .map(Text::as_str)
            .filter(|token| !token.is_empty())
    }
}

fn malformed(why: &str) -> Error {
    Error::new(
        Kind::Malformed,
        format!("the answer is not the list that was asked for: {why}"),
    )
}

/// A string of the answer: borrowed, unless it has escapes. (serde borrows a `Cow` only when it stands by itself.)
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text of an optional string.
pub(crate) fn text<'t>(text: Option<&'t Text<'_>>) -> Option<&'t str> {
    text.map(Text::as_str)
}

pub(crate) fn null_as_empty<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
