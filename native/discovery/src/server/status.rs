//! What an answer other than 200 says: the Kubernetes `Status` object, or whatever a proxy put in its place.
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/>

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::config::Source;
use crate::encoding::protobuf::{self, Envelope, Malformed, Message, Value};
use crate::encoding::text::{Text, text};
use crate::error::{Error, Kind, printable};

/// A server that asks for more is not obeyed further: a typo must not silence a cluster for a day.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_mins(5);

/// What was asked, for error messages.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) verb: &'static str,
    pub(crate) source: Source,
    /// None is all of them.
    pub(crate) namespace: Option<String>,
}

impl Asked {
    /// Puts what was asked in front of what went wrong: `cannot list endpoints in namespace "default": ...`.
    pub(crate) fn explain(&self, mut error: Error) -> Error {
        let (resource, place) = (self.source.resource(), self.place());
        error.message = format!("cannot {} {resource} in {place}: {error}", self.verb);
        error
    }

    fn place(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("namespace {namespace:?}"),
            None => "all namespaces".to_owned(),
        }
    }
}

/// The parts of a `Status` object that count.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Status<'a> {
    #[serde(borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    message: Option<Text<'a>>,
    code: Option<u16>,
    details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    retry_after_seconds: Option<u64>,
}

/// `Status`
impl<'a> Message<'a> for Status<'a> {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        match number {
            3 => self.message = value.text()?,
            5 => self.details.get_or_insert_default().merge(value.bytes()?)?,
            6 => self.code = u16::try_from(value.number()?).ok(),
            _ => {}
        }
        Ok(())
    }
}

/// `StatusDetails`
impl<'a> Message<'a> for Details {
    fn field(&mut self, number: u32, value: Value<'a>) -> Result<(), Malformed> {
        if number == 5 {
            // Go writes a zero where there is nothing to say.
            self.retry_after_seconds = Some(value.number()?).filter(|seconds| *seconds > 0);
        }
        Ok(())
    }
}

impl<'a> Status<'a> {
    /// Reads an answer, if it is one.
    fn of(body: &'a [u8]) -> Option<Self> {
        let status: Self = if protobuf::is_protobuf(body) {
            let envelope = Envelope::open(body).ok()?;
            Self {
                kind: envelope.kind,
                ..Self::decode(envelope.object).ok()?
            }
        } else {
            serde_json::from_slice(body).ok()?
        };
        Some(status).filter(|status| text(status.kind.as_ref()) == Some("Status"))
    }

    /// The error for a stream that ends with this.
    pub(crate) fn end_of_watch(self) -> Error {
        let said = printable(text(self.message.as_ref()).unwrap_or("without a reason"));
        let code = self.code.map_or_else(String::new, |code| format!(" with {code}"));
        Error {
            status: self.code,
            retry_after: self.retry_after(),
            ..Error::new(
                kind(self.code.unwrap_or_default()),
                format!("the server ended the watch{code}: {said}"),
            )
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        let seconds = self.details.as_ref()?.retry_after_seconds?;
        Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
    }
}

/// The error for an answer with `code` and this body, and what its head says of when to come back.
pub(crate) fn error(asked: Option<&Asked>, code: u16, retry_after: Option<Duration>, body: &[u8]) -> Error {
    let status = Status::of(body);
    let retry_after = retry_after.or(status.as_ref().and_then(Status::retry_after));
    let (said, advice) = match status.and_then(|status| status.message) {
        Some(message) => (printable(message.as_str()), asked.and_then(|asked| remedy(asked, code))),
        // It is not the API server that refuses.
        None => (
            "the answer has no Kubernetes Status".to_owned(),
            Some("Is a proxy in between?".to_owned()),
        ),
    };
    Error {
        advice,
        status: Some(code),
        retry_after,
        ..Error::new(kind(code), format!("HTTP {code}: {said}"))
    }
}

/// What the header `retry-after` asks for, in seconds or as a date. A date is compared with the one of the server's own
/// clock, which may not be ours. <https://www.rfc-editor.org/rfc/rfc9110#field.retry-after>
pub(crate) fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    let value = value.trim();
    let seconds = value.parse().map(Duration::from_secs).ok();
    let wait = seconds.or_else(|| {
        let now = date.and_then(|date| httpdate::parse_http_date(date).ok());
        let until = httpdate::parse_http_date(value).ok()?;
        Some(
            until
                .duration_since(now.unwrap_or_else(SystemTime::now))
                .unwrap_or_default(),
        )
    })?;
    Some(wait.min(MAX_RETRY_AFTER))
}

fn kind(code: u16) -> Kind {
    match code {
        401 => Kind::Unauthorized,
        403 => Kind::Forbidden,
        404 => Kind::NotFound,
        429 => Kind::RateLimited,
        _ => Kind::Server,
    }
}

fn remedy(asked: &Asked, code: u16) -> Option<String> {
    let known = match code {
        401 => "Check the audience of the token, and that the service account still exists",
        403 => {
            return Some(format!(
                "Bind a {} with the verb {:?} on {:?} (apiGroup {:?}) in {} to the pod's service account",
                match asked.namespace {
                    Some(_) => "Role",
                    None => "ClusterRole, by a ClusterRoleBinding,",
                },
                asked.verb,
                asked.source.resource(),
                asked.source.api_group(),
                asked.place()
            ));
        }
        404 if asked.source == Source::EndpointSlices => {
            "EndpointSlices (discovery.k8s.io/v1) exist since Kubernetes 1.21: on an older cluster set \
             kubernetes_ip_lookup_mode to :endpoints or :pods"
        }
        404 => "Check kubernetes_namespace and kubernetes_master",
        300..=399 => {
            "Redirects are not followed, as the token goes to no other host: set kubernetes_master to the API server"
        }
        400 => "Check kubernetes_selector and kubernetes_field_selector",
        429 | 500..=599 => "The API server is busy or unwell: it is asked again by itself",
        _ => return None,
    };
    Some(known.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::protobuf;

    fn asked() -> Asked {
        Asked {
            verb: "list",
            source: Source::Endpoints,
            namespace: Some("prod".to_owned()),
        }
    }

    #[test]
    fn forbidden_names_verb_resource_namespace_and_the_servers_words() {
        let body = br#"{"kind":"Status","message":"endpoints is forbidden: User \"x\" cannot list","code":403}"#;
        let error = asked().explain(error(Some(&asked()), 403, None, body));
        assert_eq!((error.kind, error.status), (Kind::Forbidden, Some(403)));
        assert!(error.message.ends_with("User \"x\" cannot list"), "{error}");
        let advice = error.advice.unwrap();
        for word in ["\"list\"", "\"endpoints\"", "\"prod\""] {
            assert!(advice.contains(word), "{advice}");
        }
    }

    #[test]
    fn all_namespaces_need_a_cluster_role() {
        let asked = Asked {
            namespace: None,
            ..asked()
        };
        let body = br#"{"kind":"Status","message":"no","code":403}"#;
        let error = asked.explain(error(Some(&asked), 403, None, body));
        assert_eq!(error.message, "cannot list endpoints in all namespaces: HTTP 403: no");
        assert_eq!(
            error.advice.unwrap(),
            "Bind a ClusterRole, by a ClusterRoleBinding, with the verb \"list\" on \"endpoints\" (apiGroup \"\") in all \
             namespaces to the pod's service account"
        );
    }

    #[test]
    fn missing_endpoint_slices_mean_an_old_cluster() {
        let asked = Asked {
            source: Source::EndpointSlices,
            ..asked()
        };
        let body = br#"{"kind":"Status","message":"the server could not find the requested resource","code":404}"#;
        let advice = error(Some(&asked), 404, None, body).advice.unwrap();
        assert!(advice.contains("since Kubernetes 1.21"), "{advice}");
    }

    #[test]
    fn an_answer_without_status_is_said_to_be_one() {
        for body in [&b"<html>502</html>"[..], b"", b"{}", b"\xff\xfe", b"[1]"] {
            let error = error(Some(&asked()), 502, None, body);
            assert_eq!(error.kind, Kind::Server);
            assert!(error.message.contains("no Kubernetes Status"), "{error}");
            assert!(error.advice.unwrap().contains("proxy"));
        }
    }

    #[test]
    fn retry_after_is_read_from_header_or_status_and_bounded() {
        let body = br#"{"kind":"Status","details":{"retryAfterSeconds":7}}"#;
        let seconds = |header: Option<u64>, body| {
            error(Some(&asked()), 429, header.map(Duration::from_secs), body)
                .retry_after
                .map(|it| it.as_secs())
        };
        assert_eq!(seconds(Some(3), &body[..]), Some(3));
        assert_eq!(seconds(None, body), Some(7));
        assert_eq!(seconds(None, b""), None);
        let absurd = br#"{"kind":"Status","details":{"retryAfterSeconds":18446744073709551615}}"#;
        assert_eq!(seconds(None, absurd), Some(300));
    }

    #[test]
    fn the_header_has_seconds_or_a_date() {
        let seconds = |value, date| retry_after(value, date).map(|it| it.as_secs());
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        for (value, expected) in [
            ("3", Some(3)),
            (" 120 ", Some(120)),
            ("18446744073709551615", Some(300)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            // Past, far away, and the two forms that are obsolete.
            ("Sun, 06 Nov 1994 08:49:27 GMT", Some(0)),
            ("Thu, 06 Nov 2994 08:49:27 GMT", Some(300)),
            ("Sunday, 06-Nov-94 08:49:47 GMT", Some(10)),
            ("Sun Nov  6 08:49:47 1994", Some(10)),
            ("-1", None),
            ("soon", None),
            ("99999999999999999999", None),
            ("", None),
        ] {
            assert_eq!(seconds(value, date), expected, "{value:?}");
        }
        assert_eq!(
            seconds("Sun, 06 Nov 1994 08:49:47 GMT", None),
            Some(0),
            "by our own clock"
        );
        assert_eq!(seconds("Thu, 06 Nov 2994 08:49:47 GMT", Some("yesterday")), Some(300));
    }

    #[test]
    fn a_status_in_protobuf_says_the_same() {
        let details = protobuf::bytes(5, &protobuf::number(5, 7));
        let status = [
            protobuf::text(3, "too many requests"),
            details,
            protobuf::number(6, 429),
        ]
        .concat();
        let error = |body: &[u8]| error(Some(&asked()), 429, None, body);
        let told = error(&protobuf::answer("Status", &status));
        assert!(told.message.contains("too many requests"), "{told}");
        assert_eq!(told.retry_after, Some(Duration::from_secs(7)));
        for body in [&protobuf::answer("Pod", &status)[..], b"k8s\0", b"k8s\0\xff"] {
            assert!(error(body).message.contains("no Kubernetes Status"), "{body:?}");
        }
        // Go writes zeros.
        let zero = protobuf::answer("Status", &protobuf::bytes(5, &protobuf::number(5, 0)));
        assert_eq!(error(&zero).retry_after, None);
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
            assert_eq!(error(Some(&asked()), code, None, b"").kind, kind);
        }
    }
}
