//! What the machine asks for, what it takes in, and what follows from that.

use std::time::Duration;

use crate::answers::frame::Frame;
use crate::answers::page::Page;
use crate::error::{Error, Kind};
use crate::names::entry::Entry;
use crate::watch::report::Ended;

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request<'w> {
    /// List from there.
    List(Position<'w>),
    /// Open a watch from this version.
    Watch(&'w str),
    /// Read the open stream.
    Read,
    /// Nothing, until somebody asks for a list.
    Rest,
}

/// Where a list begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position<'w> {
    /// With the first page, which may come from a cache where the configuration allows it.
    First,
    /// With the first page of what is true now: a cache may be older than what a watch has told.
    Present,
    /// With the page that this token stands for.
    Page(&'w str),
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Input {
    /// A list request was answered.
    Page(Result<Page<Entry>, Error>),
    /// A watch request was answered.
    Opened(Result<(), Error>),
    /// A piece of the stream was read, or could not be.
    Frame(Result<Frame<Entry>, Error>),
    /// The server ended the stream properly.
    Ended,
    /// The stream broke.
    Broken(Error),
    /// No whole event came for longer than that is borne with.
    Silent,
    /// A tick of somebody who polls.
    RefreshWanted,
}

/// What follows from it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) tell: Option<Tell>,
    /// A stream is open, as far as one can know: the owner is told after that.
    pub(crate) watching: bool,
    pub(crate) then: Then,
    /// Something went well: failures before it no longer count.
    pub(crate) progress: bool,
    /// What failed, whether or not that is told.
    pub(crate) failure: Option<Failure>,
    /// The stream that is no longer open.
    pub(crate) ended: Option<Ended>,
}

/// What a pause depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) retry_after: Option<Duration>,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind,
            retry_after: error.retry_after,
        }
    }
}

/// What the owner is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tell {
    /// There is news for it.
    News,
    /// A complete list has confirmed it as it was, but for its version.
    Unchanged,
    /// Something failed.
    Error(Error),
}

/// When to go on.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// At once.
    #[default]
    GoOn,
    /// After a short pause: a stream that worked has ended before its time.
    Pause,
    /// After a pause that grows while it fails.
    BackOff,
}

impl Step {
    pub(super) fn tell(tell: Tell) -> Self {
        Self {
            tell: Some(tell),
            ..Self::default()
        }
    }

    pub(super) fn failed(error: Error) -> Self {
        Self {
            then: Then::BackOff,
            failure: Some(Failure::from(&error)),
            ..Self::tell(Tell::Error(error))
        }
    }
}
