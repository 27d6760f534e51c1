//! The table of resources that the fake serves: adding a kind means adding a row.

/// One resource of the API: where it lives and what its objects are called.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    /// The name in paths and rules.
    pub(crate) plural: &'static str,
    /// The API group; empty for the core group.
    pub(crate) group: &'static str,
    /// The version within the group.
    pub(crate) version: &'static str,
    /// The kind of one of these objects, as a watch shows it.
    pub(crate) kind: &'static str,
    /// The kind of a list of these objects.
    pub(crate) list_kind: &'static str,
}

static RESOURCES: [Resource; 3] = [
    Resource {
        plural: "endpoints",
        group: "",
        version: "v1",
        kind: "Endpoints",
        list_kind: "EndpointsList",
    },
    Resource {
        plural: "pods",
        group: "",
        version: "v1",
        kind: "Pod",
        list_kind: "PodList",
    },
    Resource {
        plural: "endpointslices",
        group: "discovery.k8s.io",
        version: "v1",
        kind: "EndpointSlice",
        list_kind: "EndpointSliceList",
    },
];

impl Resource {
    /// The resource with this name in paths.
    pub(crate) fn named(plural: &str) -> Option<&'static Self> {
        RESOURCES.iter().find(|resource| resource.plural == plural)
    }

    /// Whether any resource lives in this group.
    pub(crate) fn group_exists(group: &str) -> bool {
        RESOURCES.iter().any(|resource| resource.group == group)
    }

    /// What objects and lists carry as `apiVersion`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}
