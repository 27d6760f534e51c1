//! `Status` objects, with the texts and reasons of the real server.

use serde_json::{Map, Value, json};

use crate::protocol::http::Response;

/// A failure as the API reports it.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    code: u16,
    reason: &'static str,
    message: String,
    details: Option<Box<Value>>,
    /// A list's `metadata.continue`, where the failure offers one.
    next: Option<String>,
}

impl Status {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: Some(Box::new(json!({}))),
            next: None,
        }
    }

    pub(crate) fn unauthorized() -> Self {
        Self {
            details: None,
            ..Self::new(401, "Unauthorized", "Unauthorized")
        }
    }

    pub(crate) fn forbidden(user: &str, verb: &str, group: &str, plural: &str, namespace: Option<&str>) -> Self {
        let scope = namespace.map_or_else(
            || "at the cluster scope".to_owned(),
            |namespace| format!("in the namespace {namespace:?}"),
        );
        let dot = if group.is_empty() { "" } else { "." };
        let message = format!(
            "{plural}{dot}{group} is forbidden: User {user:?} cannot {verb} resource {plural:?} in API group \
            {group:?} {scope}"
        );
        let mut details = Map::new();
        if !group.is_empty() {
            details.insert("group".to_owned(), json!(group));
        }
        details.insert("kind".to_owned(), json!(plural));
        Self {
            details: Some(Box::new(Value::Object(details))),
            ..Self::new(403, "Forbidden", message)
        }
    }

    pub(crate) fn forbidden_path(user: &str, path: &str) -> Self {
        let message = format!("forbidden: User {user:?} cannot get path {path:?}");
        Self::new(403, "Forbidden", message)
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self {
            details: None,
            ..Self::new(400, "BadRequest", message)
        }
    }

    /// An access review that asks for nothing.
    pub(crate) fn invalid_review() -> Self {
        let why =
            "Invalid value: \"null\": exactly one of nonResourceAttributes or resourceAttributes must be specified";
        let field = "spec.resourceAttributes";
        let causes = json!([{"reason": "FieldValueInvalid", "message": why, "field": field}]);
        Self {
            details: Some(Box::new(json!({"group": "authorization.k8s.io", "causes": causes}))),
            ..Self::new(
                422,
                "Invalid",
                format!(".authorization.k8s.io \"\" is invalid: {field}: {why}"),
            )
        }
    }

    /// A version that is no number. It has no reason, and is no 400, with the real server either.
    pub(crate) fn malformed_version(message: impl Into<String>) -> Self {
        Self {
            details: None,
            ..Self::new(500, "", message)
        }
    }

    /// The same as a bad request, with what is bad about it.
    pub(crate) fn into_bad_request(self, what: &str) -> Self {
        Self::bad_request(format!("{what}: {}", self.message))
    }

    /// A watch from a version that is forgotten.
    pub(crate) fn expired_version(wanted: u64, oldest: u64) -> Self {
        let message = format!("too old resource version: {wanted} ({oldest})");
        Self {
            details: None,
            ..Self::new(410, "Expired", message)
        }
    }

    /// A version from the future; the real server waits three seconds before it says so.
    pub(crate) fn too_large_version(wanted: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {wanted}, current: {current}");
        let details = json!({
            "causes": [{
                "reason": "ResourceVersionTooLarge",
                "message": "Too large resource version",
            }],
            "retryAfterSeconds": 1,
        });
        Self {
            details: Some(Box::new(details)),
            ..Self::new(504, "Timeout", message)
        }
    }

    /// A page of a list whose version is gone, with a token for the rest at the current version.
    pub(crate) fn expired_page(next: String) -> Self {
        let message = "The provided continue parameter is too old to display a consistent list \
            result. You can start a new list without the continue parameter, or use the continue \
            token in this response to retrieve the remainder of the results. Continuing with the \
            provided token results in an inconsistent list - objects that were created, modified, \
            or deleted between the time the first chunk was returned and now may show up in the \
            list.";
        Self {
            details: None,
            next: Some(next),
            ..Self::new(410, "Expired", message)
        }
    }

    /// What the real server says with a code when it has nothing more to say.
    pub(crate) fn for_code(code: u16) -> Self {
        match code {
            400 => Self::bad_request("the server rejected our request for an unknown reason"),
            401 => Self::unauthorized(),
            403 => Self::new(code, "Forbidden", "forbidden: unknown"),
            404 => {
                let message = "the server could not find the requested resource";
                Self::new(code, "NotFound", message)
            }
            405 => {
                let message = "the server does not allow this method on the requested resource";
                Self::new(code, "MethodNotAllowed", message)
            }
            409 => Self::new(code, "Conflict", "the object has been modified"),
            410 => {
                let message = "The resourceVersion for the provided list is too old.";
                Self::new(code, "Expired", message)
            }
            429 => {
                let message = "the server has received too many requests and has asked us to try again later";
                Self::new(code, "TooManyRequests", message)
            }
            500 => {
                let message = "Internal error occurred: a fault of the fake API server";
                Self::new(code, "InternalError", message)
            }
            503 => {
                let message = "the server is currently unable to handle the request";
                Self::new(code, "ServiceUnavailable", message)
            }
            504 => {
                let message = "Timeout: request did not complete within the allotted timeout";
                Self::new(code, "Timeout", message)
            }
            _ => Self::new(code, "", format!("the server responded with status {code}")),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut metadata = Map::new();
        if let Some(next) = &self.next {
            metadata.insert("continue".to_owned(), json!(next));
        }
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": metadata,
            "status": "Failure",
            "message": self.message,
        });
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        if let Some(details) = &self.details {
            status["details"] = (**details).clone();
        }
        status["code"] = json!(self.code);
        status
    }
}

impl From<Status> for Response {
    fn from(status: Status) -> Self {
        let response = Self::json(status.code, &status.to_json());
        let retry = status.details.as_ref().map(|d| &d["retryAfterSeconds"]);
        match retry.and_then(Value::as_u64) {
            Some(seconds) => response.with_header("Retry-After", &seconds.to_string()),
            None => response,
        }
    }
}
