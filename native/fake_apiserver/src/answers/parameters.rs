//! The parameters that lists and watches share, read and refused as the real server does.

use std::num::{IntErrorKind, ParseIntError};

use crate::answers::selector::Selector;
use crate::answers::status::Status;
use crate::protocol::http::Request;

/// The label selector; field selectors are refused.
pub(crate) fn selector(request: &Request) -> Result<Selector, Status> {
    if request
        .parameter("fieldSelector")
        .is_some_and(|value| !value.is_empty())
    {
        // Ignoring it would show a client objects that the real server hides.
        return Err(Status::bad_request("this fake API server has no field selectors"));
    }
    Selector::parse(request.parameter("labelSelector").unwrap_or_default()).map_err(Status::bad_request)
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
