//! What lists and watches cost, for those who measure. Nothing depends on a report being read.

use std::time::{Duration, Instant};

use crate::error::Kind;

/// A list or a watch that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// A list, with all its pages.
    Listed {
        /// From the first request to the last byte.
        duration: Duration,
        /// Of the bodies, after TLS and chunking.
        bytes: u64,
        /// How many requests were answered or failed.
        pages: u32,
        /// Why there is no list.
        failure: Option<Kind>,
        /// How many requests the discovery has made so far.
        requests: u64,
    },
    /// A watch that was open.
    Watched {
        /// How long it was open, what it told, and why it is over.
        ended: Ended,
        /// Of the body.
        bytes: u64,
        /// How many requests the discovery has made so far.
        requests: u64,
    },
}

/// A watch that has ended, as far as that shows in what it told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// From the answer's head to its end.
    pub duration: Duration,
    /// How many events came, bookmarks included.
    pub events: u64,
    /// Why it ended.
    pub ending: Ending,
}

/// Why a watch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its time was over.
    Ended,
    /// It ended at once, and told nothing.
    Useless,
    /// The connection broke.
    Broken,
    /// Nothing came for too long.
    Silent,
    /// Its version is too old (410), or the server's history is another one.
    Expired,
    /// What it sent could not be used, or said that it failed.
    Failed,
}

impl Ending {
    /// The ending as the word that Elixir sees as an atom.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Useless => "useless",
            Self::Broken => "broken",
            Self::Silent => "silent",
            Self::Expired => "expired",
            Self::Failed => "failed",
        }
    }
}

/// A list that goes on.
#[derive(Debug)]
pub(crate) struct Listing {
    started: Instant,
    bytes_before: u64,
    pages: u32,
}

impl Listing {
    pub(crate) fn begin(bytes: u64) -> Self {
        Self {
            started: Instant::now(),
            bytes_before: bytes,
            pages: 0,
        }
    }

    pub(crate) fn page(&mut self) {
        self.pages += 1;
    }

    pub(crate) fn end(self, bytes: u64, requests: u64, failure: Option<Kind>) -> Report {
        Report::Listed {
            duration: self.started.elapsed(),
            bytes: bytes - self.bytes_before,
            pages: self.pages,
            failure,
            requests,
        }
    }
}
