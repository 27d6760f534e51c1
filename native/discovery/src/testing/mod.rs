//! What unit tests share. Each file uses only what those need that use it.

use std::time::Duration;

use crate::config::{ApiAddress, Basename, Config, Mode, Names, Namespace, Source};

pub(crate) mod candidates;
pub(crate) mod entries;
pub(crate) mod portions;
pub(crate) mod protobuf;

pub(crate) fn config(source: Source) -> Config {
    Config {
        source,
        namespace: Namespace::Named("default".to_owned()),
        selector: "app=app".to_owned(),
        field_selector: None,
        cached: false,
        include_not_ready: false,
        ip_family: None,
        rollout: None,
        names: Names {
            basename: Basename::Fixed("app".to_owned()),
            mode: Mode::Ip,
            domain: "cluster.local".to_owned(),
        },
        api: ApiAddress {
            primary: "https://127.0.0.1:1".to_owned(),
            fallback: None,
        },
        service_account: "/nonexistent".into(),
        request_timeout: Duration::from_secs(1),
        watch: true,
        watch_retry: Duration::from_mins(1),
        watch_silence: Duration::from_secs(90),
    }
}
