//! Everything a discovery needs to know, complete: the defaults live in one place, on the Elixir side.

use std::path::PathBuf;
use std::time::Duration;

use crate::names::longname::Names;
use crate::names::rollout::Rollout;
use crate::server::address::ApiAddress;

/// One topology's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where addresses come from.
    pub source: Source,
    /// The namespace to look in; `None` is the service account's own.
    pub namespace: Option<String>,
    /// The label selector, in the syntax of the Kubernetes API.
    pub selector: String,
    /// Let the API server answer from its cache (`resourceVersion=0`).
    pub cached: bool,
    /// Connect to what is not ready, too.
    pub include_not_ready: bool,
    /// Which address of a dual-stack pod counts; `None` is its primary one.
    pub ip_family: Option<IpFamily>,
    /// Connect only to pods of the same rollout. Only [`Source::Pods`] knows the labels of pods.
    pub rollout: Option<Rollout>,
    /// How a candidate becomes a node name.
    pub names: Names,
    /// Where the API is.
    pub api: ApiAddress,
    /// The folder of `token`, `ca.crt` and `namespace`.
    pub service_account: PathBuf,
    /// The limit for one request, from name resolution to the last byte.
    pub request_timeout: Duration,
    /// Whether to watch, where the API allows it.
    pub watch: bool,
    /// While watching is not allowed: how long at most until it is tried again.
    pub watch_retry: Duration,
    /// The longest silence of a watch whose server sends bookmarks.
    pub watch_silence: Duration,
    /// The longest random delay before the first list, so that nodes that start together do not ask together.
    pub start_jitter: Duration,
}

/// The kind of object that addresses are read from (libcluster's "lookup mode").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `v1` Endpoints.
    Endpoints,
    /// `discovery.k8s.io/v1` EndpointSlices.
    EndpointSlices,
    /// `v1` Pods.
    Pods,
}

impl Source {
    /// The plural resource name of the API, which RBAC rules name, too.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Endpoints => "endpoints",
            Self::EndpointSlices => "endpointslices",
            Self::Pods => "pods",
        }
    }

    /// The API group, which RBAC rules name, too; the core group's name is empty.
    pub fn api_group(self) -> &'static str {
        match self {
            Self::Endpoints | Self::Pods => "",
            Self::EndpointSlices => "discovery.k8s.io",
        }
    }

    /// The API's path to this resource in a namespace.
    pub(crate) fn path(self, namespace: &str) -> String {
        let root = match self {
            Self::Endpoints | Self::Pods => "/api/v1",
            Self::EndpointSlices => "/apis/discovery.k8s.io/v1",
        };
        format!("{root}/namespaces/{namespace}/{}", self.resource())
    }
}

/// An address family, for dual-stack clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpFamily {
    /// `kubernetes_ip_family: :ipv4`
    V4,
    /// `kubernetes_ip_family: :ipv6`
    V6,
}
