//! An open stream, and how it ends or is kept from opening.

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::watch::report::{Ended, Ending};

/// A stream that was open for this long has worked, whether or not anything happened meanwhile.
pub(super) const WORKING: Duration = Duration::from_secs(30);

/// What there is to say of an open stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) opened: Instant,
    /// How many whole events and bookmarks it has told.
    pub(super) events: u64,
}

impl Stream {
    pub(super) fn is_old(self, now: Instant) -> bool {
        now.saturating_duration_since(self.opened) >= WORKING
    }

    pub(super) fn is_useful(self, now: Instant) -> bool {
        self.events > 0 || self.is_old(now)
    }

    pub(super) fn ended(self, end: &End, now: Instant) -> Ended {
        Ended {
            duration: now.saturating_duration_since(self.opened),
            events: self.events,
            ending: match end {
                End::Clean if self.is_useful(now) => Ending::Ended,
                End::Clean => Ending::Useless,
                End::Failed(error) if error.status.is_none() => Ending::Broken,
                End::Silent => Ending::Silent,
                End::Lost(None) => Ending::Expired,
                End::Failed(_) | End::Lost(Some(_)) | End::Refused(_) => Ending::Failed,
            },
        }
    }
}

/// How a stream ended, or was kept from opening.
#[derive(Debug)]
pub(super) enum End {
    /// Its time was over.
    Clean,
    /// The connection broke, or the server said that it failed.
    Failed(Error),
    /// Nothing whole came for too long.
    Silent,
    /// What comes next is not known: only a list tells. Why, where that is an error.
    Lost(Option<Error>),
    /// The role, or something in between, allows no watches.
    Refused(Error),
}

impl End {
    pub(super) fn not_opened(error: Error) -> Self {
        match error.status {
            Some(410) => Self::Lost(None),
            Some(400 | 403 | 404 | 405 | 406 | 501) => Self::Refused(error),
            _ => Self::Failed(error),
        }
    }

    pub(super) fn of_frame(error: Error) -> Self {
        match error.status {
            Some(410) => Self::Lost(None),
            Some(_) => Self::Failed(error),
            None => Self::Lost(Some(error)),
        }
    }

    pub(super) fn error(&self) -> Option<&Error> {
        match self {
            Self::Failed(error) | Self::Refused(error) | Self::Lost(Some(error)) => Some(error),
            Self::Clean | Self::Silent | Self::Lost(None) => None,
        }
    }

    /// Lists work, so that it is no moment of a server that starts.
    pub(super) fn why(&self) -> String {
        match self {
            Self::Failed(error) | Self::Refused(error) | Self::Lost(Some(error)) => error.text(),
            Self::Clean => "cannot watch: the streams end at once, and tell nothing".to_owned(),
            Self::Silent => "cannot watch: the streams are silent".to_owned(),
            Self::Lost(None) => {
                "cannot watch: the server has forgotten each version as soon as it is listed".to_owned()
            }
        }
    }
}
