//! The Kubernetes side: which request means what, and what the real server would answer.

use serde_json::{Value, json};

use crate::access::User;
use crate::http::{Request, Response};
use crate::list::{ListQuery, list};
use crate::resources::Resource;
use crate::status::Status;
use crate::sync::{Shared, lock};

/// What a path (with its query) is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/version`
    Version,
    /// A list or watch of a resource, of one namespace or of all.
    Collection {
        resource: &'static Resource,
        namespace: Option<String>,
        watch: bool,
    },
    /// Something that this API version does not have.
    UnknownResource,
    /// A path outside of every API version that is served.
    UnknownPath,
}

impl Target {
    pub(crate) fn of(request: &Request) -> Self {
        let segments = request.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (group, version, rest) = match segments.as_slice() {
            ["version"] => return Self::Version,
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] if !group.is_empty() => (*group, *version, rest),
            _ => return Self::UnknownPath,
        };
        if !Resource::group_version_exists(group, version) {
            return Self::UnknownPath;
        }
        let (plural, namespace) = match rest {
            [plural] => (*plural, None),
            ["namespaces", namespace, plural] if !namespace.is_empty() => (*plural, Some((*namespace).to_owned())),
            _ => return Self::UnknownResource,
        };
        match Resource::named(plural) {
            Some(resource) if resource.group == group => Self::Collection {
                resource,
                namespace,
                // The real server takes anything but these for true.
                watch: request
                    .parameter("watch")
                    .is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false")),
            },
            _ => Self::UnknownResource,
        }
    }

    /// The resource that faults and counters look at.
    pub(crate) fn resource(&self) -> Option<&'static str> {
        match self {
            Self::Collection { resource, .. } => Some(resource.plural),
            _ => None,
        }
    }

    /// `list` or `watch` for resources, else `get`.
    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Self::Collection { watch: true, .. } => "watch",
            Self::Collection { watch: false, .. } => "list",
            _ => "get",
        }
    }

    /// What a user without a fitting rule is told.
    pub(crate) fn forbidden(&self, user: &str, path: &str) -> Status {
        match self {
            Self::Collection {
                resource, namespace, ..
            } => Status::forbidden(user, self.verb(), resource, namespace.as_deref()),
            _ => Status::forbidden_path(user, path),
        }
    }

    fn allowed(&self, user: &User) -> bool {
        match self {
            Self::Version | Self::UnknownResource => true,
            Self::UnknownPath => user.may_do_everything(),
            Self::Collection {
                resource, namespace, ..
            } => user.may(self.verb(), resource.plural, namespace.as_deref()),
        }
    }
}

/// The answer of a server without faults.
pub(crate) fn respond(shared: &Shared, request: &Request, target: &Target, user: Option<&User>) -> Response {
    let response = answer(shared, request, target, user).unwrap_or_else(Response::from);
    response.with_header("Cache-Control", "no-cache, private")
}

fn answer(shared: &Shared, request: &Request, target: &Target, user: Option<&User>) -> Result<Response, Status> {
    let user = user.ok_or_else(Status::unauthorized)?;
    if request.method != "GET" {
        return Err(Status::for_code(405));
    }
    if !target.allowed(user) {
        return Err(target.forbidden(&user.name, &request.path));
    }
    match target {
        Target::Version => Ok(Response::json(200, &version_info())),
        Target::UnknownResource => Err(Status::for_code(404)),
        // Not a Status: the real server answers this from another layer, in plain text.
        Target::UnknownPath => {
            let text = "404 page not found\n";
            Ok(Response::new(404, "text/plain; charset=utf-8", text))
        }
        Target::Collection { watch: true, .. } => Err(Status::watch_unsupported()),
        Target::Collection {
            resource,
            namespace,
            watch: false,
        } => {
            let query = ListQuery::read(request)?;
            let list = list(&lock(&shared.store), resource, namespace.as_deref(), &query)?;
            Ok(Response::json(200, &list))
        }
    }
}

fn version_info() -> Value {
    json!({
        "major": "1",
        "minor": "33",
        "gitVersion": "v1.33.0-fake",
        "platform": "linux/amd64",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Target {
        Target::of(&Request {
            path: path.to_owned(),
            ..Request::default()
        })
    }

    fn collection(plural: &str, namespace: Option<&str>) -> Target {
        Target::Collection {
            resource: Resource::named(plural).unwrap(),
            namespace: namespace.map(str::to_owned),
            watch: false,
        }
    }

    #[test]
    fn paths_lead_to_collections() {
        assert_eq!(target("/api/v1/pods"), collection("pods", None));
        assert_eq!(
            target("/api/v1/namespaces/a%2Db/endpoints"),
            collection("endpoints", Some("a-b"))
        );
        assert_eq!(
            target("/apis/discovery.k8s.io/v1/namespaces/a/endpointslices"),
            collection("endpointslices", Some("a"))
        );
        assert_eq!(target("/version"), Target::Version);
    }

    #[test]
    fn other_paths_are_told_apart_as_the_real_server_does() {
        for path in ["/api/v1/services", "/api/v1/namespaces//pods", "/api/v1/endpointslices"] {
            assert_eq!(target(path), Target::UnknownResource, "{path}");
        }
        for path in ["/", "/api/v2/pods", "/apis/apps/v1/deployments", "/apis//v1/pods"] {
            assert_eq!(target(path), Target::UnknownPath, "{path}");
        }
    }
}
