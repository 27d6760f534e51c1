//! The parameters that lists and watches share, read and refused as the real server does.

use std::num::{IntErrorKind, ParseIntError};

use serde_json::Value;

use crate::answers::field_selector::FieldSelector;
use crate::answers::selector::Selector;
use crate::answers::status::Status;
use crate::protocol::http::Request;
use crate::state::resources::Resource;

/// What a request selects, by labels and by fields.
#[derive(Debug)]
pub(crate) struct Selection {
    labels: Selector,
    fields: FieldSelector,
}

impl Selection {
    pub(crate) fn read(request: &Request, resource: &Resource) -> Result<Self, Status> {
        let text = |name: &str| request.parameter(name).unwrap_or_default();
        Ok(Self {
            labels: Selector::parse(text("labelSelector")).map_err(Status::bad_request)?,
            fields: FieldSelector::parse(text("fieldSelector"), resource).map_err(Status::bad_request)?,
        })
    }

    /// Whether this selects everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether this object is selected.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.labels.matches(object["metadata"]["labels"].as_object()) && self.fields.matches(object)
    }
}

/// A parameter that is a number, 0 when absent.
pub(crate) fn number(request: &Request, name: &str) -> Result<i64, Status> {
    let text = request.parameter(name).unwrap_or_default();
    if text.is_empty() {
        return Ok(0);
    }
    text.parse()
        .map_err(|error| Status::bad_request(number_error("ParseInt", text, &error)))
}

/// The version that a request names.
pub(crate) fn version(request: &Request) -> Result<Option<u64>, Status> {
    let text = request.parameter("resourceVersion").unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    // Rust would take a leading plus.
    let parsed = if text.starts_with('+') {
        "+".parse()
    } else {
        text.parse()
    };
    parsed.map(Some).map_err(|error| {
        let reason = number_error("ParseUint", text, &error);
        Status::malformed_version(format!("resourceVersion: Invalid value: {text:?}: {reason}"))
    })
}

/// In the words of Go.
fn number_error(function: &str, text: &str, error: &ParseIntError) -> String {
    let reason = match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
        _ => "invalid syntax",
    };
    format!("strconv.{function}: parsing {text:?}: {reason}")
}
