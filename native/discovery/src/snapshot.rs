//! All names of one complete answer.

use std::collections::{BTreeMap, HashMap};

use crate::candidate::{Candidate, Standing};
use crate::config::IpFamily;
use crate::error::{Error, Kind, printable};
use crate::longname::{Names, Unnameable};

/// More names than any Erlang cluster has; a longer answer is a wrong selector or worse.
const MAX_NAMES: usize = 20_000;

/// The names of one complete, well-formed answer, each sorted and in one list only.
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

/// Collects the names of all pages of an answer.
#[derive(Debug)]
pub(crate) struct Builder<'c> {
    names: &'c Names,
    family: Option<IpFamily>,
    include_not_ready: bool,
    found: HashMap<String, Standing>,
    dropped: BTreeMap<Unnameable, (usize, String)>,
    warnings: Vec<String>,
}

impl<'c> Builder<'c> {
    pub(crate) fn new(names: &'c Names, family: Option<IpFamily>, include_not_ready: bool) -> Self {
        Self {
            names,
            family,
            include_not_ready,
            found: HashMap::new(),
            dropped: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, candidate: &Candidate<'_>) {
        let standing = match candidate.standing {
            Standing::NotReady if self.include_not_ready => Standing::Ready,
            standing => standing,
        };
        match self.names.longname(candidate, self.family) {
            Ok(name) => {
                let known = self.found.entry(name).or_insert(standing);
                *known = standing.min(*known);
            }
            Err(reason) => {
                let dropped = self.dropped.entry(reason).or_insert_with(|| (0, example(candidate)));
                dropped.0 += 1;
            }
        }
    }

    pub(crate) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    pub(crate) fn check_size(&self) -> Result<(), Error> {
        if self.found.len() <= MAX_NAMES {
            return Ok(());
        }
        Err(Error::new(
            Kind::TooLarge,
            format!("the answer names more than {MAX_NAMES} nodes: check kubernetes_selector"),
        ))
    }

    pub(crate) fn finish(self, resource_version: String) -> Snapshot {
        let mut snapshot = Snapshot {
            warnings: self.warnings,
            resource_version,
            ..Snapshot::default()
        };
        for (name, standing) in self.found {
            match standing {
                Standing::Ready => &mut snapshot.ready,
                Standing::NotReady => &mut snapshot.not_ready,
                Standing::Draining => &mut snapshot.draining,
            }
            .push(name);
        }
        for names in [&mut snapshot.ready, &mut snapshot.not_ready, &mut snapshot.draining] {
            names.sort_unstable();
        }
        snapshot.dropped = self
            .dropped
            .into_iter()
            .map(|(reason, (count, example))| Dropped { reason, count, example })
            .collect();
        snapshot
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
