//! The one error of this crate: a kind to match on and a line to read.

use std::fmt;
use std::time::Duration;

/// What went wrong, as a closed list that users can match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 403: the role lacks the verb.
    Forbidden,
    /// 401: the token was not accepted.
    Unauthorized,
    /// 404: no such namespace, resource or API version.
    NotFound,
    /// 429: the server asks to come back later.
    RateLimited,
    /// Any other status than 200.
    Server,
    /// No TCP connection, or it broke.
    Connect,
    /// The API's host name could not be resolved.
    Dns,
    /// The TLS handshake failed: certificate, host name or protocol.
    Tls,
    /// `kubernetes_request_timeout` passed.
    Timeout,
    /// The answer is not what the API documents.
    Malformed,
    /// The answer is over one of our limits.
    TooLarge,
    /// A file of the service account is missing or unusable; nothing was sent.
    Credentials,
}

/// To an answer that is too much.
pub(crate) const CHECK_SELECTOR: &str = "Check kubernetes_selector";
/// To an answer that is none of the API.
pub(crate) const WHO_ANSWERS: &str = "Is kubernetes_master the API server, and nothing in between?";

impl Kind {
    /// The kind as the word that Elixir sees as an atom.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not_found",
            Self::RateLimited => "rate_limited",
            Self::Server => "server",
            Self::Connect => "connect",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Credentials => "credentials",
        }
    }
}

/// Why there is no snapshot. `Display` is one line: what was done, where, and why it failed.
///
/// The text is stable while the cause is the same (no times, no counters), so that a log line can be written only
/// when it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The kind to match on.
    pub kind: Kind,
    /// The line to read: what happened.
    pub message: String,
    /// What to do about it, if we know: sentences for when it is likely that this is the cause. A server that is just starting
    /// refuses for a moment whom it does not know yet.
    pub advice: Option<String>,
    /// The HTTP status, where the server gave one.
    pub status: Option<u16>,
    /// How long the server asked us to stay away.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// An error without an HTTP status.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            advice: None,
            status: None,
            retry_after: None,
        }
    }

    /// The same with what to do about it.
    pub(crate) fn advise(self, advice: impl Into<String>) -> Self {
        let advice = Some(advice.into());
        Self { advice, ..self }
    }

    /// What happened and what to do about it, where that is told at once.
    pub(crate) fn text(&self) -> String {
        match &self.advice {
            Some(advice) => sentences(&self.message, advice),
            None => self.message.clone(),
        }
    }

    /// A bug in here: an error like others.
    pub(crate) fn bug() -> Self {
        Self::new(Kind::Malformed, "internal error").advise("Please report it, with the text on standard error")
    }

    /// Whether the server was not spoken to at all.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.status.is_none() && matches!(self.kind, Kind::Dns | Kind::Connect | Kind::Tls | Kind::Timeout)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// One after the other: a full stop between them, unless the first has an end of its own, as a question has.
pub(crate) fn sentences(first: &str, next: &str) -> String {
    let stop = if first.ends_with(['.', '?', '!', '…']) {
        ""
    } else {
        "."
    };
    format!("{first}{stop} {next}")
}

/// Text from outside made fit for one log line: control characters escaped, at most 500 characters in all.
pub(crate) fn printable(text: &str) -> String {
    const MAX_CHARS: usize = 500;
    let mut line = String::new();
    let mut count = 0;
    for character in text.trim().chars() {
        let shown = if character.is_control() {
            character.escape_default().to_string()
        } else {
            character.to_string()
        };
        count += shown.chars().count();
        if count > MAX_CHARS {
            line.push('…');
            break;
        }
        line.push_str(&shown);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_word() {
        let all = [
            Kind::Forbidden,
            Kind::Unauthorized,
            Kind::NotFound,
            Kind::RateLimited,
            Kind::Server,
            Kind::Connect,
            Kind::Dns,
            Kind::Tls,
            Kind::Timeout,
            Kind::Malformed,
            Kind::TooLarge,
            Kind::Credentials,
        ];
        let words: std::collections::HashSet<_> = all.map(Kind::as_str).into();
        assert_eq!(words.len(), all.len());
    }

    #[test]
    fn each_sentence_has_one_end() {
        assert_eq!(sentences("it failed", "Look there"), "it failed. Look there");
        for question in ["is it there?", "it failed.", "no!", "cut…"] {
            assert_eq!(sentences(question, "Look there"), format!("{question} Look there"));
        }
    }

    #[test]
    fn printable_keeps_one_short_line() {
        assert_eq!(printable(" a\nb\u{1b}[31m "), "a\\nb\\u{1b}[31m");
        assert_eq!(printable(&"x".repeat(10_000)).chars().count(), 501);
        assert_eq!(printable(&"x".repeat(500)).chars().count(), 500);
        assert!(printable(&"\u{1b}".repeat(500)).chars().count() <= 501);
    }
}
