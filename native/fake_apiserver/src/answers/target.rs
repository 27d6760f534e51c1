//! What a path is about: which list, which watch, or what else; who may ask it, and how others are refused.

use crate::answers::status::Status;
use crate::protocol::http::Request;
use crate::state::access::User;
use crate::state::resources::Resource;

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

    /// Whether a user's rules allow it.
    pub(crate) fn allowed(&self, user: &User) -> bool {
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
