//! Streams that were good for nothing, one after the other: since when none has told anything, and since when none was useful.
//! Those that tell nothing have one silence in all: whatever cuts them, and has nobody see it, does not put off the list.

use std::time::{Duration, Instant};

/// When no stream has been useful for this long, what is known would be too old: it is listed. A server that has just started
/// opens no watch for a moment, and a list by every node is not what it needs then.
pub(super) const BEAR_WITHOUT_WATCH: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Streak {
    /// When the first of the streams was opened that have told nothing since anything was told.
    pub(super) unheard_since: Option<Instant>,
    /// When the first of the streams ended, or did not open, that were useless since one was useful.
    pub(super) useless_since: Option<Instant>,
}

impl Streak {
    pub(super) fn opened(&mut self, now: Instant) {
        self.unheard_since.get_or_insert(now);
    }

    /// For how long open streams have told nothing.
    pub(super) fn unheard_for(&self, now: Instant) -> Duration {
        let since = self.unheard_since.unwrap_or(now);
        now.saturating_duration_since(since)
    }

    /// One more was useless: whether none has been useful for too long.
    pub(super) fn useless_for_long(&mut self, now: Instant) -> bool {
        let since = *self.useless_since.get_or_insert(now);
        now.saturating_duration_since(since) >= BEAR_WITHOUT_WATCH
    }
}
