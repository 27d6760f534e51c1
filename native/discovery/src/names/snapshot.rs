//! All names of one complete answer.

use std::collections::BTreeMap;

use crate::config::IpFamily;
use crate::names::entry::{Dropped, Entry};
use crate::names::longname::Unnameable;
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
    /// Whether an object was cut short by the server, so that members may be missing.
    pub truncated: bool,
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
            warnings.extend(entry.truncated.clone());
        }
        // In a dual-stack cluster the other family is no news, only its standing alone is.
        if !found.is_empty() {
            dropped.remove(&Unnameable::Family);
        }
        let mut snapshot = Self {
            dropped: dropped.into_values().collect(),
            truncated: !warnings.is_empty(),
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
mod tests;
