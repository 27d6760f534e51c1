//! How the control port writes faults.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::faults::fault::{Action, Fault};
use crate::json;

impl Fault {
    /// Reads one element of the body of `PUT /faults`.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        let known = ["at", "resource", "verb", "do", "times"];
        let fields = json::object(value, "a fault", &known)?;
        let action = Action::from_json(fields.get("do").ok_or("\"do\" is missing")?)?;
        let mut fault = match json::string(fields, "at")?.as_str() {
            "accept" => Self::on_accept(action),
            "request" => Self::on_request(action),
            other => return Err(format!("\"at\" is accept or request, not {other:?}")),
        };
        fault.resource = json::optional_string(fields, "resource")?;
        fault.verb = json::optional_string(fields, "verb")?;
        fault.times = json::optional_number(fields, "times")?;
        fault.check()?;
        Ok(fault)
    }

    /// Reads the body of `PUT /faults`.
    pub fn list_from_json(value: &Value) -> Result<Vec<Self>, String> {
        let list = value.as_array().ok_or("faults must be a list")?;
        list.iter().map(Self::from_json).collect()
    }
}

impl Action {
    fn from_json(value: &Value) -> Result<Self, String> {
        let (kind, detail) = match value {
            Value::String(kind) => (kind.as_str(), &Value::Null),
            Value::Object(fields) if fields.len() == 1 => {
                let (kind, detail) = fields.iter().next().ok_or("\"do\" is empty")?;
                (kind.as_str(), detail)
            }
            _ => return Err("\"do\" is a word or an object with one field".to_owned()),
        };
        let text = || {
            let text = detail.as_str().map(str::to_owned);
            text.ok_or_else(|| format!("{kind:?} needs a string"))
        };
        let size = |value: &Value| {
            let size = value.as_u64().and_then(|size| usize::try_from(size).ok());
            size.ok_or_else(|| format!("{kind:?} needs a whole number"))
        };
        match kind {
            "status" => status_from_json(detail),
            "hang" => Ok(Self::Hang),
            "hang_in_handshake" => Ok(Self::HangInHandshake),
            "hang_after_bytes" => size(detail).map(Self::HangAfterBytes),
            "reset" => Ok(Self::Reset),
            "close" => Ok(Self::Close),
            "headers_then_hang" => Ok(Self::HeadersThenHang),
            "endless_body" => Ok(Self::EndlessBody),
            "endless_bookmarks" => Ok(Self::EndlessBookmarks),
            "cut_after_bytes" => size(detail).map(Self::CutAfterBytes),
            "huge_frame" => size(detail).map(Self::HugeFrame),
            "truncate_body" => size(detail).map(Self::TruncateBody),
            "drip" | "drip_head" => {
                let fields = json::object(detail, kind, &["bytes", "every_ms"])?;
                let every = Duration::from_millis(json::optional_number(fields, "every_ms")?.unwrap_or(0));
                let bytes = size(&detail["bytes"])?.max(1);
                Ok(if kind == "drip" {
                    Self::Drip { bytes, every }
                } else {
                    Self::DripHead { bytes, every }
                })
            }
            "raw_body" => text().map(Self::RawBody),
            "raw_response" if detail.is_object() => bytes_from_json(detail),
            "raw_response" => text().map(Self::RawResponse),
            other => Err(format!("{other:?} is no kind of fault")),
        }
    }
}

/// JSON holds no bytes; a string of the first 256 characters does.
fn bytes_from_json(value: &Value) -> Result<Action, String> {
    let fields = json::object(value, "raw_response", &["latin1", "keep_alive"])?;
    let text = json::string(fields, "latin1")?;
    let bytes = text.chars().map(u8::try_from).collect::<Result<_, _>>();
    let keep_alive = match fields.get("keep_alive") {
        None => false,
        Some(keep_alive) => keep_alive.as_bool().ok_or("\"keep_alive\" is true or false")?,
    };
    Ok(Action::RawBytes {
        bytes: bytes.map_err(|_| "\"latin1\" has a character beyond ÿ")?,
        keep_alive,
    })
}

fn status_from_json(value: &Value) -> Result<Action, String> {
    let fields = json::object(value, "status", &["code", "body", "headers"])?;
    let code = json::optional_number(fields, "code")?
        .and_then(|code| u16::try_from(code).ok())
        .filter(|code| (200..1000).contains(code))
        .ok_or("\"code\" must be a status from 200 to 999")?;
    let body = match fields.get("body") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(json) => Some(json.to_string()),
    };
    let none = Map::new();
    let given = match fields.get("headers") {
        None | Some(Value::Null) => &none,
        Some(Value::Object(headers)) => headers,
        Some(_) => return Err("\"headers\" must be an object".to_owned()),
    };
    let headers = given.iter().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name.clone(), text)
    });
    Ok(Action::Status {
        code,
        body,
        headers: headers.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn mistakes_in_faults_are_refused() {
        for bad in [
            json!({}),
            json!([]),
            json!({"at": "request"}),
            json!({"at": "later", "do": "hang"}),
            json!({"at": "request", "do": "explode"}),
            json!({"at": "request", "do": "hang", "time": 1}),
            json!({"at": "request", "do": "hang", "times": -1}),
            json!({"at": "accept", "do": "hang", "resource": "pods"}),
            json!({"at": "accept", "do": {"truncate_body": 1}}),
            json!({"at": "request", "do": {"truncate_body": "x"}}),
            json!({"at": "request", "do": {"status": {"code": 42}}}),
            json!({"at": "request", "do": {"hang": true, "close": true}}),
            json!({"at": "request", "do": {"drip": {"every_ms": 1}}}),
            json!({"at": "request", "do": "raw_body"}),
            json!({"at": "request", "do": "hang_in_handshake"}),
            json!({"at": "request", "do": {"raw_response": {"latin1": "\u{100}"}}}),
            json!({"at": "accept", "do": {"raw_response": {"latin1": "", "keep_alive": true}}}),
        ] {
            assert!(Fault::from_json(&bad).is_err(), "{bad}");
        }
    }
}
