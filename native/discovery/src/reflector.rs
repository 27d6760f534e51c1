//! The stored objects, each reduced to the names that it gives, and the events applied to them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::candidate::{Candidate, Standing};
use crate::config::{Config, Source};
use crate::error::{Error, Kind, printable};
use crate::longname::Unnameable;
use crate::resource::Resource;
use crate::snapshot::{Dropped, Snapshot};

/// More names than any Erlang cluster has; a longer answer is a wrong selector or worse.
const MAX_NAMES: usize = 20_000;

/// What one object gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) named: Vec<Named>,
    pub(crate) dropped: Vec<Dropped>,
    pub(crate) warning: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) standing: Standing,
    pub(crate) v6: bool,
}

impl Entry {
    pub(crate) fn read<'a>(object: &impl Resource<'a>, config: &Config) -> Self {
        let mut entry = Self {
            warning: object.warning(),
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
            Ok(name) => self.named.push(Named {
                name,
                standing,
                v6: matches!(candidate.ip.map(str::parse), Some(Ok(IpAddr::V6(_)))),
            }),
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

fn example(candidate: &Candidate<'_>) -> String {
    let part = |text: Option<&str>| text.map_or_else(|| "none".to_owned(), |text| format!("{text:?}"));
    printable(&format!(
        "address {}, hostname {}, namespace {}",
        part(candidate.ip),
        part(candidate.hostname),
        part(candidate.namespace)
    ))
}

/// All objects of the last complete list, with every event since applied.
#[derive(Debug, Default)]
pub(crate) struct Reflector {
    objects: BTreeMap<String, Entry>,
}

impl Reflector {
    /// Puts a complete list in the place of what was known: readers never see half a list.
    pub(crate) fn replace(&mut self, objects: impl IntoIterator<Item = (String, Entry)>) -> Result<(), Error> {
        let objects = objects.into_iter().collect();
        check_size(&objects)?;
        self.objects = objects;
        Ok(())
    }

    /// Applies ADDED or MODIFIED; whether anything that counts has changed.
    pub(crate) fn upsert(&mut self, key: String, entry: Entry) -> Result<bool, Error> {
        if self.objects.get(&key) == Some(&entry) {
            return Ok(false);
        }
        self.objects.insert(key, entry);
        check_size(&self.objects).map(|()| true)
    }

    /// Applies DELETED; whether it was known.
    pub(crate) fn delete(&mut self, key: &str) -> bool {
        self.objects.remove(key).is_some()
    }

    /// What is known now. Of EndpointSlices, which come per family, the IPv4 ones unless a family is asked for.
    pub(crate) fn snapshot(&self, config: &Config) -> Snapshot {
        let prefer_v4 = config.source == Source::EndpointSlices && config.ip_family.is_none();
        Snapshot::merge(self.objects.values(), prefer_v4)
    }
}

fn check_size(objects: &BTreeMap<String, Entry>) -> Result<(), Error> {
    let names: usize = objects.values().map(|entry| entry.named.len()).sum();
    if names <= MAX_NAMES {
        return Ok(());
    }
    Err(Error::new(
        Kind::TooLarge,
        format!("the answer names more than {MAX_NAMES} nodes: check kubernetes_selector"),
    ))
}
