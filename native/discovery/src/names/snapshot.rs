//! All names of one complete answer.

use std::collections::BTreeMap;

use crate::config::IpFamily;
use crate::freshness::Freshness;
use crate::names::longname::Unnameable;
use crate::names::reflector::Entry;
use crate::objects::candidate::Standing;

/// The names of one complete, well-formed state of the API, each sorted and in one list only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// To connect to.
    pub ready: Vec<String>,
    /// In the answer, but not ready: they keep the connection they have.
    pub not_ready: Vec<String>,
    /// In the answer, but terminating: they keep the connection they have.
    pub draining: Vec<String>,
    /// What has no valid name, by reason.
    pub dropped: Vec<Dropped>,
    /// What the user should know about the objects found.
    pub warnings: Vec<String>,
    /// The server's position mark of the answer; compare only for equality.
    pub resource_version: String,
    /// How new the answer is.
    pub freshness: Freshness,
}

/// Candidates that have no valid name, for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// Why.
    pub reason: Unnameable,
    /// How many.
    pub count: usize,
    /// One of them, made printable.
    pub example: String,
}

impl Snapshot {
    /// Merges the entries of all objects: of two standings for one name the better counts. With `prefer_v4`,
    /// objects of IPv6 addresses count only where there are none of IPv4 addresses, even if those are empty.
    pub(crate) fn merge<'e>(entries: impl Iterator<Item = &'e Entry> + Clone, prefer_v4: bool) -> Self {
        let skip_v6 = prefer_v4 && entries.clone().any(|entry| entry.family == Some(IpFamily::V4));
        let mut found: Vec<(&str, Standing)> = Vec::new();
        let mut dropped: BTreeMap<Unnameable, Dropped> = BTreeMap::new();
        let mut warnings = Vec::new();
        for entry in entries.filter(|entry| !(skip_v6 && entry.family == Some(IpFamily::V6))) {
            found.extend(entry.named.iter().map(|named| (named.name.as_str(), named.standing)));
            for one in &entry.dropped {
                dropped
                    .entry(one.reason)
                    .and_modify(|known| known.count += one.count)
                    .or_insert_with(|| one.clone());
            }
            warnings.extend(entry.warning.clone());
        }
        // In a dual-stack cluster the other family is no news, only its standing alone is.
        if !found.is_empty() {
            dropped.remove(&Unnameable::Family);
        }
        let mut snapshot = Self {
            dropped: dropped.into_values().collect(),
            warnings,
            ..Self::default()
        };
        // Of each name the best standing comes first, and stays.
        found.sort_unstable();
        found.dedup_by_key(|(name, _)| *name);
        for (name, standing) in found {
            snapshot.list(standing).push(name.to_owned());
        }
        snapshot
    }

    fn list(&mut self, standing: Standing) -> &mut Vec<String> {
        match standing {
            Standing::Ready => &mut self.ready,
            Standing::NotReady => &mut self.not_ready,
            Standing::Draining => &mut self.draining,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::list::Page;
    use crate::config::{Config, IpFamily, Source};
    use crate::names::longname::{Mode, Names};
    use crate::names::reflector::Named;
    use crate::testing::config;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};
    use std::collections::BTreeSet;
    use std::net::IpAddr;

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
        let page = Page::parse(body.as_bytes(), &config).unwrap();
        Snapshot::merge(page.objects.iter().map(|(_, entry)| entry), false)
    }

    /// What a reader of the design would write, without a thought for speed.
    mod reference {
        use super::*;

        /// Why there is no name: the family alone, which counts only where nothing else was found, or anything else.
        enum Nameless {
            Family,
            Other,
        }
        use Nameless::{Family, Other};

        /// Names by standing (0 ready, 1 not ready, 2 draining), and how many have none.
        pub(super) type Found = ([BTreeSet<String>; 3], usize);

        pub(super) fn found(list: &Value, options: &Options) -> Found {
            let mut best: BTreeMap<String, usize> = BTreeMap::new();
            let (mut dropped, mut of_other_family) = (0, 0);
            let candidates: Vec<_> = match list["kind"].as_str() {
                Some("PodList") => each(&list["items"]).filter_map(|pod| of_pod(pod, options)).collect(),
                _ => each(&list["items"]).flat_map(of_endpoints).collect(),
            };
            for (ip, hostname, namespace, standing) in candidates {
                let standing = if standing == 1 && options.include_not_ready {
                    0
                } else {
                    standing
                };
                match name(&ip, &hostname, &namespace, options) {
                    Err(Family) => of_other_family += 1,
                    Err(Other) => dropped += 1,
                    Ok(name) => {
                        let known = best.entry(name).or_insert(2);
                        *known = standing.min(*known);
                    }
                }
            }
            if best.is_empty() {
                dropped += of_other_family;
            }
            let mut names = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
            for (name, standing) in best {
                names[standing].insert(name);
            }
            (names, dropped)
        }

        type Row = (Value, Value, Value, usize);

        fn each(list: &Value) -> impl Iterator<Item = &Value> {
            list.as_array().into_iter().flatten()
        }

        fn of_endpoints(object: &Value) -> Vec<Row> {
            let mut rows = Vec::new();
            for subset in each(&object["subsets"]) {
                for (standing, field) in ["addresses", "notReadyAddresses"].iter().enumerate() {
                    for address in each(&subset[field]) {
                        let target = &address["targetRef"]["namespace"];
                        let own = &object["metadata"]["namespace"];
                        let namespace = if target.is_null() { own } else { target };
                        rows.push((
                            address["ip"].clone(),
                            address["hostname"].clone(),
                            namespace.clone(),
                            standing,
                        ));
                    }
                }
            }
            rows
        }

        fn of_pod(pod: &Value, options: &Options) -> Option<Row> {
            let (metadata, status) = (&pod["metadata"], &pod["status"]);
            let primary = status["podIP"].as_str().unwrap_or("");
            if primary.is_empty() || status["phase"] == "Succeeded" || status["phase"] == "Failed" {
                return None;
            }
            let mut ip = primary;
            if options.family.is_some() && !fits(primary, options) {
                let other = each(&status["podIPs"]).find(|entry| fits(entry["ip"].as_str().unwrap_or(""), options));
                ip = other.map_or(primary, |entry| entry["ip"].as_str().unwrap());
            }
            let ready = each(&status["conditions"]).find(|condition| condition["type"] == "Ready");
            let standing = if metadata["deletionTimestamp"].is_null() {
                usize::from(ready.is_some_and(|condition| condition["status"] != "True"))
            } else {
                2
            };
            Some((
                json!(ip),
                pod["spec"]["hostname"].clone(),
                metadata["namespace"].clone(),
                standing,
            ))
        }

        /// An address that parses, of the wanted family if there is one.
        fn fits(ip: &str, options: &Options) -> bool {
            match (ip.parse::<IpAddr>(), options.family) {
                (Ok(ip), Some(IpFamily::V4)) => ip.is_ipv4(),
                (Ok(ip), Some(IpFamily::V6)) => ip.is_ipv6(),
                (parsed, None) => parsed.is_ok(),
                (Err(_), _) => false,
            }
        }

        fn label(text: &Value) -> Result<&str, Nameless> {
            let text = text.as_str().ok_or(Other)?;
            let allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-');
            let good = (1..=63).contains(&text.len()) && text.chars().all(allowed);
            let good = good && !text.starts_with('-') && !text.ends_with('-');
            if good { Ok(text) } else { Err(Other) }
        }

        fn name(ip: &Value, hostname: &Value, namespace: &Value, options: &Options) -> Result<String, Nameless> {
            let Names { basename, mode, domain } = &options.names;
            let host = if let Mode::Hostname { service } = mode {
                format!("{}.{service}.{}.svc.{domain}", label(hostname)?, label(namespace)?)
            } else {
                let ip = ip.as_str().filter(|ip| ip.parse::<IpAddr>().is_ok()).ok_or(Other)?;
                if !fits(ip, options) {
                    return Err(Family);
                }
                match mode {
                    Mode::Ip => ip.to_owned(),
                    _ => format!("{}.{}.pod.{domain}", ip.replace(['.', ':'], "-"), label(namespace)?),
                }
            };
            let name = format!("{basename}@{host}");
            if name.chars().count() <= 255 {
                Ok(name)
            } else {
                Err(Other)
            }
        }
    }

    /// A field that is absent, null or has a value.
    type Field = Option<Value>;

    fn object(fields: Vec<(&str, Field)>) -> Value {
        let fields = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(fields.collect::<Map<_, _>>())
    }

    fn field(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Field> {
        prop_oneof![1 => Just(None), 1 => Just(Some(Value::Null)), 6 => value.prop_map(Some)]
    }

    /// Three items at most: what can go wrong between two can go wrong between three.
    fn array(item: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
        proptest::collection::vec(item, 0..=3).prop_map(Value::Array)
    }

    /// Few addresses, so that some are the same; some that do not parse; anything at all.
    fn ip() -> impl Strategy<Value = Value> {
        const KNOWN: &[&str] = &[
            "10.0.0.1",
            "10.0.0.2",
            "fd00::1",
            "fd00::2",
            "::ffff:10.0.0.1",
            "010.0.0.1",
            "10.0.0.1 ",
            "1.2.3",
            "",
            "fe80::1%eth0",
            "[::1]",
        ];
        prop_oneof![8 => prop::sample::select(KNOWN).prop_map(Value::from), 1 => any_text()]
    }

    fn name() -> impl Strategy<Value = Value> {
        const KNOWN: &[&str] = &[
            "web-0", "web-1", "prod", "-a", "a-", "A", "a.b", "a@b", "ä", "", "a\n", "'", "\0",
        ];
        prop_oneof![
            8 => prop::sample::select(KNOWN).prop_map(Value::from),
            1 => "[a-z0-9]{62,64}".prop_map(Value::from),
            1 => any_text(),
        ]
    }

    fn any_text() -> impl Strategy<Value = Value> {
        any::<String>().prop_map(Value::from)
    }

    /// What the server writes beside the fields that are read.
    fn other() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any_text()
        ];
        leaf.prop_recursive(3, 8, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
                proptest::collection::btree_map("f:[a-z]{1,4}|ip|items|kind|status", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn address() -> impl Strategy<Value = Value> {
        let target = (field(name()), other())
            .prop_map(|(namespace, other)| object(vec![("namespace", namespace), ("uid", Some(other))]));
        (field(ip()), field(name()), field(target), other()).prop_map(|(ip, hostname, target, other)| {
            object(vec![
                ("ip", ip),
                ("hostname", hostname),
                ("targetRef", target),
                ("nodeName", Some(other)),
            ])
        })
    }

    fn endpoints() -> impl Strategy<Value = Value> {
        let subset =
            (field(array(address())), field(array(address())), other()).prop_map(|(ready, not_ready, other)| {
                object(vec![
                    ("addresses", ready),
                    ("notReadyAddresses", not_ready),
                    ("ports", Some(other)),
                ])
            });
        (field(name()), field(array(subset)), other()).prop_map(|(namespace, subsets, other)| {
            let metadata = object(vec![("managedFields", Some(other)), ("namespace", namespace)]);
            object(vec![("metadata", Some(metadata)), ("subsets", subsets)])
        })
    }

    fn pod() -> impl Strategy<Value = Value> {
        let words = |words: &'static [&'static str]| prop::sample::select(words).prop_map(Value::from);
        let pod_ip = field(ip()).prop_map(|ip| object(vec![("ip", ip)]));
        let condition = (
            field(words(&["Ready", "Initialized", "ready"])),
            field(words(&["True", "False", "Unknown"])),
            other(),
        )
            .prop_map(|(kind, status, other)| {
                object(vec![("message", Some(other)), ("type", kind), ("status", status)])
            });
        let status = (
            field(words(&["Running", "Pending", "Succeeded", "Failed", "Unknown"])),
            field(ip()),
            field(array(pod_ip)),
            field(array(condition)),
            other(),
        )
            .prop_map(|(phase, ip, ips, conditions, other)| {
                object(vec![
                    ("phase", phase),
                    ("podIP", ip),
                    ("podIPs", ips),
                    ("conditions", conditions),
                    ("hostIPs", Some(other)),
                ])
            });
        let spec = (field(name()), other())
            .prop_map(|(hostname, other)| object(vec![("containers", Some(other)), ("hostname", hostname)]));
        let deleted =
            prop_oneof![2 => Just(None), 1 => Just(Some(json!("2026-08-04T13:00:31Z"))), 1 => Just(Some(Value::Null))];
        (field(name()), deleted, field(spec), field(status)).prop_map(|(namespace, deleted, spec, status)| {
            let metadata = object(vec![("namespace", namespace), ("deletionTimestamp", deleted)]);
            object(vec![("metadata", Some(metadata)), ("spec", spec), ("status", status)])
        })
    }

    fn options() -> impl Strategy<Value = Options> {
        let mode = prop_oneof![
            Just(Mode::Ip),
            Just(Mode::Dns),
            Just(Mode::Hostname {
                service: "headless".to_owned()
            })
        ];
        let family = prop_oneof![Just(None), Just(Some(IpFamily::V4)), Just(Some(IpFamily::V6))];
        let domain = prop_oneof![4 => Just("cluster.local".to_owned()), 1 => Just("d".repeat(220))];
        (mode, family, domain, any::<bool>()).prop_map(|(mode, family, domain, include_not_ready)| Options {
            names: Names {
                basename: "app".to_owned(),
                mode,
                domain,
            },
            family,
            include_not_ready,
        })
    }

    fn list_of(kind: &'static str, item: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
        (field(array(item)), other()).prop_map(move |(items, other)| {
            let items = items.unwrap_or(Value::Null);
            json!({"apiVersion": other, "items": items, "kind": kind, "metadata": {"resourceVersion": "1", "selfLink": other}})
        })
    }

    /// The same JSON with each character of each string as an escape.
    fn escaped(value: &Value) -> String {
        let text = |text: &str| {
            let escapes: Vec<_> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            format!("\"{}\"", escapes.concat())
        };
        match value {
            Value::String(string) => text(string),
            Value::Array(items) => format!("[{}]", items.iter().map(escaped).collect::<Vec<_>>().join(", ")),
            Value::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(key, value)| format!("{} : {}", text(key), escaped(value)));
                format!("{{{}}}", fields.collect::<Vec<_>>().join("\n,"))
            }
            other => other.to_string(),
        }
    }

    fn check(body: &str, source: Source, list: &Value, options: &Options) -> Result<(), TestCaseError> {
        let snapshot = snapshot(body, source, options);
        let (names, dropped) = reference::found(list, options);
        for (ours, theirs) in [&snapshot.ready, &snapshot.not_ready, &snapshot.draining]
            .into_iter()
            .zip(names)
        {
            // Sorted and without duplicates.
            prop_assert_eq!(ours, &theirs.into_iter().collect::<Vec<_>>());
            for name in ours {
                prop_assert!(name.len() <= 255);
                let host = name.strip_prefix("app@").unwrap();
                prop_assert!(
                    host.bytes()
                        .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b':')),
                    "{}",
                    name
                );
            }
        }
        prop_assert_eq!(snapshot.dropped.iter().map(|it| it.count).sum::<usize>(), dropped);
        for dropped in &snapshot.dropped {
            prop_assert!(!dropped.example.contains(char::is_control));
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn endpoints_give_the_names_of_the_reference(list in list_of("EndpointsList", endpoints()), options in options()) {
            for body in [list.to_string(), escaped(&list)] {
                check(&body, Source::Endpoints, &list, &options)?;
            }
        }

        #[test]
        fn pods_give_the_names_of_the_reference(list in list_of("PodList", pod()), options in options()) {
            for body in [list.to_string(), escaped(&list)] {
                check(&body, Source::Pods, &list, &options)?;
            }
        }
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
            for snapshot in [
                Snapshot::merge(apart.iter(), false),
                Snapshot::merge(together.iter(), false),
            ] {
                let counts = (snapshot.ready.len(), snapshot.not_ready.len(), snapshot.draining.len());
                assert_eq!(counts, (ready, not_ready, 1 - ready - not_ready), "{standings:?}");
            }
        }
    }

    #[test]
    fn of_two_pods_with_one_address_the_better_standing_counts() {
        let snapshot = snapshot(include_str!("../../tests/fixtures/pods.json"), Source::Pods, &plain());
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
        let pods = include_str!("../../tests/fixtures/pods.json");
        let v6 = snapshot(pods, Source::Pods, &of_family(IpFamily::V6));
        assert_eq!(v6.ready, ["app@fd00:10:244:1::13", "app@fd00:10:244:1::7"]);
        assert_eq!(v6.dropped, []);
        let endpoints = include_str!("../../tests/fixtures/endpoints.json");
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
        let snapshot = snapshot(include_str!("../../tests/fixtures/pods.json"), Source::Pods, &all);
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
        assert_eq!(Snapshot::merge(both.iter(), false).ready, ["app@fd00::1"]);
        assert!(Snapshot::merge(both.iter(), true).ready.is_empty());
        assert_eq!(Snapshot::merge(both[..1].iter(), true).ready, ["app@fd00::1"]);
    }

    fn plain() -> Options {
        Options {
            names: config(Source::Pods).names,
            family: None,
            include_not_ready: false,
        }
    }
}
