//! What only `diagnose` asks the API: its version, what the role allows, and which objects there are.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::config::Config;
use crate::diagnosis::overview::{self, Object};
use crate::error::{Error, Kind, printable};
use crate::server::credentials::Token;
use crate::server::http::{Client, Extent, JSON, Method, Request};
use crate::server::signals::Signals;
use crate::watch::requests::encode;

/// Objects to look at: enough to see what is wrong with a selector.
const MOST_OBJECTS: usize = 100;
/// So many pods have about a megabyte, those with long annotations several.
const MAX_OBJECTS_BYTES: u64 = 32 * 1024 * 1024;
/// A version has 300 bytes, an access review under a kilobyte.
const MAX_SHORT_BYTES: u64 = 64 * 1024;

/// What the authorizer says of one verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Whether it is allowed.
    pub allowed: bool,
    /// By what, or why not, where it says so.
    pub reason: Option<String>,
}

/// Asks by HTTP, with the token.
pub(super) struct Asking<'c> {
    client: Client,
    config: &'c Config,
}

impl<'c> Asking<'c> {
    pub(super) fn new(config: &'c Arc<Config>, signals: &Arc<Signals>) -> Self {
        Self {
            client: Client::new(Arc::clone(config), Arc::clone(signals)),
            config,
        }
    }

    pub(super) fn version(&mut self) -> Result<String, Error> {
        let (body, token) = self.call("/version", Method::Get, MAX_SHORT_BYTES)?;
        let answer = object(&body, &token)?;
        let version = answer["gitVersion"].as_str();
        version
            .map(|version| token.conceal(&printable(version)))
            .ok_or_else(|| malformed("it has no gitVersion"))
    }

    /// Every user that authenticates may ask what it may do.
    /// <https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access>
    pub(super) fn review(&mut self, verb: &str, namespace: Option<&str>) -> Result<Review, Error> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                // An empty one is all of them.
                "namespace": namespace.unwrap_or_default(),
                "group": self.config.source.api_group(),
                "resource": self.config.source.resource(),
                "verb": verb,
            }},
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let (body, token) = self.call(path, Method::Post(&review.to_string()), MAX_SHORT_BYTES)?;
        let answer = object(&body, &token)?;
        let status = &answer["status"];
        let reason = status["reason"].as_str().filter(|reason| !reason.is_empty());
        Ok(Review {
            allowed: status["allowed"]
                .as_bool()
                .ok_or_else(|| malformed("it has no status.allowed"))?,
            reason: reason.map(|reason| token.conceal(&printable(reason))),
        })
    }

    pub(super) fn objects(&mut self, namespace: Option<&str>, selectors: &str) -> Result<Vec<Object>, Error> {
        let source = self.config.source;
        let path = source.path(namespace.map(encode).as_deref());
        let query = format!("{path}?limit={MOST_OBJECTS}&{selectors}");
        let (body, token) = self.call(&query, Method::Get, MAX_OBJECTS_BYTES)?;
        overview::objects(&body, source, namespace.is_none(), &token)
    }

    fn call(&mut self, path_and_query: &str, method: Method<'_>, limit: u64) -> Result<(Vec<u8>, Token), Error> {
        let request = Request {
            asked: None,
            path_and_query,
            accept: JSON,
            method,
            extent: Extent::Whole,
        };
        self.client
            .send(&request)?
            .read_short(limit, self.config.request_timeout)
    }
}

fn object(body: &[u8], token: &Token) -> Result<Value, Error> {
    serde_json::from_slice(body).map_err(|error| malformed(&token.conceal(&printable(&error.to_string()))))
}

fn malformed(why: &str) -> Error {
    Error::new(
        Kind::Malformed,
        format!("the answer is not what the API documents: {why}"),
    )
}
