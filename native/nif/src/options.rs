//! The options as `LibclusterKubernetes.Options.to_native/1` sends them: complete, one map.

use std::time::Duration;

use discovery::{ApiAddress, Basename, Config, IpFamily, Mode, Names, Namespace, Rollout, Source};
use rustler::{NifMap, NifTaggedEnum, NifUnitEnum, NifUntaggedEnum};

#[derive(NifMap)]
#[rustler(decode)]
pub(crate) struct Options {
    source: SourceAtom,
    namespace: Option<NamespaceTerm>,
    selector: String,
    field_selector: Option<String>,
    cached: bool,
    include_not_ready: bool,
    ip_family: FamilyAtom,
    rollout_label: Option<String>,
    node: String,
    mode: ModeAtom,
    basename: BasenameTerm,
    service_name: Option<String>,
    domain: String,
    master: String,
    service_host: Option<String>,
    service_port: Option<String>,
    service_account_path: String,
    request_timeout_ms: u64,
    watch: bool,
    watch_retry_ms: u64,
    watch_silence_ms: u64,
}

/// `"prod"` or `:all`
#[derive(NifUntaggedEnum)]
#[rustler(decode)]
enum NamespaceTerm {
    Named(String),
    All(AllAtom),
}

#[derive(NifUnitEnum)]
#[rustler(decode)]
enum AllAtom {
    All,
}

/// `"app"` or `{:label, "app.kubernetes.io/name"}`
#[derive(NifUntaggedEnum)]
#[rustler(decode)]
enum BasenameTerm {
    Fixed(String),
    Of(LabelTuple),
}

#[derive(NifTaggedEnum)]
#[rustler(decode)]
enum LabelTuple {
    Label(String),
}

#[derive(NifUnitEnum)]
#[rustler(decode)]
enum SourceAtom {
    Endpoints,
    EndpointSlices,
    Pods,
}

#[derive(NifUnitEnum)]
#[rustler(decode)]
enum FamilyAtom {
    Primary,
    Ipv4,
    Ipv6,
}

#[derive(NifUnitEnum)]
#[rustler(decode)]
enum ModeAtom {
    Ip,
    Dns,
    Hostname,
}

impl TryFrom<Options> for Config {
    type Error = String;

    fn try_from(options: Options) -> Result<Self, String> {
        let service = options.service_host.as_deref().zip(options.service_port.as_deref());
        let api = ApiAddress::new(&options.master, &options.domain, service)
            .map_err(|reason| format!("kubernetes_master {:?}: {reason}", options.master))?;
        let mode = match options.mode {
            ModeAtom::Ip => Mode::Ip,
            ModeAtom::Dns => Mode::Dns,
            ModeAtom::Hostname => Mode::Hostname {
                service: options
                    .service_name
                    .ok_or("mode :hostname needs kubernetes_service_name")?,
            },
        };
        Ok(Self {
            source: match options.source {
                SourceAtom::Endpoints => Source::Endpoints,
                SourceAtom::EndpointSlices => Source::EndpointSlices,
                SourceAtom::Pods => Source::Pods,
            },
            namespace: match options.namespace {
                Some(NamespaceTerm::Named(namespace)) => Namespace::Named(namespace),
                Some(NamespaceTerm::All(AllAtom::All)) => Namespace::All,
                None => Namespace::Own,
            },
            selector: options.selector,
            field_selector: options.field_selector,
            cached: options.cached,
            include_not_ready: options.include_not_ready,
            ip_family: match options.ip_family {
                FamilyAtom::Primary => None,
                FamilyAtom::Ipv4 => Some(IpFamily::V4),
                FamilyAtom::Ipv6 => Some(IpFamily::V6),
            },
            rollout: options.rollout_label.map(|label| Rollout {
                label,
                node: options.node,
            }),
            names: Names {
                basename: match options.basename {
                    BasenameTerm::Fixed(basename) => Basename::Fixed(basename),
                    BasenameTerm::Of(LabelTuple::Label(key)) => Basename::Label(key),
                },
                mode,
                domain: options.domain,
            },
            api,
            service_account: options.service_account_path.into(),
            request_timeout: Duration::from_millis(options.request_timeout_ms),
            watch: options.watch,
            watch_retry: Duration::from_millis(options.watch_retry_ms),
            watch_silence: Duration::from_millis(options.watch_silence_ms),
        })
    }
}
