//! The entries of all objects, the events applied to them, and what the owner is to be told of that.

use std::collections::BTreeMap;
use std::mem;

use crate::config::{Config, IpFamily, Source};
use crate::error::{CHECK_SELECTOR, Error, Kind};
use crate::names::entry::{Dropped, Entry};
use crate::names::longname::Unnameable;
use crate::names::remarks::Remarks;
use crate::names::rollout::Own;
use crate::names::roster::Roster;
use crate::names::snapshot::{Changes, News, Snapshot};

/// More names than any Erlang cluster has; a longer answer is a wrong selector or worse. An object without names counts as
/// one.
const MAX_NAMES: usize = 20_000;

/// All objects of the last complete list, with every event since applied.
#[derive(Debug)]
pub(crate) struct Reflector<'c> {
    config: &'c Config,
    objects: BTreeMap<String, Entry>,
    /// What they count against the limit.
    size: usize,
    counting: Counting,
    /// What those that count come to.
    roster: Roster,
    remarks: Remarks,
    /// Whether the owner was told everything once.
    told: bool,
}

/// Which objects count.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Counting {
    All,
    /// Of EndpointSlices, which come per family, those of IPv6 addresses count only where there are none of IPv4 addresses,
    /// even if those are empty; unless a family is asked for.
    NotIpv6,
    /// Those of this node's own rollout.
    Rollout(Own),
}

impl<'c> Reflector<'c> {
    pub(crate) fn new(config: &'c Config) -> Self {
        let objects = BTreeMap::default();
        Self {
            counting: Counting::of(&objects, config),
            config,
            objects,
            size: 0,
            roster: Roster::default(),
            remarks: Remarks::default(),
            told: false,
        }
    }

    /// Puts a complete list in the place of what was known: readers never see half a list. Whether there is something to
    /// tell.
    pub(crate) fn replace(&mut self, objects: impl IntoIterator<Item = (String, Entry)>) -> Result<bool, Error> {
        let objects: BTreeMap<_, _> = objects.into_iter().collect();
        self.size = check_size(size(objects.values()))?;
        let other = self.objects != objects;
        self.objects = objects;
        Ok(other && self.recount())
    }

    /// Applies ADDED or MODIFIED; whether there is something to tell.
    pub(crate) fn upsert(&mut self, key: &str, entry: Entry) -> Result<bool, Error> {
        let known = self.objects.get(key);
        if known == Some(&entry) {
            return Ok(false);
        }
        self.size = check_size(self.size - size(known) + entry.size())?;
        let known = self.objects.insert(key.to_owned(), entry);
        Ok(self.changed(key, &known.unwrap_or_default()))
    }

    /// Applies DELETED; whether there is something to tell.
    pub(crate) fn delete(&mut self, key: &str) -> bool {
        let known = self.objects.remove(key);
        self.size -= size(&known);
        known.is_some_and(|known| self.changed(key, &known))
    }

    #[cfg(test)]
    pub(crate) fn objects(&self) -> &BTreeMap<String, Entry> {
        &self.objects
    }

    /// What is known now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.state();
        for (name, standing) in self.roster.iter() {
            snapshot.list(standing).push(name.to_owned());
        }
        snapshot
    }

    /// What the owner is to be told, which is then taken as told.
    pub(crate) fn tell(&mut self) -> News {
        if !self.told {
            self.told = true;
            self.roster.tell_all();
            return News::Snapshot(self.snapshot());
        }
        let changes = self.roster.tell_changes();
        let (mut news, mut gone) = (self.state(), Vec::new());
        for (name, standing) in changes {
            standing.map_or(&mut gone, |standing| news.list(standing)).push(name);
        }
        let size = self.roster.len();
        News::Changes(Changes { gone, news, size })
    }

    /// Everything but the names.
    fn state(&self) -> Snapshot {
        // In a dual-stack cluster the other family is no news, only its standing alone is.
        let (mut dropped, warnings) = self.remarks();
        dropped.retain(|it| it.reason != Unnameable::Family || self.roster.iter().next().is_none());
        let mut snapshot = Snapshot {
            dropped,
            truncated: !warnings.is_empty(),
            warnings,
            ..Snapshot::default()
        };
        if let (Some(rollout), Counting::Rollout(own)) = (&self.config.rollout, &self.counting) {
            snapshot.warnings.extend(rollout.warning(own));
        }
        snapshot
    }

    /// One object is not what it was, or is gone; whether that is news.
    fn changed(&mut self, key: &str, before: &Entry) -> bool {
        let gone = Entry::default();
        let after = self.objects.get(key).unwrap_or(&gone);
        let decisive = [before, after]
            .into_iter()
            .any(|it| Counting::depends_on(it, self.config));
        if decisive && Counting::of(&self.objects, self.config) != self.counting {
            return self.recount();
        }
        let includes = |entry| self.counting.includes(entry, self.config);
        let [before, after] = [before, after].map(|entry| if includes(entry) { entry } else { &gone });
        let changed = self.roster.exchange(&before.named, &after.named);
        let same = (&before.dropped, &before.truncated) == (&after.dropped, &after.truncated);
        if same {
            return changed;
        }
        let said = self.remarks();
        self.remarks.exchange(key, before, after);
        self.remarks() != said || changed
    }

    fn recount(&mut self) -> bool {
        let counting = Counting::of(&self.objects, self.config);
        let other = mem::replace(&mut self.counting, counting) != self.counting;
        let included = |(_, entry): &(_, &Entry)| self.counting.includes(entry, self.config);
        let entries = self.objects.iter().filter(included);
        let changed = self.roster.recount(entries.clone().map(|(_, entry)| entry));
        let said = self.remarks();
        let mut remarks = Remarks::default();
        for (key, entry) in entries {
            remarks.exchange(key, &Entry::default(), entry);
        }
        self.remarks = remarks;
        self.remarks() != said || changed || other
    }

    /// What objects say beside names.
    fn remarks(&self) -> (Vec<Dropped>, Vec<String>) {
        (self.remarks.dropped(), self.remarks.truncated())
    }
}

impl Counting {
    fn of(objects: &BTreeMap<String, Entry>, config: &Config) -> Self {
        let mut entries = objects.values();
        if let Some(rollout) = &config.rollout {
            Self::Rollout(rollout.own(entries))
        } else if by_family(config) && entries.any(|entry| entry.family == Some(IpFamily::V4)) {
            Self::NotIpv6
        } else {
            Self::All
        }
    }

    /// Whether which objects count may be another matter with this one.
    fn depends_on(entry: &Entry, config: &Config) -> bool {
        match &config.rollout {
            Some(rollout) => rollout.is_own(entry),
            None => by_family(config) && entry.family.is_some(),
        }
    }

    fn includes(&self, entry: &Entry, config: &Config) -> bool {
        match (self, &config.rollout) {
            (Self::NotIpv6, _) => entry.family != Some(IpFamily::V6),
            (Self::Rollout(own), Some(rollout)) => rollout.is_member(own, entry),
            _ => true,
        }
    }
}

fn by_family(config: &Config) -> bool {
    config.source == Source::EndpointSlices && config.ip_family.is_none()
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
