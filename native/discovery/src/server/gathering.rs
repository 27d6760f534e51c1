//! How often a long answer is read.
//!
//! A server in Go writes in TLS records of 4 KB (the buffer of its `net/http`). To wake up for each of them costs a quarter of
//! reading some megabytes. So what comes without a break is read in larger portions.

use std::time::Duration;

/// Short answers, and the beginnings of long ones, are read as they come.
const AT_ONCE_BYTES: usize = 256 * 1024;
/// In this time a kube-apiserver encodes some 20 KB of pods: less than the buffer, so that it does not wait for us.
const PAUSE: Duration = Duration::from_micros(120);
/// Whoever had to wait for so long reads what comes by and by: a watch, or a slow server.
const BREAK: Duration = Duration::from_millis(5);

/// What came of an answer without a break.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    unbroken_bytes: usize,
    full: bool,
}

impl Gathering {
    /// How long to leave the next portion alone.
    pub(crate) fn pause(&self) -> Option<Duration> {
        (self.unbroken_bytes > AT_ONCE_BYTES && !self.full).then_some(PAUSE)
    }

    /// So much came after a wait, and there was room for so much.
    pub(crate) fn came(&mut self, bytes: usize, room: usize, waited: Duration) {
        if waited > BREAK {
            self.unbroken_bytes = 0;
        }
        self.unbroken_bytes += bytes;
        self.full = bytes == room;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 32 * 1024;
    const RECORD: usize = 4 * 1024;

    fn after(portions: impl IntoIterator<Item = (usize, Duration)>) -> Option<Duration> {
        let mut gathering = Gathering::default();
        for (bytes, waited) in portions {
            gathering.came(bytes, ROOM, waited);
        }
        gathering.pause()
    }

    #[test]
    fn only_what_is_long_and_comes_without_a_break_is_left_alone() {
        let records = |count| std::iter::repeat_n((RECORD, Duration::ZERO), count);
        assert_eq!(after([]), None);
        assert_eq!(after(records(AT_ONCE_BYTES / RECORD)), None);
        assert_eq!(after(records(AT_ONCE_BYTES / RECORD + 1)), Some(PAUSE));
        // An event of a watch that had much to say before.
        assert_eq!(after(records(1_000).chain([(RECORD, 2 * BREAK)])), None);
    }

    #[test]
    fn nobody_waits_for_what_is_there() {
        assert_eq!(after(std::iter::repeat_n((ROOM, Duration::ZERO), 100)), None);
    }
}
