//! The entries of all objects, and the events applied to them.

use std::collections::BTreeMap;

use crate::config::{Config, Source};
use crate::error::{CHECK_SELECTOR, Error, Kind};
use crate::names::entry::Entry;
use crate::names::snapshot::Snapshot;

/// More names than any Erlang cluster has; a longer answer is a wrong selector or worse. An object without names counts as
/// one.
const MAX_NAMES: usize = 20_000;

/// All objects of the last complete list, with every event since applied.
#[derive(Debug, Default)]
pub(crate) struct Reflector {
    objects: BTreeMap<String, Entry>,
    /// What they count against the limit.
    size: usize,
}

impl Reflector {
    /// Puts a complete list in the place of what was known: readers never see half a list. Whether anything that counts is
    /// not what it was.
    pub(crate) fn replace(&mut self, objects: impl IntoIterator<Item = (String, Entry)>) -> Result<bool, Error> {
        let objects: BTreeMap<_, _> = objects.into_iter().collect();
        self.size = check_size(size(objects.values()))?;
        let changed = self.objects != objects;
        self.objects = objects;
        Ok(changed)
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
    let why = format!("the answer names more than {MAX_NAMES} nodes");
    Err(Error::new(Kind::TooLarge, why).advise(CHECK_SELECTOR))
}

#[cfg(test)]
mod tests;
