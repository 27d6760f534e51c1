//! List and watch as a pure state machine: what to ask next, and what an answer means. I/O and waiting are outside.
//!
//! ```text
//!    ┌───────────▶ Unlisted ◀──── asked to list again, page failed, 410, garbage, ───┐
//!    │                │ page      versions that go back, an hour since the last list │
//!    │                ▼                                                              │
//!    │             Paging ──┐ page                                                   │
//!    │                │ ◀───┘                                                        │
//!    │                │ last page: publish                                           │
//!    │ asked to list  ├──── cannot be watched, or refused lately ──▶ Polling         │
//!    │                │ ◀──── page ─── Refreshing ◀──── asked to refresh ─── Polling │
//!    │                ▼                                                              │
//!    └─ Polling    Listed ──── watch refused, or failing for long ───────────────────┤
//!                   │  ▲                                                             │
//!            opened │  │ stream ended or broke: go on from the last version          │
//!                   ▼  │                                                             │
//!                 Watching ──┐ frame: apply, publish what changed ───────────────────┘
//!                     ▲──────┘
//! ```
//!
//! The objects of the last complete list, with every event since, stay in force through all of it: an error replaces
//! nothing, and a list replaces them only when its last page is there.
//!
//! A list that refreshes what is known may be answered from the server's cache, like a watch, if all objects that are known
//! are in it: it costs a server a third of reading its database. Where that cannot be had, where somebody asks for what is
//! true now, while a cache might still have an object that went, and every few minutes, the list is a consistent one.
//!
//! Versions of one resource are numbers that grow, and may be compared:
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>. Elsewhere they are opaque.

use std::mem;
use std::time::{Duration, Instant};

use crate::answers::frame::Frame;
use crate::answers::page::{Page, keyed};
use crate::config::Config;
use crate::error::{Error, Kind};
use crate::freshness::Freshness;
use crate::names::entry::Entry;
use crate::names::reflector::{Difference, Reflector, check_size, size};
use crate::names::snapshot::Snapshot;

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request<'w> {
    /// List from there.
    List(Position<'w>),
    /// Open a watch from this version, and bear with its silence or not.
    Watch(&'w str, Patience),
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
    /// With the first page of what was true at this version or later.
    /// <https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-get-and-list>
    Since(u64),
    /// With the page that this token stands for.
    Page(&'w str),
}

/// How long a silent stream is taken for a live one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Bookmarks come about once a minute: a silence that is much longer means that the server hangs.
    #[default]
    ForBookmarks,
    /// A server sends no bookmark while nothing at all changes, and this one has been silent for long before: only the
    /// time that the watch was asked for tells.
    ToTheEnd,
}

/// A server may send pages without objects; it may not do so without end.
const MAX_PAGES: usize = 1_000;

/// A stream that was open for this long has worked, whether or not anything happened meanwhile.
const WORKING: Duration = Duration::from_secs(30);

/// The first refusal counts for this part of `watch_retry`.
const FIRST_REFUSAL: u32 = 32;

/// A server that answers, but opens no watch for this long, is polled: what is known would be too old. One that has just
/// started answers like that for a moment, and a list by every node is not what it needs then.
const BEAR_WITHOUT_WATCH: Duration = Duration::from_secs(3);

/// Watching tells all there is to tell, unless the server's history is not what it was (an etcd that was restored from
/// a backup) or somebody has made a mistake. One list in an hour costs next to nothing.
const RELIST_AFTER: Duration = Duration::from_hours(1);

/// No server's cache lags behind for longer and is still asked. A consistent list comes as often as that, and all are
/// consistent for that long after an object went: nobody knows at which version it did.
const TRUST_CACHE: Duration = Duration::from_mins(5);

/// What happened.
#[derive(Debug)]
pub(crate) enum Input {
    /// A list request was answered.
    Page(Result<Page<Entry>, Error>),
    /// A watch request was answered.
    Opened(Result<(), Error>),
    /// A line of the stream was read, or could not be.
    Frame(Result<Frame<Entry>, Error>),
    /// The server ended the stream properly.
    Ended,
    /// The stream broke.
    Broken(Error),
    /// The stream was silent for longer than it was borne with.
    Silent,
    /// Somebody asks for a list.
    ListWanted,
    /// A tick of somebody who polls.
    RefreshWanted(Freshness),
}

/// What follows from it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) tell: Option<Tell>,
    pub(crate) then: Then,
    /// Something went well: failures before it no longer count.
    pub(crate) progress: Option<Progress>,
}

/// What went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// A list was completed.
    List,
    /// A stream has worked for a while: those before it that cost a list no longer count either.
    Stream,
}

/// What the owner is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tell {
    /// The snapshot has changed.
    Snapshot,
    /// A complete list has confirmed it as it was, but for its version.
    Unchanged,
    /// A stream is open.
    Watching,
    /// Something failed.
    Error(Error),
}

/// When to go on.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// At once.
    #[default]
    GoOn,
    /// After a pause that grows with each failure in a row.
    BackOff,
    /// After a pause that grows with each stream in a row that cost a list: all nodes lose the same history at the same
    /// moment, and a server that sends garbage would be listed without end.
    SpreadOut,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Unlisted,
    /// The pages so far are kept apart from what is published.
    Paging {
        next: String,
        objects: Vec<(String, Entry)>,
        newest: u64,
        pages: usize,
    },
    /// Complete, and to be watched.
    Listed,
    /// Complete, and a stream is open.
    Watching(Stream),
    /// Complete, and not to be watched.
    Polling,
    /// Complete, and asked for anew.
    Refreshing,
}

/// What there is to say of an open stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stream {
    opened: Instant,
    /// Whether it has sent anything yet.
    heard: bool,
    /// Whether it has sent a bookmark yet.
    bookmarked: bool,
}

impl Stream {
    fn worked(&self, now: Instant) -> bool {
        self.heard || self.is_old(now)
    }

    fn is_old(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.opened) >= WORKING
    }

    /// One that told something and broke at once may do so again and again.
    fn progress(&self, now: Instant) -> Option<Progress> {
        self.is_old(now).then_some(Progress::Stream)
    }
}

/// Why watching is not possible, and until when it is not tried again.
#[derive(Debug)]
struct Refused {
    warning: String,
    until: Instant,
    /// How long it is not tried: longer after each refusal. A server that has just started refuses for a moment what
    /// it allows once it has read its roles.
    wait: Duration,
}

/// The machine, with what it knows.
#[derive(Debug)]
pub(crate) struct Watcher<'c> {
    config: &'c Config,
    state: State,
    reflector: Reflector,
    /// Up to where the reflector is complete; empty before the first list.
    version: String,
    /// The latest version of an object in the last list, or 0. What is older than that would be a step back, and to be as
    /// new a cache waits for nothing: the version of a list can be one of other resources, of which it never hears.
    newest: u64,
    refused: Option<Refused>,
    /// What the owner was last told of a refusal.
    told_warning: Option<String>,
    patience: Patience,
    /// When the last consistent list was complete.
    listed_at: Option<Instant>,
    /// When an object was last found to be gone.
    lost_at: Option<Instant>,
    /// How new the last answer is.
    freshness: Freshness,
    /// Whether a watch was open since.
    watched: bool,
    /// Since when no watch could be opened, though the server answers.
    without_watch_since: Option<Instant>,
}

impl Position<'_> {
    /// How new the answer will be.
    pub(crate) fn freshness(self) -> Freshness {
        match self {
            Self::Since(_) => Freshness::Known,
            Self::First | Self::Present | Self::Page(_) => Freshness::Present,
        }
    }
}

impl<'c> Watcher<'c> {
    pub(crate) fn new(config: &'c Config) -> Self {
        Self {
            config,
            state: State::Unlisted,
            reflector: Reflector::default(),
            version: String::new(),
            newest: 0,
            refused: None,
            told_warning: None,
            patience: Patience::default(),
            listed_at: None,
            lost_at: None,
            freshness: Freshness::default(),
            watched: false,
            without_watch_since: None,
        }
    }

    pub(crate) fn request(&self) -> Request<'_> {
        match &self.state {
            State::Unlisted if self.watched => Request::List(Position::Present),
            State::Unlisted => Request::List(Position::First),
            State::Paging { next, .. } => Request::List(Position::Page(next)),
            State::Listed => Request::Watch(&self.version, self.patience),
            State::Watching(_) => Request::Read,
            State::Polling => Request::Rest,
            State::Refreshing => Request::List(Position::Since(self.newest)),
        }
    }

    /// What is known, whole.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.reflector.snapshot(self.config);
        snapshot
            .warnings
            .extend(self.refused.as_ref().map(|refused| refused.warning.clone()));
        snapshot.resource_version.clone_from(&self.version);
        snapshot.freshness = self.freshness;
        snapshot
    }

    /// How new it is.
    pub(crate) fn freshness(&self) -> Freshness {
        self.freshness
    }

    pub(crate) fn step(&mut self, input: Input, now: Instant) -> Step {
        match (mem::replace(&mut self.state, State::Unlisted), input) {
            (_, Input::ListWanted) => Step::default(),

            (State::Unlisted, Input::Page(Ok(page))) => self.page(Vec::new(), 0, page, now),
            (
                State::Paging {
                    objects, newest, pages, ..
                },
                Input::Page(Ok(mut page)),
            ) => {
                page.newest = page.newest.max(newest);
                self.page(objects, pages, page, now)
            }
            (State::Polling, Input::RefreshWanted(freshness)) => {
                if freshness == Freshness::Known && self.trusts_caches(now) {
                    self.state = State::Refreshing;
                }
                Step::default()
            }
            (State::Refreshing, Input::Page(page)) => self.refreshed(page, now),
            (State::Unlisted | State::Paging { .. }, Input::Page(Err(error))) => self.not_listed(error),

            (State::Listed, Input::Opened(Ok(()))) => {
                self.refused = None;
                self.without_watch_since = None;
                self.watched = true;
                self.freshness = Freshness::Present;
                self.state = State::Watching(Stream {
                    opened: now,
                    heard: false,
                    bookmarked: false,
                });
                Step::tell(Tell::Watching)
            }
            (State::Listed, Input::Opened(Err(error))) => self.not_opened(error, now),

            (State::Watching(stream), Input::Frame(Ok(frame))) => self.frame(stream, frame, now),
            (State::Watching(_), Input::Frame(Err(error))) => match error.status {
                Some(410) => Step::then(Then::SpreadOut),
                Some(_) => {
                    self.state = State::Listed;
                    Step::failed(error)
                }
                // An event may be lost: only a list tells.
                None => Step::lost(error),
            },

            (State::Watching(stream), Input::Ended) => {
                if !within(RELIST_AFTER, self.listed_at, now) {
                    return Step::resume(stream, now);
                }
                self.state = State::Listed;
                // A server that ends every stream at once would be asked without end.
                Step::resume(stream, now)
            }
            (State::Watching(stream), Input::Broken(error)) => {
                self.state = State::Listed;
                // A stream that worked and broke is replaced; whether the API fails shows when that is tried.
                if stream.worked(now) {
                    Step::interrupted(stream, now)
                } else {
                    Step::failed(error)
                }
            }
            (State::Watching(stream), Input::Silent) => {
                self.state = State::Listed;
                if !stream.bookmarked {
                    self.patience = Patience::ToTheEnd;
                }
                Step::interrupted(stream, now)
            }

            // An input that the state did not ask for changes nothing.
            (state, _) => {
                self.state = state;
                Step::default()
            }
        }
    }

    /// What a cache cannot tell is asked for as it is now.
    fn refreshed(&mut self, page: Result<Page<Entry>, Error>, now: Instant) -> Step {
        match page {
            Ok(page)
                if page.next.is_none() && page.version.parse().is_ok_and(|version: u64| version >= self.newest) =>
            {
                let objects = keyed(page.objects, 0).collect();
                self.complete(objects, page.version, page.newest, Freshness::Known, now)
            }
            Ok(_) => Step::default(),
            Err(error) if matches!(error.status, Some(400 | 410 | 504)) => Step::default(),
            Err(error) => self.not_listed(error),
        }
    }

    fn not_listed(&mut self, error: Error) -> Step {
        // It was not watching that was refused, but everything: watching is tried again with the next list.
        self.refused = None;
        Step::failed(error)
    }

    fn page(&mut self, mut objects: Vec<(String, Entry)>, pages: usize, page: Page<Entry>, now: Instant) -> Step {
        let before = objects.len();
        objects.extend(keyed(page.objects, before));
        if let Some(next) = page.next {
            let pages = pages + 1;
            if pages == MAX_PAGES {
                return Step::failed(Error::new(
                    Kind::TooLarge,
                    format!("the list has more than {MAX_PAGES} pages: check kubernetes_selector"),
                ));
            }
            if let Err(error) = check_size(size(objects.iter().map(|(_, entry)| entry))) {
                return Step::failed(error);
            }
            self.state = State::Paging {
                next,
                objects,
                newest: page.newest,
                pages,
            };
            return Step::default();
        }
        self.complete(objects, page.version, page.newest, Freshness::Present, now)
    }

    fn complete(
        &mut self,
        objects: Vec<(String, Entry)>,
        version: String,
        newest: u64,
        freshness: Freshness,
        now: Instant,
    ) -> Step {
        // Events name the object that they change: one without a name would stay for ever.
        let all_named = !objects.iter().any(|(key, _)| key.starts_with('#'));
        let difference = match self.reflector.replace(objects) {
            Ok(difference) => difference,
            Err(error) => return Step::failed(error),
        };
        let first = self.listed_at.is_none();
        let news = self.tell_of_refusal() || first || difference != Difference::Nothing;
        if difference == Difference::Loss {
            self.lost_at = Some(now);
        }
        if freshness == Freshness::Present {
            self.listed_at = Some(now);
        }
        self.version = version;
        self.newest = newest;
        self.freshness = freshness;
        self.watched = false;
        let watch = self.config.watch && all_named && self.refused.as_ref().is_none_or(|refused| refused.until <= now);
        self.state = if watch { State::Listed } else { State::Polling };
        Step {
            progress: Some(Progress::List),
            ..Step::tell(if news { Tell::Snapshot } else { Tell::Unchanged })
        }
    }

    fn not_opened(&mut self, error: Error, now: Instant) -> Step {
        match error.status {
            Some(410) => Step::then(Then::SpreadOut),
            // Forbidden by the role, or by something in between that knows no watches.
            Some(400 | 403 | 404 | 405 | 406 | 501) => self.refuse(&error, now),
            _ if self.too_long_without_watch(&error, now) => self.refuse(&error, now),
            _ => {
                self.state = State::Listed;
                Step::failed(error)
            }
        }
    }

    /// Polls for a while. Whether lists are refused as well shows with the next: what is known is not confirmed by a
    /// refusal.
    fn refuse(&mut self, error: &Error, now: Instant) -> Step {
        let longest = self.config.watch_retry;
        let wait = match &self.refused {
            None => longest / FIRST_REFUSAL,
            Some(refused) => (refused.wait * 2).min(longest),
        };
        let warning = format!("{error}. Until then it polls every polling_interval");
        self.refused = Some(Refused {
            warning,
            until: now + wait,
            wait,
        });
        Step::default()
    }

    /// Whether the owner has to hear something else of a refusal than before; it is taken as told.
    fn tell_of_refusal(&mut self) -> bool {
        let warning = self.refused.as_ref().map(|refused| &refused.warning);
        let news = warning != self.told_warning.as_ref();
        if news {
            self.told_warning = warning.cloned();
        }
        news
    }

    fn too_long_without_watch(&mut self, error: &Error, now: Instant) -> bool {
        match (error.kind, error.status) {
            // It asks to be left alone.
            (_, Some(429)) => false,
            // The request hung until its limit.
            (Kind::Timeout, _) => true,
            (Kind::Server | Kind::Malformed | Kind::TooLarge, _) | (_, Some(_)) => {
                let since = *self.without_watch_since.get_or_insert(now);
                now.saturating_duration_since(since) >= BEAR_WITHOUT_WATCH
            }
            // The server is away, and a list would fare no better.
            _ => {
                self.without_watch_since = None;
                false
            }
        }
    }

    /// Whether a cache may answer in the place of the database.
    fn trusts_caches(&self, now: Instant) -> bool {
        // Without an object there is nothing to be as new as. And who asks for cached resources has them anyway.
        self.newest > 0
            && !self.config.cached
            && within(TRUST_CACHE, self.listed_at, now)
            && !within(TRUST_CACHE, self.lost_at, now)
    }

    fn frame(&mut self, stream: Stream, frame: Frame<Entry>, now: Instant) -> Step {
        // The server's history is not what it was.
        if !may_follow(frame.version(), &self.version) {
            return Step::then(Then::SpreadOut);
        }
        let mut stream = Stream { heard: true, ..stream };
        let (changed, version) = match frame {
            Frame::Upsert { key, kept, version } => (self.reflector.upsert(key, kept), version),
            Frame::Delete { key, version } => {
                self.lost_at = Some(now);
                (Ok(self.reflector.delete(&key)), version)
            }
            Frame::Bookmark { version } => {
                stream.bookmarked = true;
                self.patience = Patience::ForBookmarks;
                (Ok(false), version)
            }
        };
        match changed {
            Ok(changed) => {
                self.state = State::Watching(stream);
                self.version = version;
                if changed {
                    self.tell_of_refusal();
                }
                Step {
                    tell: changed.then_some(Tell::Snapshot),
                    progress: stream.progress(now),
                    ..Step::default()
                }
            }
            Err(error) => Step::lost(error),
        }
    }
}

impl Step {
    fn tell(tell: Tell) -> Self {
        Self {
            tell: Some(tell),
            ..Self::default()
        }
    }

    fn then(then: Then) -> Self {
        Self {
            then,
            ..Self::default()
        }
    }

    /// Why there is no answer, where that is to be told.
    pub(crate) fn failure(&self) -> Option<Kind> {
        match &self.tell {
            Some(Tell::Error(error)) => Some(error.kind),
            _ => None,
        }
    }

    /// After a stream that ended as streams do.
    fn resume(stream: Stream, now: Instant) -> Self {
        if stream.is_old(now) {
            Self {
                progress: stream.progress(now),
                ..Self::default()
            }
        } else {
            Self::then(Then::BackOff)
        }
    }

    /// After a stream that worked until it did not.
    fn interrupted(stream: Stream, now: Instant) -> Self {
        Self {
            then: Then::BackOff,
            progress: stream.progress(now),
            tell: None,
        }
    }

    fn failed(error: Error) -> Self {
        Self {
            tell: Some(Tell::Error(error)),
            ..Self::then(Then::BackOff)
        }
    }

    /// After a stream of which an event may be lost.
    fn lost(error: Error) -> Self {
        Self {
            tell: Some(Tell::Error(error)),
            ..Self::then(Then::SpreadOut)
        }
    }
}

/// Whether that was so short a time ago.
fn within(time: Duration, at: Option<Instant>, now: Instant) -> bool {
    at.is_some_and(|at| now.saturating_duration_since(at) < time)
}

/// Whether this version can come after that one. Where versions are numbers, they grow and stay numbers.
fn may_follow(version: &str, last: &str) -> bool {
    match (version.parse::<u64>(), last.parse::<u64>()) {
        (Ok(version), Ok(last)) => version >= last,
        (Err(_), Ok(_)) => false,
        (_, Err(_)) => true,
    }
}

#[cfg(test)]
mod tests;
