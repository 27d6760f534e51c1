use super::*;
use crate::config::IpFamily;
use crate::config::{Config, Names, Source};
use crate::names::entry::{Entry, Named};
use crate::names::longname::Unnameable;
use crate::names::reflector::Reflector;
use crate::testing::config;
use crate::testing::entries::listed;

mod any_list;
mod reference;

/// One combination of the options that decide about names.
#[derive(Debug, Clone)]
struct Options {
    names: Names,
    family: Option<IpFamily>,
    include_not_ready: bool,
}

fn snapshot(body: &str, source: Source, options: &Options) -> Snapshot {
    let config = Config {
        names: options.names.clone(),
        ip_family: options.family,
        include_not_ready: options.include_not_ready,
        ..config(source)
    };
    let mut reflector = Reflector::new(&config);
    reflector.replace(listed(body.as_bytes(), &config)).unwrap();
    reflector.snapshot()
}

/// What these objects come to.
fn merged(entries: &[Entry], source: Source) -> Snapshot {
    let config = config(source);
    let mut reflector = Reflector::new(&config);
    let keyed = entries.iter().enumerate();
    let keyed = keyed.map(|(number, entry)| (number.to_string(), entry.clone()));
    reflector.replace(keyed).unwrap();
    reflector.snapshot()
}

fn entry(named: &[(&str, Standing)]) -> Entry {
    let named = named.iter().map(|&(name, standing)| Named {
        name: name.to_owned(),
        standing,
    });
    Entry {
        named: named.collect(),
        ..Entry::default()
    }
}

#[test]
fn the_better_standing_of_one_name_counts_in_any_order() {
    use Standing::{Draining, NotReady, Ready};
    for (standings, ready, not_ready) in [
        ([Ready, Draining, NotReady], 1, 0),
        ([Draining, NotReady, Ready], 1, 0),
        ([NotReady, Draining, NotReady], 0, 1),
        ([Draining, NotReady, Draining], 0, 1),
        ([Draining, Draining, Draining], 0, 0),
    ] {
        let apart = standings.map(|standing| entry(&[("app@10.0.0.1", standing)]));
        let together = [entry(&standings.map(|standing| ("app@10.0.0.1", standing)))];
        for snapshot in [merged(&apart, Source::Pods), merged(&together, Source::Pods)] {
            let counts = (snapshot.ready.len(), snapshot.not_ready.len(), snapshot.draining.len());
            assert_eq!(counts, (ready, not_ready, 1 - ready - not_ready), "{standings:?}");
        }
    }
}

#[test]
fn of_two_pods_with_one_address_the_better_standing_counts() {
    let snapshot = snapshot(
        include_str!("../../../tests/fixtures/pods.json"),
        Source::Pods,
        &plain(),
    );
    assert_eq!(
        snapshot.ready,
        ["app@10.244.1.7", "app@172.18.0.3", "app@fd00:10:244:1::13"]
    );
    assert_eq!(snapshot.not_ready, ["app@10.244.1.8", "app@10.244.1.9"]);
    assert_eq!(snapshot.draining, ["app@10.244.1.12"]);
}

#[test]
fn what_is_not_of_the_wanted_family_is_counted_where_nothing_else_is_found() {
    let of_family = |family| Options {
        family: Some(family),
        ..plain()
    };
    let pods = include_str!("../../../tests/fixtures/pods.json");
    let v6 = snapshot(pods, Source::Pods, &of_family(IpFamily::V6));
    assert_eq!(v6.ready, ["app@fd00:10:244:1::13", "app@fd00:10:244:1::7"]);
    assert_eq!(v6.dropped, []);
    let endpoints = include_str!("../../../tests/fixtures/endpoints.json");
    let none = snapshot(endpoints, Source::Endpoints, &of_family(IpFamily::V6));
    let dropped: Vec<_> = none.dropped.iter().map(|it| (it.reason, it.count)).collect();
    assert_eq!(dropped, [(Unnameable::Family, 5)]);
}

#[test]
fn what_drains_stays_draining_when_what_is_not_ready_is_wanted() {
    let all = Options {
        include_not_ready: true,
        ..plain()
    };
    let snapshot = snapshot(include_str!("../../../tests/fixtures/pods.json"), Source::Pods, &all);
    assert_eq!((snapshot.ready.len(), snapshot.not_ready.len()), (5, 0));
    assert_eq!(snapshot.draining, ["app@10.244.1.12"]);
}

#[test]
fn ipv6_objects_count_only_without_others_where_ipv4_is_preferred() {
    let of = |family, entry| Entry {
        family: Some(family),
        ..entry
    };
    let both = [
        of(IpFamily::V6, entry(&[("app@fd00::1", Standing::Ready)])),
        of(IpFamily::V4, entry(&[])),
    ];
    assert_eq!(merged(&both, Source::Pods).ready, ["app@fd00::1"]);
    assert!(merged(&both, Source::EndpointSlices).ready.is_empty());
    assert_eq!(merged(&both[..1], Source::EndpointSlices).ready, ["app@fd00::1"]);
}

fn plain() -> Options {
    Options {
        names: config(Source::Pods).names,
        family: None,
        include_not_ready: false,
    }
}
