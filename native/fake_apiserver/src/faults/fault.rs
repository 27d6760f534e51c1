//! A fault: what goes wrong, and when.
//!
//! A new kind is a variant of [`Action`], a line in `Action::from_json` (`from_json.rs`) and an arm in `misbehave.rs`.

use std::time::Duration;

use crate::answers::target::Target;

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
    pub(super) resource: Option<String>,
    pub(super) verb: Option<String>,
    pub(super) action: Action,
    /// How often it strikes; for ever when absent.
    pub(super) times: Option<u64>,
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

    /// Whether it strikes before TLS.
    pub(super) fn is_at_accept(&self) -> bool {
        self.at == Stage::Accept
    }

    /// Whether it strikes a request like this one.
    pub(super) fn fits(&self, target: &Target) -> bool {
        let resource = self.resource.as_deref();
        let verb = self.verb.as_deref();
        self.at == Stage::Request
            && resource.is_none_or(|resource| target.resource() == Some(resource))
            && verb.is_none_or(|verb| target.verb() == verb)
            && (target.verb() == "watch" || !self.action.is_for_watches())
    }

    /// What could never strike as written is a mistake in the test.
    pub(super) fn check(&self) -> Result<(), String> {
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
}
