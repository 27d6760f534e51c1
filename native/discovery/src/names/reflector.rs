//! The stored objects, each reduced to the names that it gives, and the events applied to them.

use std::collections::BTreeMap;

use crate::config::{Config, IpFamily, Source};
use crate::error::{Error, Kind, printable};
use crate::names::longname::Unnameable;
use crate::names::rollout::Rollout;
use crate::names::snapshot::{Dropped, Snapshot};
use crate::objects::candidate::{Candidate, Standing};
use crate::objects::metadata::Resource;
use crate::server::credentials::Token;

/// More names than any Erlang cluster has; a longer answer is a wrong selector or worse. An object without names counts as
/// one.
const MAX_NAMES: usize = 20_000;

/// What one object gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) named: Vec<Named>,
    pub(crate) dropped: Vec<Dropped>,
    /// The one family of all its addresses, where the object says so.
    pub(crate) family: Option<IpFamily>,
    /// The value of the label that tells rollouts apart, where that is asked for.
    pub(crate) rollout: Option<String>,
    pub(crate) warning: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) standing: Standing,
}

impl Entry {
    /// Lets nothing of the token into a log line. Names are made of checked parts.
    pub(crate) fn conceal(&mut self, token: &Token) {
        let examples = self.dropped.iter_mut().map(|dropped| &mut dropped.example);
        for text in examples.chain(&mut self.warning) {
            *text = token.conceal(text);
        }
    }

    /// What it counts against the limit.
    fn size(&self) -> usize {
        self.named.len().max(1)
    }

    pub(crate) fn read<'a>(object: &impl Resource<'a>, config: &Config) -> Self {
        let mut entry = Self {
            warning: object.warning(),
            family: object.family(),
            rollout: rollout(object, config),
            ..Self::default()
        };
        object.candidates(config.ip_family, &mut |candidate| entry.add(&candidate, config));
        entry
    }

    fn add(&mut self, candidate: &Candidate<'_>, config: &Config) {
        let standing = match candidate.standing {
            Standing::NotReady if config.include_not_ready => Standing::Ready,
            standing => standing,
        };
        match config.names.longname(candidate, config.ip_family) {
            Ok(name) => self.named.push(Named { name, standing }),
            Err(reason) => self.drop(reason, candidate),
        }
    }

    fn drop(&mut self, reason: Unnameable, candidate: &Candidate<'_>) {
        match self.dropped.iter_mut().find(|dropped| dropped.reason == reason) {
            Some(dropped) => dropped.count += 1,
            None => self.dropped.push(Dropped {
                reason,
                count: 1,
                example: example(candidate),
            }),
        }
    }
}

fn rollout<'a>(object: &impl Resource<'a>, config: &Config) -> Option<String> {
    let Rollout { label, .. } = config.rollout.as_ref()?;
    object.metadata().label(label).map(str::to_owned)
}

fn example(candidate: &Candidate<'_>) -> String {
    let part = |text: Option<&str>| text.map_or_else(|| "none".to_owned(), |text| format!("{text:?}"));
    printable(&format!(
        "address {}, hostname {}, namespace {}",
        part(candidate.ip),
        part(candidate.hostname),
        part(candidate.namespace)
    ))
}

/// What sets a list apart from what was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Difference {
    /// Nothing that counts.
    Nothing,
    /// Objects are new or changed.
    Change,
    /// Objects are gone.
    Loss,
}

/// All objects of the last complete list, with every event since applied.
#[derive(Debug, Default)]
pub(crate) struct Reflector {
    objects: BTreeMap<String, Entry>,
    /// What they count against the limit.
    size: usize,
}

impl Reflector {
    /// Puts a complete list in the place of what was known: readers never see half a list.
    pub(crate) fn replace(&mut self, objects: impl IntoIterator<Item = (String, Entry)>) -> Result<Difference, Error> {
        let objects: BTreeMap<_, _> = objects.into_iter().collect();
        self.size = check_size(size(objects.values()))?;
        let difference = if self.objects == objects {
            Difference::Nothing
        } else if self.objects.keys().all(|key| objects.contains_key(key)) {
            Difference::Change
        } else {
            Difference::Loss
        };
        self.objects = objects;
        Ok(difference)
    }

    /// Applies ADDED or MODIFIED; whether anything that counts has changed.
    pub(crate) fn upsert(&mut self, key: String, entry: Entry) -> Result<bool, Error> {
        let known = self.objects.get(&key);
        if known == Some(&entry) {
            return Ok(false);
        }
        self.size = check_size(self.size - size(known) + entry.size())?;
        self.objects.insert(key, entry);
        Ok(true)
    }

    /// Applies DELETED; whether it was known.
    pub(crate) fn delete(&mut self, key: &str) -> bool {
        let known = self.objects.remove(key);
        self.size -= size(&known);
        known.is_some()
    }

    #[cfg(test)]
    pub(crate) fn objects(&self) -> &BTreeMap<String, Entry> {
        &self.objects
    }

    /// What is known now. Of EndpointSlices, which come per family, the IPv4 ones unless a family is asked for.
    pub(crate) fn snapshot(&self, config: &Config) -> Snapshot {
        let entries = self.objects.values();
        let Some(rollout) = &config.rollout else {
            let prefer_v4 = config.source == Source::EndpointSlices && config.ip_family.is_none();
            return Snapshot::merge(entries, prefer_v4);
        };
        let (is_member, warning) = rollout.of(entries.clone());
        let mut snapshot = Snapshot::merge(entries.filter(|entry| is_member(entry)), false);
        snapshot.warnings.extend(warning);
        snapshot
    }
}

/// What these count against the limit.
pub(crate) fn size<'e>(entries: impl IntoIterator<Item = &'e Entry>) -> usize {
    entries.into_iter().map(Entry::size).sum()
}

/// The size, if it is within the limit.
pub(crate) fn check_size(size: usize) -> Result<usize, Error> {
    if size <= MAX_NAMES {
        return Ok(size);
    }
    Err(Error::new(
        Kind::TooLarge,
        format!("the answer names more than {MAX_NAMES} nodes: check kubernetes_selector"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::frame::Frame;
    use crate::answers::list::{Page, keyed};
    use crate::answers::pieces::Delimiter;
    use crate::config::IpFamily;
    use crate::names::longname::Mode;
    use crate::testing;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn entry(names: &[&str]) -> Entry {
        let ready = |name: &&str| Named {
            name: (*name).to_owned(),
            standing: Standing::Ready,
        };
        Entry {
            named: names.iter().map(ready).collect(),
            ..Entry::default()
        }
    }

    fn crowd(names: usize) -> Entry {
        let names: Vec<_> = (0..names).map(|number| number.to_string()).collect();
        entry(&names.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn ready(reflector: &Reflector) -> Vec<String> {
        reflector.snapshot(&testing::config(Source::Endpoints)).ready
    }

    #[test]
    fn a_list_takes_the_place_of_everything() {
        let mut reflector = Reflector::default();
        let mut replace = |names: &[&str]| {
            let objects = names.iter().map(|name| ((*name).to_owned(), entry(&[name])));
            let difference = reflector.replace(objects).unwrap();
            assert_eq!(ready(&reflector), names);
            difference
        };
        assert_eq!(replace(&["a"]), Difference::Change);
        assert_eq!(replace(&["a"]), Difference::Nothing);
        assert_eq!(replace(&["a", "b"]), Difference::Change);
        assert_eq!(replace(&["b", "c"]), Difference::Loss);
        assert_eq!(replace(&[]), Difference::Loss);
    }

    #[test]
    fn only_what_counts_is_a_change() {
        let mut reflector = Reflector::default();
        assert!(reflector.upsert("a".to_owned(), entry(&[])).unwrap(), "a new object");
        assert!(!reflector.upsert("a".to_owned(), entry(&[])).unwrap());
        assert!(reflector.upsert("a".to_owned(), entry(&["a"])).unwrap());
        assert!(!reflector.upsert("a".to_owned(), entry(&["a"])).unwrap());
        assert!(reflector.delete("a"));
        assert!(!reflector.delete("a"));
    }

    #[test]
    fn too_many_names_of_a_list_change_nothing() {
        let mut reflector = Reflector::default();
        reflector.replace([("a".to_owned(), entry(&["a"]))]).unwrap();
        let halves = [("b".to_owned(), crowd(10_000)), ("c".to_owned(), crowd(10_001))];
        assert_eq!(reflector.replace(halves).unwrap_err().kind, Kind::TooLarge);
        assert_eq!(ready(&reflector), ["a"]);
    }

    #[test]
    fn too_many_names_of_an_event_change_nothing() {
        let mut reflector = Reflector::default();
        reflector.replace([("a".to_owned(), entry(&["a"]))]).unwrap();
        let error = reflector.upsert("b".to_owned(), crowd(20_000)).unwrap_err();
        assert_eq!(error.kind, Kind::TooLarge);
        assert_eq!(ready(&reflector).len(), 1);
    }

    #[test]
    fn too_many_names_of_an_event_are_an_error() {
        let mut reflector = Reflector::default();
        assert!(reflector.upsert("a".to_owned(), crowd(20_000)).is_ok());
        let error = reflector.upsert("b".to_owned(), entry(&["b"])).unwrap_err();
        assert_eq!(error.kind, Kind::TooLarge);
        assert!(error.message.contains("kubernetes_selector"), "{error}");
    }

    fn pick(values: &[Value]) -> impl Strategy<Value = Value> + use<> {
        prop::sample::select(values.to_vec())
    }

    fn ip() -> impl Strategy<Value = Value> {
        let known = [
            "10.0.0.1",
            "10.0.0.2",
            "10.0.0.3",
            "fd00::1",
            "fd00::2",
            "example.com",
            "",
        ];
        pick(&known.map(Value::from))
    }

    fn hostname() -> impl Strategy<Value = Value> {
        pick(&[json!("web-0"), json!("web-1"), json!("Web"), Value::Null])
    }

    fn flag() -> impl Strategy<Value = Value> {
        pick(&[json!(true), json!(false), Value::Null])
    }

    fn endpoints() -> impl Strategy<Value = Value> {
        let addresses = || {
            let address = (ip(), hostname()).prop_map(|(ip, hostname)| json!({"ip": ip, "hostname": hostname}));
            prop::collection::vec(address, 0..3)
        };
        (addresses(), addresses(), any::<bool>()).prop_map(|(ready, not_ready, over_capacity)| {
            let annotations = if over_capacity {
                json!({"endpoints.kubernetes.io/over-capacity": "truncated"})
            } else {
                Value::Null
            };
            json!({
                "metadata": {"annotations": annotations},
                "subsets": [{"addresses": ready, "notReadyAddresses": not_ready}],
            })
        })
    }

    fn slice() -> impl Strategy<Value = Value> {
        let endpoint = (ip(), hostname(), flag(), flag()).prop_map(|(ip, hostname, ready, terminating)| {
            let conditions = json!({"ready": ready, "terminating": terminating});
            json!({"addresses": [ip], "hostname": hostname, "conditions": conditions})
        });
        prop::collection::vec(endpoint, 0..4).prop_map(|endpoints| json!({"metadata": {}, "endpoints": endpoints}))
    }

    fn pod() -> impl Strategy<Value = Value> {
        let phase = pick(&["Pending", "Running", "Succeeded", "Failed"].map(Value::from));
        let deleted = pick(&[Value::Null, Value::Null, json!("2026-08-04T13:00:31Z")]);
        let ready = pick(&["True", "False"].map(Value::from));
        (ip(), ip(), hostname(), phase, deleted, ready).prop_map(|(ip, other, hostname, phase, deleted, ready)| {
            let ips = [json!({"ip": ip}), json!({"ip": other})];
            let conditions = [json!({"type": "Ready", "status": ready})];
            json!({
                "metadata": {"deletionTimestamp": deleted},
                "spec": {"hostname": hostname},
                "status": {"phase": phase, "podIP": ip, "podIPs": ips, "conditions": conditions},
            })
        })
    }

    fn config(source: Source) -> impl Strategy<Value = Config> {
        let family = prop::sample::select(vec![None, None, Some(IpFamily::V4), Some(IpFamily::V6)]);
        let hostname = Mode::Hostname {
            service: "web".to_owned(),
        };
        let mode = prop::sample::select(vec![Mode::Ip, Mode::Dns, hostname]);
        (family, mode, any::<bool>()).prop_map(move |(ip_family, mode, include_not_ready)| {
            let mut config = Config {
                include_not_ready,
                ip_family,
                ..testing::config(source)
            };
            config.names.mode = mode;
            config
        })
    }

    /// What becomes of one of four objects: so it is now, or it is gone.
    type Change = (u8, Option<Value>);

    fn changes(object: impl Strategy<Value = Value>) -> impl Strategy<Value = Vec<Change>> {
        prop::collection::vec((0_u8..4, prop::option::weighted(0.7, object)), 0..16)
    }

    /// What pods come to for this node, in JSON and in protobuf.
    fn of_its_rollout(node: &str, pods: &Value) -> Snapshot {
        let config = Config {
            rollout: Some(Rollout {
                label: "pod-template-hash".to_owned(),
                node: node.to_owned(),
            }),
            ..testing::config(Source::Pods)
        };
        let list = json!({"kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": pods});
        let [json, protobuf] = [list.to_string().into_bytes(), testing::protobuf::list(&list)].map(|body| {
            let mut reflector = Reflector::default();
            let page = Page::parse(&body, &config).unwrap();
            reflector.replace(keyed(page.objects, 0)).unwrap();
            reflector.snapshot(&config)
        });
        assert_eq!(json, protobuf);
        json
    }

    #[test]
    fn only_pods_of_the_same_rollout_count() {
        let pod = |number: u8, labels: Value| {
            json!({
                "metadata": {"name": format!("web-{number}"), "namespace": "default", "labels": labels},
                "status": {"phase": "Running", "podIP": format!("10.0.0.{number}")},
            })
        };
        let hash = |hash: &str| json!({"app": "app", "pod-template-hash": hash});
        let pods = json!([
            pod(1, hash("a")),
            pod(2, hash("b")),
            pod(3, hash("a")),
            pod(4, json!({"app": "app"})),
            pod(5, Value::Null)
        ]);
        let one = of_its_rollout("app@10.0.0.1", &pods);
        assert_eq!(
            (&one.ready[..], one.warnings.len()),
            (&["app@10.0.0.1".to_owned(), "app@10.0.0.3".to_owned()][..], 0)
        );
        let other = of_its_rollout("app@10.0.0.2", &pods);
        assert_eq!(other.ready, ["app@10.0.0.2"]);
        for node in ["app@10.0.0.4", "app@10.0.0.5"] {
            let unlabelled = of_its_rollout(node, &pods);
            assert_eq!(unlabelled.ready, [node]);
            assert!(
                unlabelled.warnings[0].contains("no label \"pod-template-hash\""),
                "{:?}",
                unlabelled.warnings
            );
        }
        let unknown = of_its_rollout("nonode@nohost", &pods);
        assert!(unknown.ready.is_empty());
        assert!(unknown.warnings[0].contains("nonode@nohost"), "{:?}", unknown.warnings);
    }

    /// The same changes as a list of the first and a watch of the rest, and as one list of what they come to.
    fn check(changes: &[Change], watched: usize, kind: &str, config: &Config) -> Result<(), TestCaseError> {
        let mut objects: BTreeMap<u8, Value> = BTreeMap::new();
        let list = |objects: &BTreeMap<u8, Value>| {
            let items: Vec<_> = objects.values().collect();
            let body = json!({"kind": format!("{kind}List"), "metadata": {"resourceVersion": "1"}, "items": items})
                .to_string();
            let page = Page::parse(body.as_bytes(), config).unwrap();
            let mut reflector = Reflector::default();
            reflector.replace(keyed(page.objects, 0)).unwrap();
            reflector
        };
        let (first, rest) = changes.split_at(changes.len() - watched.min(changes.len()));
        let mut frames = Vec::new();
        let mut listed = Reflector::default();
        for (index, (number, object)) in first.iter().chain(rest).enumerate() {
            if index == first.len() {
                listed = list(&objects);
            }
            let before = objects.remove(number);
            let (event, mut object) = match (object, before) {
                (Some(object), None) => ("ADDED", object.clone()),
                (Some(object), Some(_)) => ("MODIFIED", object.clone()),
                (None, Some(before)) => ("DELETED", before),
                (None, None) => continue,
            };
            object["metadata"]["name"] = json!(format!("object-{number}"));
            object["metadata"]["namespace"] = json!("default");
            object["metadata"]["resourceVersion"] = json!(index.to_string());
            if index >= first.len() {
                let mut whole = object.clone();
                whole["kind"] = json!(kind);
                frames.push(json!({"type": event, "object": whole}).to_string());
            }
            if event != "DELETED" {
                objects.insert(*number, object);
            }
        }
        if rest.is_empty() {
            listed = list(&objects);
        }
        for frame in frames {
            let before = listed.snapshot(config);
            let news = match Frame::parse(frame.as_bytes(), Delimiter::LineFeed, config).unwrap() {
                Frame::Upsert { key, entry, .. } => listed.upsert(key, entry).unwrap(),
                Frame::Delete { key, .. } => listed.delete(&key),
                Frame::Bookmark { .. } => false,
            };
            prop_assert!(news || listed.snapshot(config) == before);
        }
        prop_assert_eq!(listed.snapshot(config), list(&objects).snapshot(config));
        Ok(())
    }

    proptest! {
        #[test]
        fn a_watch_of_endpoints_comes_to_what_a_list_says(
            changes in changes(endpoints()), watched in 0_usize..16, config in config(Source::Endpoints),
        ) {
            check(&changes, watched, "Endpoints", &config)?;
        }

        #[test]
        fn a_watch_of_slices_comes_to_what_a_list_says(
            changes in changes(slice()), watched in 0_usize..16, config in config(Source::EndpointSlices),
        ) {
            check(&changes, watched, "EndpointSlice", &config)?;
        }

        #[test]
        fn a_watch_of_pods_comes_to_what_a_list_says(
            changes in changes(pod()), watched in 0_usize..16, config in config(Source::Pods),
        ) {
            check(&changes, watched, "Pod", &config)?;
        }
    }
}
