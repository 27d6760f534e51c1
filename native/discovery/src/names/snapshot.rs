//! All names of one complete answer, and what has changed of them since.

use std::mem;

use crate::names::entry::Dropped;
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

/// What has changed since the last that was told, snapshot or changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Who is no longer in the answer.
    pub gone: Vec<String>,
    /// Of the names those that are new or stand otherwise; all else as it is now.
    pub news: Snapshot,
    /// How many names there are now.
    pub size: usize,
}

/// What to tell an owner: everything at first, then what changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    Snapshot(Snapshot),
    Changes(Changes),
}

impl Snapshot {
    pub(crate) fn list(&mut self, standing: Standing) -> &mut Vec<String> {
        match standing {
            Standing::Ready => &mut self.ready,
            Standing::NotReady => &mut self.not_ready,
            Standing::Draining => &mut self.draining,
        }
    }

    /// Makes of the state before the changes the one after them.
    pub fn update(&mut self, changes: &Changes) {
        let news = changes.news.clone();
        let before = mem::replace(self, news);
        let lists = [
            (before.ready, &mut self.ready),
            (before.not_ready, &mut self.not_ready),
            (before.draining, &mut self.draining),
        ];
        for (before, list) in lists {
            list.extend(before.into_iter().filter(|name| !changes.name(name)));
            list.sort_unstable();
        }
    }

    pub(crate) fn names(&self, name: &str) -> bool {
        let lists = [&self.ready, &self.not_ready, &self.draining];
        lists.into_iter().any(|list| contains(list, name))
    }
}

impl Changes {
    /// Makes of two changes, one after the other, one.
    pub(crate) fn update(&mut self, later: &Self) {
        self.gone.retain(|name| !later.name(name));
        self.gone.extend_from_slice(&later.gone);
        self.gone.sort_unstable();
        self.news.update(later);
        self.size = later.size;
    }

    /// Whether something has changed of this name.
    fn name(&self, name: &str) -> bool {
        contains(&self.gone, name) || self.news.names(name)
    }
}

fn contains(sorted: &[String], name: &str) -> bool {
    sorted.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
}

#[cfg(test)]
mod tests;
