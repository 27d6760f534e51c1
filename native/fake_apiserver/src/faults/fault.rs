//! Faults on demand: what they are, when they strike, and how the control port writes them.
//!
//! A new kind is a variant of [`Action`], a line in `Action::from_json` and an arm in
//! `misbehave.rs`.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::api::Target;
use crate::json;
use crate::sync::lock;

/// When a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// After TCP accepted, before TLS.
    Accept,
    /// After a request was read.
    Request,
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Answers with a status; without a body, with the `Status` that belongs to the code.
    Status {
        /// The status code.
        code: u16,
        /// The body as it is.
        body: Option<String>,
        /// Further headers.
        headers: Vec<(String, String)>,
    },
    /// Never answers, until the faults change or the peer closes.
    Hang,
    /// Answers the client's greeting with the first bytes of the server's, and then nothing.
    HangInHandshake,
    /// Sends so many bytes of the right answer, counted from the start of its head, and then nothing.
    HangAfterBytes(usize),
    /// Closes with an RST.
    Reset,
    /// Closes without an answer.
    Close,
    /// Sends the head of the right answer and then nothing.
    HeadersThenHang,
    /// Announces the right answer's length and closes after that many bytes of the body.
    TruncateBody(usize),
    /// Sends the body of the right answer in small pieces.
    Drip {
        /// The size of a piece.
        bytes: usize,
        /// The pause after each.
        every: Duration,
    },
    /// Sends the head of the right answer in small pieces, and then the rest as it should be.
    DripHead {
        /// The size of a piece.
        bytes: usize,
        /// The pause after each.
        every: Duration,
    },
    /// Answers 200 with this body.
    RawBody(String),
    /// Writes these bytes and closes; at accept in plain text, without TLS.
    RawResponse(String),
    /// Writes these bytes, which need not be text; at accept without TLS.
    RawBytes {
        /// What to write.
        bytes: Vec<u8>,
        /// Whether the connection lives on after it.
        keep_alive: bool,
    },
    /// Answers 200 with a list that never ends.
    EndlessBody,
    /// A watch that is cut after so many bytes of the body.
    CutAfterBytes(usize),
    /// A watch that sends bookmarks without a pause, and nothing else.
    EndlessBookmarks,
    /// A watch whose first frame is a line of so many bytes.
    HugeFrame(usize),
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    at: Stage,
    resource: Option<String>,
    verb: Option<String>,
    action: Action,
    /// How often it strikes; for ever when absent.
    times: Option<u64>,
}

impl Fault {
    /// A fault in place of the TLS handshake: hang, reset, close or a raw response.
    pub fn on_accept(action: Action) -> Self {
        Self {
            at: Stage::Accept,
            resource: None,
            verb: None,
            action,
            times: None,
        }
    }

    /// A fault in place of an answer.
    pub fn on_request(action: Action) -> Self {
        Self {
            at: Stage::Request,
            ..Self::on_accept(action)
        }
    }

    /// Only for requests about this resource.
    #[must_use]
    pub fn resource(mut self, plural: &str) -> Self {
        self.resource = Some(plural.to_owned());
        self
    }

    /// Only for requests with this verb, `list` or `watch`.
    #[must_use]
    pub fn verb(mut self, verb: &str) -> Self {
        self.verb = Some(verb.to_owned());
        self
    }

    /// Only so many times.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

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

    /// What could never strike as written is a mistake in the test.
    fn check(&self) -> Result<(), String> {
        let early = matches!(
            self.action,
            Action::Hang
                | Action::HangInHandshake
                | Action::Reset
                | Action::Close
                | Action::RawResponse(_)
                | Action::RawBytes { keep_alive: false, .. }
        );
        let filtered = self.resource.is_some() || self.verb.is_some();
        if self.at == Stage::Accept && filtered {
            return Err("a fault at accept knows no resource and no verb yet".to_owned());
        }
        if self.action.is_for_watches() && self.verb.as_deref().is_some_and(|verb| verb != "watch") {
            return Err("this fault is for watches only".to_owned());
        }
        if self.at == Stage::Accept && !early {
            let allowed = "hang, hang_in_handshake, reset, close and raw_response that closes";
            return Err(format!("at accept there are only {allowed}"));
        }
        if self.at == Stage::Request && self.action == Action::HangInHandshake {
            return Err("the handshake is over when a request is read".to_owned());
        }
        Ok(())
    }
}

impl Action {
    /// Whether it needs a watch; then it strikes no other requests.
    fn is_for_watches(&self) -> bool {
        matches!(
            self,
            Self::CutAfterBytes(_) | Self::EndlessBookmarks | Self::HugeFrame(_)
        )
    }

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

/// The faults in force.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<InForce>);

#[derive(Debug, Default)]
struct InForce {
    list: Vec<Fault>,
    generation: u64,
}

/// A fault that strikes, and the generation of faults it is from.
#[derive(Debug)]
pub(crate) struct Strike {
    pub(crate) action: Action,
    pub(crate) generation: u64,
}

impl Faults {
    /// Replaces all faults.
    pub(crate) fn replace(&self, list: Vec<Fault>) {
        let mut in_force = lock(&self.0);
        in_force.list = list;
        in_force.generation += 1;
    }

    /// Whether the faults are still those of this generation.
    pub(crate) fn unchanged_since(&self, generation: u64) -> bool {
        lock(&self.0).generation == generation
    }

    pub(crate) fn on_accept(&self) -> Option<Strike> {
        self.strike(|fault| fault.at == Stage::Accept)
    }

    pub(crate) fn on_request(&self, target: &Target) -> Option<Strike> {
        self.strike(|fault| {
            let resource = fault.resource.as_deref();
            let verb = fault.verb.as_deref();
            fault.at == Stage::Request
                && resource.is_none_or(|resource| target.resource() == Some(resource))
                && verb.is_none_or(|verb| target.verb() == verb)
                && (target.verb() == "watch" || !fault.action.is_for_watches())
        })
    }

    /// The first fault that fits and is not used up.
    fn strike(&self, fits: impl Fn(&Fault) -> bool) -> Option<Strike> {
        let mut in_force = lock(&self.0);
        let generation = in_force.generation;
        let fault = in_force
            .list
            .iter_mut()
            .find(|fault| fault.times != Some(0) && fits(fault))?;
        fault.times = fault.times.map(|times| times - 1);
        let action = fault.action.clone();
        Some(Strike { action, generation })
    }
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

    #[test]
    fn a_fault_strikes_as_often_as_it_says() {
        let faults = Faults::default();
        let close = Fault::on_request(Action::Close).times(2);
        faults.replace(vec![close, Fault::on_accept(Action::Hang)]);
        let next = || faults.on_request(&Target::Version).map(|s| s.action);
        assert_eq!(next(), Some(Action::Close));
        assert_eq!(next(), Some(Action::Close));
        assert_eq!(next(), None);
        assert!(faults.on_accept().is_some());
    }

    #[test]
    fn filters_choose_resource_and_verb() {
        let faults = Faults::default();
        let hang = Fault::on_request(Action::Hang);
        faults.replace(vec![hang.clone().resource("pods"), hang.verb("get")]);
        assert!(faults.on_request(&Target::Version).is_some());
        let endpoints = Target::Collection {
            resource: crate::resources::Resource::named("endpoints").unwrap(),
            namespace: None,
            watch: false,
        };
        assert!(faults.on_request(&endpoints).is_none());
    }
}
