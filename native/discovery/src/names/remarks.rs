//! What objects say beside names, by object: an event costs no look at all the others.

use std::collections::BTreeMap;

use crate::names::entry::{Dropped, Entry};
use crate::names::longname::Unnameable;

#[derive(Debug, Default)]
pub(super) struct Remarks {
    dropped: BTreeMap<Unnameable, Unnamed>,
    truncated: BTreeMap<String, String>,
}

/// The candidates without a name for one reason.
#[derive(Debug, Default)]
struct Unnamed {
    count: usize,
    /// One of each object.
    examples: BTreeMap<String, String>,
}

impl Remarks {
    /// Puts what an object says now in the place of what it said before.
    pub(super) fn exchange(&mut self, key: &str, before: &Entry, after: &Entry) {
        for gone in &before.dropped {
            let unnamed = self.dropped.entry(gone.reason).or_default();
            unnamed.count -= gone.count;
            unnamed.examples.remove(key);
        }
        for one in &after.dropped {
            let unnamed = self.dropped.entry(one.reason).or_default();
            unnamed.count += one.count;
            unnamed.examples.insert(key.to_owned(), one.example.clone());
        }
        self.truncated.remove(key);
        if let Some(text) = &after.truncated {
            self.truncated.insert(key.to_owned(), text.clone());
        }
    }

    /// By reason, with the first object's example.
    pub(super) fn dropped(&self) -> Vec<Dropped> {
        let dropped = self.dropped.iter().filter_map(|(&reason, unnamed)| {
            let (_, example) = unnamed.examples.first_key_value()?;
            Some(Dropped {
                reason,
                count: unnamed.count,
                example: example.clone(),
            })
        });
        dropped.collect()
    }

    /// One text for each object that the server has cut short.
    pub(super) fn truncated(&self) -> Vec<String> {
        self.truncated.values().cloned().collect()
    }
}
