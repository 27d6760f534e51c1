//! What an object gives: its names, and what else is kept of it.

use crate::config::{Config, IpFamily, Rollout};
use crate::error::printable;
use crate::names::longname::Unnameable;
use crate::objects::candidate::{Candidate, Standing};
use crate::objects::resource::Resource;
use crate::server::credentials::Token;

/// What one object gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) named: Vec<Named>,
    pub(crate) dropped: Vec<Dropped>,
    /// The one family of all its addresses, where the object says so.
    pub(crate) family: Option<IpFamily>,
    /// The value of the label that tells rollouts apart, where that is asked for.
    pub(crate) rollout: Option<String>,
    /// Says that the server has cut the object short, if it has.
    pub(crate) truncated: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) standing: Standing,
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

impl Entry {
    /// What is kept of `object`, with nothing of the token in it.
    pub(crate) fn read(object: &dyn Resource<'_>, token: &Token, config: &Config) -> Self {
        let mut entry = Self {
            truncated: object.truncated(),
            family: object.family(),
            rollout: rollout(object, config),
            ..Self::default()
        };
        let basename = config.names.basename(|key| object.metadata().label(key));
        object.candidates(config.ip_family, &mut |candidate| {
            entry.add(basename, &candidate, config);
        });
        entry.conceal(token);
        entry
    }

    /// What it counts against the limit.
    pub(crate) fn size(&self) -> usize {
        self.named.len().max(1)
    }

    fn add(&mut self, basename: Result<&str, Unnameable>, candidate: &Candidate<'_>, config: &Config) {
        let standing = match candidate.standing {
            Standing::NotReady if config.include_not_ready => Standing::Ready,
            standing => standing,
        };
        let longname = |basename| config.names.longname(basename, candidate, config.ip_family);
        match basename.and_then(longname) {
            Ok(name) => self.named.push(Named { name, standing }),
            Err(reason) => self.drop(reason, candidate),
        }
    }

    /// Lets nothing of the token into a log line. Names are made of checked parts.
    fn conceal(&mut self, token: &Token) {
        let examples = self.dropped.iter_mut().map(|dropped| &mut dropped.example);
        for text in examples.chain(&mut self.truncated) {
            *text = token.conceal(text);
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

fn rollout(object: &dyn Resource<'_>, config: &Config) -> Option<String> {
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
