//! From the first line of an input to a configuration.

use std::time::Duration;

use discovery::{ApiAddress, Basename, Config, IpFamily, Mode, Names, Namespace, Source};

/// The first line, and what follows it.
pub(crate) fn split(data: &[u8]) -> (String, &[u8]) {
    let (line, rest) = first_line(data);
    (String::from_utf8_lossy(line).into_owned(), rest)
}

pub(crate) fn first_line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &[]),
    }
}

/// The first number of the options, or 0.
pub(crate) fn number(options: &str) -> usize {
    let digits = options.split(|c: char| !c.is_ascii_digit()).find(|it| !it.is_empty());
    digits.and_then(|it| it.parse().ok()).unwrap_or_default()
}

/// Whether this word is among the options.
pub(crate) fn has(options: &str, word: &str) -> bool {
    options.split(' ').any(|it| it == word)
}

pub(crate) fn config(options: &str) -> Config {
    let has = |word: &str| has(options, word);
    let source = match () {
        () if has("pods") => Source::Pods,
        () if has("slices") => Source::EndpointSlices,
        () => Source::Endpoints,
    };
    let mode = match () {
        () if has("dns") => Mode::Dns,
        () if has("hostname") => Mode::Hostname {
            service: "headless".to_owned(),
        },
        () => Mode::Ip,
    };
    let ip_family = match () {
        () if has("ipv4") => Some(IpFamily::V4),
        () if has("ipv6") => Some(IpFamily::V6),
        () => None,
    };
    let basename = if has("by_label") {
        Basename::Label("app".to_owned())
    } else {
        Basename::Fixed("app".to_owned())
    };
    let domain = if has("long") {
        "d".repeat(215)
    } else {
        "cluster.local".to_owned()
    };
    Config {
        source,
        namespace: Namespace::Named("default".to_owned()),
        selector: "app=app".to_owned(),
        field_selector: None,
        cached: false,
        include_not_ready: has("not_ready"),
        ip_family,
        rollout: None,
        names: Names { basename, mode, domain },
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
