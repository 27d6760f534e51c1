//! What an answer other than 200 says: the Kubernetes `Status` object, or whatever a proxy put in its place.
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/>

use std::time::Duration;

use serde::Deserialize;

use crate::config::Source;
use crate::credentials::Token;
use crate::error::{Error, Kind};

/// A server that asks for more is not obeyed further: a typo must not silence a cluster for a day.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(5);

/// What was asked, for error messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) verb: &'a str,
    pub(crate) source: Source,
    pub(crate) namespace: &'a str,
}

impl Asked<'_> {
    /// `cannot list endpoints in namespace "default"`, the start of every message.
    pub(crate) fn cannot(&self) -> String {
        let Self {
            verb,
            source,
            namespace,
        } = self;
        format!("cannot {verb} {} in namespace {namespace:?}", source.resource())
    }

    /// Puts what was asked in front of what went wrong.
    pub(crate) fn explain(&self, mut error: Error) -> Error {
        error.message = format!("{}: {error}", self.cannot());
        error
    }
}

/// The parts of a `Status` object that count.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Status {
    kind: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) code: Option<u16>,
    details: Option<Details>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    retry_after_seconds: Option<u64>,
}

/// The error for an answer with `code`, the header `retry-after` and this body.
pub(crate) fn error(asked: &Asked<'_>, token: &Token, code: u16, retry_after: Option<&str>, body: &[u8]) -> Error {
    let status: Option<Status> = serde_json::from_slice(body)
        .ok()
        .filter(|status: &Status| status.kind.as_deref() == Some("Status"));
    let told = status.as_ref().and_then(|status| status.details.as_ref());
    let seconds = retry_after
        .and_then(|value| value.trim().parse().ok())
        .or(told.and_then(|details| details.retry_after_seconds));
    let said = match status.and_then(|status| status.message) {
        Some(message) => token.quote(&message),
        None => "the answer has no Kubernetes Status: is a proxy in between?".to_owned(),
    };
    let (kind, remedy) = verdict(asked, code);
    Error {
        kind,
        message: format!("HTTP {code}: {said}{remedy}"),
        status: Some(code),
        retry_after: seconds.map(|seconds| Duration::from_secs(seconds).min(MAX_RETRY_AFTER)),
    }
}

fn verdict(asked: &Asked<'_>, code: u16) -> (Kind, String) {
    match code {
        401 => (
            Kind::Unauthorized,
            ". The server does not accept the token: check its audience and that the service account still exists"
                .to_owned(),
        ),
        403 => (
            Kind::Forbidden,
            format!(
                ". Bind a Role with the verb {:?} on {:?} (apiGroup {:?}) in namespace {:?} to the pod's service account",
                asked.verb,
                asked.source.resource(),
                asked.source.api_group(),
                asked.namespace
            ),
        ),
        404 if asked.source == Source::EndpointSlices => (
            Kind::NotFound,
            ". EndpointSlices (discovery.k8s.io/v1) exist since Kubernetes 1.21: on an older cluster set \
             kubernetes_ip_lookup_mode to :endpoints or :pods"
                .to_owned(),
        ),
        404 => (
            Kind::NotFound,
            ". Check kubernetes_namespace and kubernetes_master".to_owned(),
        ),
        429 => (Kind::RateLimited, String::new()),
        300..=399 => (
            Kind::Server,
            ". Redirects are not followed: the token goes to no other host".to_owned(),
        ),
        400 => (Kind::Server, ". Check kubernetes_selector".to_owned()),
        _ => (Kind::Server, String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token::new("secret".to_owned())
    }

    const ASKED: Asked<'_> = Asked {
        verb: "list",
        source: Source::Endpoints,
        namespace: "prod",
    };

    #[test]
    fn forbidden_names_verb_resource_namespace_and_the_servers_words() {
        let body = br#"{"kind":"Status","message":"endpoints is forbidden: User \"x\" cannot list","code":403}"#;
        let error = ASKED.explain(error(&ASKED, &token(), 403, None, body));
        assert_eq!((error.kind, error.status), (Kind::Forbidden, Some(403)));
        for word in ["\"list\"", "\"endpoints\"", "\"prod\"", "User \"x\" cannot list"] {
            assert!(error.message.contains(word), "{error}");
        }
    }

    #[test]
    fn missing_endpoint_slices_mean_an_old_cluster() {
        let asked = Asked {
            source: Source::EndpointSlices,
            ..ASKED
        };
        assert!(
            error(&asked, &token(), 404, None, b"")
                .message
                .contains("since Kubernetes 1.21")
        );
    }

    #[test]
    fn an_answer_without_status_is_said_to_be_one() {
        for body in [&b"<html>502</html>"[..], b"", b"{}", b"\xff\xfe", b"[1]"] {
            let error = error(&ASKED, &token(), 502, None, body);
            assert_eq!(error.kind, Kind::Server);
            assert!(error.message.contains("no Kubernetes Status"), "{error}");
        }
    }

    #[test]
    fn retry_after_is_read_from_header_or_status_and_bounded() {
        let body = br#"{"kind":"Status","details":{"retryAfterSeconds":7}}"#;
        let seconds = |header, body| {
            error(&ASKED, &token(), 429, header, body)
                .retry_after
                .map(|it| it.as_secs())
        };
        assert_eq!(seconds(Some("3"), &body[..]), Some(3));
        assert_eq!(seconds(None, body), Some(7));
        assert_eq!(seconds(Some("soon"), b""), None);
        assert_eq!(seconds(Some("18446744073709551615"), b""), Some(300));
    }

    #[test]
    fn each_status_has_its_kind() {
        for (code, kind) in [
            (302, Kind::Server),
            (400, Kind::Server),
            (401, Kind::Unauthorized),
            (404, Kind::NotFound),
            (429, Kind::RateLimited),
            (503, Kind::Server),
        ] {
            assert_eq!(error(&ASKED, &token(), code, None, b"").kind, kind);
        }
    }
}
