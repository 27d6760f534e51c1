//! Everything a discovery needs to know, complete: the defaults live in one place, on the Elixir side.
//!
//! Plain data. What is done with it stands in the rooms: how an address is chosen in `server::address`, how a name is built
//! in `names::longname`, who is of a rollout in `names::rollout`.

use std::path::PathBuf;
use std::time::Duration;

/// One topology's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where addresses come from.
    pub source: Source,
    /// Where to look.
    pub namespace: Namespace,
    /// The label selector, in the syntax of the Kubernetes API.
    pub selector: String,
    /// The field selector, likewise, where one is asked for.
    pub field_selector: Option<String>,
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
}

/// The namespaces to look in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespace {
    /// The service account's own, which is in one of its files.
    Own,
    /// This one.
    Named(String),
    /// All of the cluster.
    All,
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

    /// The API's path to this resource in a namespace, or in all of them.
    pub(crate) fn path(self, namespace: Option<&str>) -> String {
        let root = match self {
            Self::Endpoints | Self::Pods => "/api/v1",
            Self::EndpointSlices => "/apis/discovery.k8s.io/v1",
        };
        match namespace {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", self.resource()),
            None => format!("{root}/{}", self.resource()),
        }
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

/// How a candidate becomes a node name: the rules of one topology.
#[derive(Debug, Clone)]
pub struct Names {
    /// The part before `@`.
    pub basename: Basename,
    /// How the part after `@` is built.
    pub mode: Mode,
    /// The cluster's DNS domain, for the two modes that name by DNS.
    pub domain: String,
}

/// The part of a node name before the `@`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basename {
    /// The same for all.
    Fixed(String),
    /// The value of this label of each pod. Only [`Source::Pods`] knows the labels of pods.
    Label(String),
}

/// How an address becomes a host part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// `base@IP`
    Ip,
    /// `base@IP-WITH-DASHES.NAMESPACE.pod.DOMAIN`
    Dns,
    /// `base@HOSTNAME.SERVICE.NAMESPACE.svc.DOMAIN`
    Hostname {
        /// The governing headless Service.
        service: String,
    },
}

/// Which pods count: those with the same value of a label as the pod of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// The key of the label.
    pub label: String,
    /// The name of this node.
    pub node: String,
}

/// The API's address. Written as `https://host[:port][/path]`, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiAddress {
    /// The address to ask first.
    pub primary: String,
    /// The address to ask while `primary` cannot be reached in any way: name, connection, TLS or time.
    pub fallback: Option<String>,
}
