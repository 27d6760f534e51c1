//! What an object names, written a second time without the types and rules of the crate: from any JSON, in plain words.

use std::collections::BTreeMap;
use std::net::IpAddr;

use discovery::objects::candidate::Standing;
use discovery::{Basename, Config, IpFamily, Mode, Snapshot, Source};
use serde_json::Value;

/// Objects by their key.
#[derive(Default)]
pub(crate) struct Model {
    objects: BTreeMap<String, Value>,
    nameless: usize,
}

impl Model {
    /// What a list adds: objects without a name are all different.
    pub(crate) fn list(&mut self, items: &Value) {
        for item in items.as_array().into_iter().flatten() {
            self.nameless += 1;
            let key = key(item).unwrap_or_else(|| format!("nameless {}", self.nameless));
            self.objects.insert(key, item.clone());
        }
    }

    pub(crate) fn event(&mut self, event: &Value) {
        let object = &event["object"];
        let key = key(object).unwrap_or_default();
        match event["type"].as_str() {
            Some("ADDED" | "MODIFIED") => {
                self.objects.insert(key, object.clone());
            }
            Some("DELETED") => {
                self.objects.remove(&key);
            }
            _ => {}
        }
    }

    #[track_caller]
    pub(crate) fn check(&self, snapshot: &Snapshot, config: &Config) {
        let mut names: BTreeMap<String, Standing> = BTreeMap::new();
        let mut dropped = BTreeMap::new();
        let any_family = config.source == Source::EndpointSlices && config.ip_family.is_none();
        let of_type = |object: &Value, kind: &str| object["addressType"] == *kind;
        let skip_v6 = any_family && self.objects.values().any(|object| of_type(object, "IPv4"));
        for object in self
            .objects
            .values()
            .filter(|object| !(skip_v6 && of_type(object, "IPv6")))
        {
            let basename = basename(object, config);
            for candidate in candidates(object, config) {
                match basename.and_then(|basename| candidate.name(basename, config)) {
                    Ok(name) => {
                        let known = names.entry(name).or_insert(candidate.standing);
                        *known = candidate.standing.min(*known);
                    }
                    Err(why) => *dropped.entry(why).or_default() += 1,
                }
            }
        }
        if !names.is_empty() {
            dropped.remove("family");
        }
        for (ours, standing) in [
            (&snapshot.ready, Standing::Ready),
            (&snapshot.not_ready, Standing::NotReady),
            (&snapshot.draining, Standing::Draining),
        ] {
            let theirs: Vec<_> = names.iter().filter(|it| *it.1 == standing).map(|it| it.0).collect();
            assert_eq!(ours.iter().collect::<Vec<_>>(), theirs, "{standing:?}");
        }
        let counted: usize = snapshot.dropped.iter().map(|it| it.count).sum();
        assert_eq!(counted, dropped.values().sum::<usize>(), "dropped");
    }
}

/// Namespace and name, which no other object of its kind has both of.
fn key(object: &Value) -> Option<String> {
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().filter(|name| !name.is_empty())?;
    let namespace = metadata["namespace"].as_str().unwrap_or_default();
    (name.len() <= 253 && namespace.len() <= 253).then(|| format!("{namespace}/{name}"))
}

fn basename<'a>(object: &'a Value, config: &'a Config) -> Result<&'a str, &'static str> {
    let Basename::Label(key) = &config.names.basename else {
        return Ok("app");
    };
    let inside = |c: char| matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-');
    let value = object["metadata"]["labels"][key].as_str();
    let value = value.filter(|value| (1..=63).contains(&value.len()) && value.chars().all(inside));
    value.ok_or("basename")
}

/// An address before it is a name.
pub(crate) struct Candidate<'a> {
    pub(crate) ip: Option<&'a str>,
    pub(crate) hostname: Option<&'a str>,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) standing: Standing,
}

impl Candidate<'_> {
    /// Its name, or a word for why it has none.
    pub(crate) fn name(&self, basename: &str, config: &Config) -> Result<String, &'static str> {
        let domain = &config.names.domain;
        let host = match &config.names.mode {
            Mode::Ip => self.address(config)?.to_owned(),
            Mode::Dns => {
                let dashes: String = self.address(config)?.split(['.', ':']).collect::<Vec<_>>().join("-");
                format!("{dashes}.{}.pod.{domain}", label(self.namespace)?)
            }
            Mode::Hostname { service } => {
                format!(
                    "{}.{service}.{}.svc.{domain}",
                    label(self.hostname)?,
                    label(self.namespace)?
                )
            }
        };
        let name = format!("{basename}@{host}");
        if name.len() > 255 { Err("long") } else { Ok(name) }
    }

    fn address(&self, config: &Config) -> Result<&str, &'static str> {
        let text = self.ip.ok_or("address")?;
        let ip: IpAddr = text.parse().map_err(|_| "address")?;
        if config.ip_family.is_none_or(|family| is_of(family, ip)) {
            Ok(text)
        } else {
            Err("family")
        }
    }
}

fn is_of(family: IpFamily, ip: IpAddr) -> bool {
    ip.is_ipv4() == (family == IpFamily::V4)
}

fn label(text: Option<&str>) -> Result<&str, &'static str> {
    let inside = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-');
    let valid = |it: &&str| {
        (1..=63).contains(&it.len()) && it.chars().all(inside) && !it.starts_with('-') && !it.ends_with('-')
    };
    text.filter(valid).ok_or("label")
}

fn candidates<'a>(object: &'a Value, config: &Config) -> Vec<Candidate<'a>> {
    let not_ready = if config.include_not_ready {
        Standing::Ready
    } else {
        Standing::NotReady
    };
    let namespace = object["metadata"]["namespace"].as_str();
    let mut found = Vec::new();
    match config.source {
        Source::Endpoints => {
            for subset in array(&object["subsets"]) {
                for (field, standing) in [("addresses", Standing::Ready), ("notReadyAddresses", not_ready)] {
                    found.extend(array(&subset[field]).iter().map(|address| Candidate {
                        ip: address["ip"].as_str(),
                        hostname: address["hostname"].as_str(),
                        namespace: address["targetRef"]["namespace"].as_str().or(namespace),
                        standing,
                    }));
                }
            }
        }
        Source::EndpointSlices => {
            for endpoint in array(&object["endpoints"]) {
                let is = |condition: &str| endpoint["conditions"][condition].as_bool();
                found.push(Candidate {
                    ip: endpoint["addresses"][0].as_str(),
                    hostname: endpoint["hostname"].as_str(),
                    namespace: endpoint["targetRef"]["namespace"].as_str().or(namespace),
                    standing: match (is("terminating") == Some(true), is("ready") == Some(false)) {
                        (true, _) => Standing::Draining,
                        (false, true) => not_ready,
                        (false, false) => Standing::Ready,
                    },
                });
            }
        }
        Source::Pods => found.extend(pod(object, config, not_ready)),
    }
    found
}

fn pod<'a>(pod: &'a Value, config: &Config, not_ready: Standing) -> Option<Candidate<'a>> {
    let status = &pod["status"];
    let primary = status["podIP"].as_str().filter(|ip| !ip.is_empty())?;
    if status["phase"] == "Succeeded" || status["phase"] == "Failed" {
        return None;
    }
    let mut all = vec![primary];
    all.extend(array(&status["podIPs"]).iter().filter_map(|it| it["ip"].as_str()));
    let wanted = |ip: &&&str| {
        config
            .ip_family
            .is_some_and(|family| ip.parse().is_ok_and(|ip| is_of(family, ip)))
    };
    let ready = array(&status["conditions"]).iter().find(|it| it["type"] == "Ready");
    Some(Candidate {
        ip: Some(all.iter().find(wanted).copied().unwrap_or(primary)),
        hostname: pod["spec"]["hostname"].as_str(),
        namespace: pod["metadata"]["namespace"].as_str(),
        standing: match ready {
            _ if !pod["metadata"]["deletionTimestamp"].is_null() => Standing::Draining,
            Some(condition) if condition["status"] != "True" => not_ready,
            _ => Standing::Ready,
        },
    })
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
