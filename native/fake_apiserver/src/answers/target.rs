//! The Kubernetes side: which request means what, and what the real server would answer.

use serde_json::{Value, json};

use crate::access::User;
use crate::http::{Request, Response};
use crate::list::{ListQuery, list};
use crate::resources::Resource;
use crate::review;
use crate::status::Status;
use crate::sync::{Shared, lock};
use crate::watch::{Watch, WatchQuery};

/// What a path (with its query) is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/version`
    Version,
    /// What a user asks of its own rights: a POST.
    AccessReview,
    /// A list or watch of a resource, of one namespace or of all.
    Collection {
        resource: &'static Resource,
        namespace: Option<String>,
        watch: bool,
    },
    /// A collection that this API group does not have.
    UnknownCollection {
        group: String,
        plural: String,
        namespace: Option<String>,
        watch: bool,
    },
    /// Something else in an API group, a single object for example.
    UnknownResource,
    /// A path outside of every API group that is served.
    UnknownPath,
}

impl Target {
    pub(crate) fn of(request: &Request) -> Self {
        let segments = request.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (group, version, rest) = match segments.as_slice() {
            ["version"] => return Self::Version,
            ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"] => return Self::AccessReview,
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] if !group.is_empty() => (*group, *version, rest),
            _ => return Self::UnknownPath,
        };
        if !Resource::group_exists(group) {
            return Self::UnknownPath;
        }
        let (plural, namespace) = match rest {
            // Without a name in its place the real server takes all namespaces.
            [plural] | ["namespaces", "", plural] => (*plural, None),
            ["namespaces", namespace, plural] => (*plural, Some((*namespace).to_owned())),
            _ => return Self::UnknownResource,
        };
        let watch = request.flag("watch");
        match Resource::named(plural) {
            Some(resource) if resource.group == group && resource.version == version => Self::Collection {
                resource,
                namespace,
                watch,
            },
            _ => Self::UnknownCollection {
                group: group.to_owned(),
                plural: plural.to_owned(),
                namespace,
                watch,
            },
        }
    }

    /// The resource that faults and counters look at.
    pub(crate) fn resource(&self) -> Option<&'static str> {
        match self {
            Self::Collection { resource, .. } => Some(resource.plural),
            _ => None,
        }
    }

    /// `list` or `watch` for resources, `create` for access reviews, else `get`.
    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Self::Collection { watch: true, .. } => "watch",
            Self::Collection { watch: false, .. } => "list",
            Self::AccessReview => "create",
            _ => "get",
        }
    }

    /// What a user without a fitting rule is told.
    pub(crate) fn forbidden(&self, user: &str, path: &str) -> Status {
        match self {
            Self::Collection {
                resource, namespace, ..
            } => Status::forbidden(user, self.verb(), resource.group, resource.plural, namespace.as_deref()),
            Self::UnknownCollection {
                group,
                plural,
                namespace,
                watch,
            } => {
                let verb = if *watch { "watch" } else { "list" };
                Status::forbidden(user, verb, group, plural, namespace.as_deref())
            }
            _ => Status::forbidden_path(user, path),
        }
    }

    fn allowed(&self, user: &User) -> bool {
        match self {
            Self::Version | Self::AccessReview | Self::UnknownResource => true,
            Self::UnknownPath => user.may_do_everything(),
            Self::Collection {
                resource, namespace, ..
            } => user.may(self.verb(), resource.plural, namespace.as_deref()),
            Self::UnknownCollection {
                plural,
                namespace,
                watch,
                ..
            } => {
                let verb = if *watch { "watch" } else { "list" };
                user.may(verb, plural, namespace.as_deref())
            }
        }
    }
}

/// What a server without faults does about a request.
pub(crate) enum Answer {
    /// It answers.
    Response(Response),
    /// It answers with a stream.
    Watch(Watch),
}

/// The answer of a server without faults.
pub(crate) fn respond(shared: &Shared, request: &Request, target: &Target, user: Option<&User>) -> Answer {
    match answer(shared, request, target, user) {
        Ok(Answer::Watch(watch)) => Answer::Watch(watch),
        Ok(Answer::Response(response)) => uncached(response),
        Err(status) => uncached(status.into()),
    }
}

fn uncached(response: Response) -> Answer {
    Answer::Response(response.with_header("Cache-Control", "no-cache, private"))
}

fn answer(shared: &Shared, request: &Request, target: &Target, user: Option<&User>) -> Result<Answer, Status> {
    let user = user.ok_or_else(Status::unauthorized)?;
    let method = if *target == Target::AccessReview { "POST" } else { "GET" };
    if request.method != method {
        return Err(Status::for_code(405));
    }
    if !target.allowed(user) {
        return Err(target.forbidden(&user.name, &request.path));
    }
    match target {
        Target::Version => Ok(Answer::Response(Response::json(200, &version_info()))),
        Target::AccessReview => Ok(Answer::Response(Response::json(
            201,
            &review::answer(&request.body, user)?,
        ))),
        Target::UnknownCollection { .. } | Target::UnknownResource => Err(Status::for_code(404)),
        // Not a Status: the real server answers this from other layers.
        Target::UnknownPath if !request.path.starts_with("/api") => {
            Ok(Answer::Response(Response::json(404, &json!({ "paths": PATHS }))))
        }
        Target::UnknownPath => {
            let text = "404 page not found\n";
            let response = Response::new(404, "text/plain; charset=utf-8", text);
            Ok(Answer::Response(response))
        }
        Target::Collection {
            resource,
            namespace,
            watch: true,
        } => {
            let query = WatchQuery::read(request)?;
            let as_status = shared.watches.expired_as_status();
            let store = lock(&shared.store);
            Watch::start(&store, resource, namespace.as_deref(), query, as_status).map(Answer::Watch)
        }
        Target::Collection {
            resource,
            namespace,
            watch: false,
        } => {
            let query = ListQuery::read(request)?;
            let list = list(&lock(&shared.store), resource, namespace.as_deref(), &query)?;
            Ok(Answer::Response(Response::json(200, &list)))
        }
    }
}

/// Some of what the real server suggests to who is lost.
const PATHS: [&str; 6] = ["/apis", "/apis/", "/healthz", "/livez", "/readyz", "/version"];

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
        assert_eq!(target("/api/v1/namespaces//pods"), collection("pods", None));
        assert_eq!(target("/version"), Target::Version);
        assert_eq!(
            target("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
            Target::AccessReview
        );
    }

    #[test]
    fn other_paths_are_told_apart_as_the_real_server_does() {
        for path in [
            "/api/v1/services",
            "/api/v1/endpointslices",
            "/api/v2/pods",
            "/apis/discovery.k8s.io/v1beta1/namespaces/a/endpointslices",
        ] {
            let found = target(path);
            assert!(matches!(found, Target::UnknownCollection { .. }), "{path}");
        }
        assert_eq!(target("/api/v1/namespaces/a/pods/b"), Target::UnknownResource);
        for path in ["/", "/apis/apps/v1/deployments", "/apis//v1/pods"] {
            assert_eq!(target(path), Target::UnknownPath, "{path}");
        }
    }
}
