//! What a reader of the design would write, without a thought for speed.

use super::Options;
use crate::config::{Basename, IpFamily, Mode, Names};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

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
    let is_pods = list["kind"] == "PodList";
    let candidates = each(&list["items"]).flat_map(|object| {
        let rows = if is_pods {
            of_pod(object, options).into_iter().collect()
        } else {
            of_endpoints(object)
        };
        rows.into_iter().map(move |row| (object, row))
    });
    for (object, (ip, hostname, namespace, standing)) in candidates {
        let standing = if standing == 1 && options.include_not_ready {
            0
        } else {
            standing
        };
        let name = basename(object, options).and_then(|it| name(it, &ip, &hostname, &namespace, options));
        match name {
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

fn basename<'a>(object: &'a Value, options: &'a Options) -> Result<&'a str, Nameless> {
    match &options.names.basename {
        Basename::Fixed(basename) => Ok(basename),
        Basename::Label(key) => {
            let value = object["metadata"]["labels"][key].as_str().ok_or(Other)?;
            let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            let good = (1..=63).contains(&value.len()) && value.chars().all(allowed);
            if good { Ok(value) } else { Err(Other) }
        }
    }
}

fn name(
    basename: &str,
    ip: &Value,
    hostname: &Value,
    namespace: &Value,
    options: &Options,
) -> Result<String, Nameless> {
    let Names { mode, domain, .. } = &options.names;
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
