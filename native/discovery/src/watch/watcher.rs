//! List and watch as a pure state machine: what to ask next, and what an answer means. I/O and waiting are outside.
//!
//! ```text
//!                       page         last page: publish
//!     ┌──▶ Unlisted ──────────▶ Paging ─────────┬──────── to be watched ────────▶ Listed ◀───────────┐
//!     │     ▲    ▲                 │            │                                 │    │             │
//!     │     │    └──── failed ─────┘            │ refused, useless                │    │ opened      │ resume
//!     │     │ tick                              │ or not wanted        not opened │    ▼             │
//!     │     └──────────────────────── Polling ◀─┘                                 │ Watching ──┐     │
//!     │                                                                           │    │  ▲    │ frame: apply,
//!     │                                                                           │    │  └────┘ publish
//!     │                                                                           ▼    ▼             │
//!     └──────────────────────────────── list, or poll ────────────────────────── exit ───────────────┘
//! ```
//!
//! The objects of the last complete list, with every event since, stay in force through all of it: an error replaces
//! nothing, and a list replaces them only when its last page is there.
//!
//! A stream is *useful* when it has told a whole event or bookmark, or was open for a while. There is one exit from a stream,
//! whatever ended it or kept it from opening:
//!
//! * *poll*, when it was refused outright, or when none has been useful for some seconds, though a list has worked meanwhile.
//!   That is a list, and another one with each tick; watching is tried again ever more rarely.
//! * *list*, when the version to go on from is not to be believed: it has expired, an event may be lost, versions go back, or
//!   the stream, with those before it, told nothing at all for too long (the history of an etcd that was restored from a backup
//!   is behind it, and the server waits for its end without a word). Also when the last list is an hour old, and when none has
//!   worked since streams are useless.
//! * *resume* from the last version, else.
//!
//! A list that fails while the version is believed is followed by a watch: what works is used.

mod ending;
mod refusals;
mod step;
mod streak;
mod version;

use std::mem;
use std::time::{Duration, Instant};

use crate::answers::frame::Frame;
use crate::answers::page::{Page, keyed};
use crate::config::Config;
use crate::error::{CHECK_SELECTOR, Error, Kind};
use crate::names::entry::Entry;
use crate::names::reflector::{Reflector, check_size, size};
use crate::names::snapshot::{Changes, News, Snapshot};
use crate::watch::watcher::ending::{End, Stream};
use crate::watch::watcher::refusals::Refusals;
pub(crate) use crate::watch::watcher::step::{Failure, Input, Position, Request, Step, Tell, Then};
use crate::watch::watcher::streak::Streak;
use crate::watch::watcher::version::may_follow;

/// A server may send pages without objects; it may not do so without end.
const MAX_PAGES: usize = 1_000;

/// Watching tells all there is to tell, unless the server's history is not what it was or somebody has made a mistake. One
/// list in an hour costs next to nothing.
const RELIST_AFTER: Duration = Duration::from_hours(1);

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// To be listed.
    Unlisted {
        /// Not from a cache.
        present: bool,
    },
    /// The pages so far are kept apart from what is published.
    Paging {
        next: String,
        objects: Vec<(String, Entry)>,
        pages: usize,
    },
    /// Complete, and to be watched.
    Listed,
    /// Complete, and a stream is open.
    Watching(Stream),
    /// Complete, and not to be watched.
    Polling,
}

/// The machine, with what it knows.
#[derive(Debug)]
pub(crate) struct Watcher<'c> {
    config: &'c Config,
    state: State,
    reflector: Reflector<'c>,
    /// Up to where the reflector is complete; empty before the first list.
    version: String,
    /// Whether a watch may go on from there.
    believed: bool,
    /// When the last list was complete.
    listed_at: Option<Instant>,
    streak: Streak,
    /// Whether it polls because streams opened and were useless: the next is to prove itself before anybody is told of it.
    doubted: bool,
    /// Whether a stream has cost a list, and none has been useful to its end since.
    lossy: bool,
    refusals: Refusals,
}

impl<'c> Watcher<'c> {
    pub(crate) fn new(config: &'c Config) -> Self {
        Self {
            config,
            state: State::Unlisted { present: false },
            reflector: Reflector::new(config),
            version: String::new(),
            believed: false,
            listed_at: None,
            streak: Streak::default(),
            doubted: false,
            lossy: false,
            refusals: Refusals::default(),
        }
    }

    /// One whose list is of what is true now, whatever the configuration says.
    pub(crate) fn of_the_present(config: &'c Config) -> Self {
        Self {
            state: State::Unlisted { present: true },
            ..Self::new(config)
        }
    }

    pub(crate) fn request(&self) -> Request<'_> {
        match &self.state {
            State::Unlisted { present: true } => Request::List(Position::Present),
            State::Unlisted { present: false } => Request::List(Position::First),
            State::Paging { next, .. } => Request::List(Position::Page(next)),
            State::Listed => Request::Watch(&self.version),
            State::Watching(_) => Request::Read,
            State::Polling => Request::Rest,
        }
    }

    /// How long the open stream may go on without a word.
    pub(crate) fn patience(&self, now: Instant) -> Duration {
        self.config.watch_silence.saturating_sub(self.streak.unheard_for(now))
    }

    /// What is known, whole.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.complete(self.reflector.snapshot())
    }

    /// What the owner is to be told of it, which is then taken as told.
    pub(crate) fn tell(&mut self) -> News {
        match self.reflector.tell() {
            News::Snapshot(snapshot) => News::Snapshot(self.complete(snapshot)),
            News::Changes(changes) => News::Changes(Changes {
                news: self.complete(changes.news),
                ..changes
            }),
        }
    }

    /// With what objects do not say.
    fn complete(&self, mut snapshot: Snapshot) -> Snapshot {
        snapshot.warnings.extend(self.refusals.warning().cloned());
        snapshot.resource_version.clone_from(&self.version);
        snapshot
    }

    pub(crate) fn step(&mut self, input: Input, now: Instant) -> Step {
        match (mem::replace(&mut self.state, State::Polling), input) {
            (State::Unlisted { .. }, Input::Page(Ok(page))) => self.page(Vec::new(), 0, page, now),
            (State::Paging { objects, pages, .. }, Input::Page(Ok(page))) => self.page(objects, pages, page, now),
            (State::Unlisted { .. } | State::Paging { .. }, Input::Page(Err(error))) => self.not_listed(error),
            (State::Polling, Input::RefreshWanted) => {
                self.state = State::Unlisted { present: false };
                Step::default()
            }

            (State::Listed, Input::Opened(Ok(()))) => {
                self.streak.opened(now);
                self.state = State::Watching(Stream { opened: now, events: 0 });
                if !self.doubted {
                    self.refusals.clear();
                }
                Step {
                    tell: self.refusals.tell().then_some(Tell::News),
                    watching: !self.doubted,
                    ..Step::default()
                }
            }
            (State::Listed, Input::Opened(Err(error))) => self.exit(None, End::not_opened(error), now),
            (State::Watching(stream), Input::Frame(Ok(frame))) => self.frame(stream, frame, now),
            (State::Watching(stream), Input::Frame(Err(error))) => self.exit(Some(stream), End::of_frame(error), now),
            (State::Watching(stream), Input::Ended) => self.exit(Some(stream), End::Clean, now),
            (State::Watching(stream), Input::Broken(error)) => self.exit(Some(stream), End::Failed(error), now),
            (State::Watching(stream), Input::Silent) => self.exit(Some(stream), End::Silent, now),

            // An input that the state did not ask for changes nothing.
            (state, _) => {
                self.state = state;
                Step::default()
            }
        }
    }

    /// The one exit from a stream: resume, list or poll.
    fn exit(&mut self, stream: Option<Stream>, end: End, now: Instant) -> Step {
        let useful = stream.is_some_and(|stream| stream.is_useful(now));
        let old = stream.is_some_and(|stream| stream.is_old(now));
        if useful {
            self.streak.useless_since = None;
            self.refusals.clear();
        }
        self.lossy &= !useful;
        let unheard = stream.is_some_and(|stream| stream.events == 0)
            && (matches!(end, End::Silent) || self.patience(now).is_zero());
        if unheard || matches!(end, End::Lost(_)) {
            self.believed = false;
            self.lossy = true;
        }
        let refused = matches!(end, End::Refused(_));
        let useless = !useful && (refused || self.streak.useless_for_long(now));
        // An outage makes no stream useless: first, a list is to work.
        let poll = useless && (refused || self.listed_at >= self.streak.useless_since);
        if poll {
            // What opens and is useless is to be seen to work before it is believed again.
            self.doubted |= stream.is_some();
            // Whether lists are refused as well shows with the next: what is known is not confirmed by a refusal.
            self.refusals.add(&end.why(), self.config.watch_retry, now);
        } else if useful {
            self.doubted = false;
        }
        self.state = if useless || !self.believed || !within(RELIST_AFTER, self.listed_at, now) {
            State::Unlisted { present: true }
        } else {
            State::Listed
        };
        let then = match end {
            _ if useless => Then::GoOn,
            End::Clean if old => Then::GoOn,
            End::Lost(_) => Then::BackOff,
            _ if useful => Then::Pause,
            _ => Then::BackOff,
        };
        let failure = end.error().map(Failure::from);
        let ended = stream.map(|stream| stream.ended(&end, now));
        let tell = match end {
            // Whether lists fail, too, is told by the one that follows.
            End::Failed(error) if !useful && !useless => Some(Tell::Error(error)),
            End::Lost(Some(error)) if !useless => Some(Tell::Error(error)),
            _ => None,
        };
        Step {
            tell,
            then,
            progress: old,
            failure,
            ended,
            ..Step::default()
        }
    }

    fn not_listed(&mut self, error: Error) -> Step {
        // It was not watching that failed, but everything: it is tried again as if nothing had been.
        self.refusals.clear();
        self.streak.useless_since = None;
        self.doubted = false;
        self.state = if self.believed {
            State::Listed
        } else {
            State::Unlisted {
                present: self.config.watch && self.listed_at.is_some(),
            }
        };
        Step::failed(error)
    }

    fn page(&mut self, mut objects: Vec<(String, Entry)>, pages: usize, page: Page<Entry>, now: Instant) -> Step {
        let before = objects.len();
        objects.extend(keyed(page.objects, before));
        if let Some(next) = page.next {
            let pages = pages + 1;
            let too_many = || {
                let why = format!("the list has more than {MAX_PAGES} pages");
                Error::new(Kind::TooLarge, why).advise(CHECK_SELECTOR)
            };
            let checked = if pages == MAX_PAGES {
                Err(too_many())
            } else {
                check_size(size(objects.iter().map(|(_, entry)| entry)))
            };
            return match checked {
                Ok(_) => {
                    self.state = State::Paging { next, objects, pages };
                    Step::default()
                }
                Err(error) => self.not_listed(error),
            };
        }
        self.listed(objects, page.version, now)
    }

    fn listed(&mut self, objects: Vec<(String, Entry)>, version: String, now: Instant) -> Step {
        // Events name the object that they change: one without a name would stay for ever.
        let watchable = self.config.watch && !objects.iter().any(|(key, _)| key.starts_with('#'));
        let changed = match self.reflector.replace(objects) {
            Ok(changed) => changed,
            Err(error) => return self.not_listed(error),
        };
        let first = self.listed_at.is_none();
        let news = self.refusals.tell() || first || changed;
        self.listed_at = Some(now);
        self.streak.unheard_since = None;
        self.version = version;
        self.believed = watchable;
        let watch = watchable && self.refusals.are_over(now);
        self.state = if watch { State::Listed } else { State::Polling };
        Step {
            // A list that each stream costs is none.
            progress: !watch || self.streak.useless_since.is_none() && !self.lossy,
            ..Step::tell(if news { Tell::News } else { Tell::Unchanged })
        }
    }

    fn frame(&mut self, stream: Stream, frame: Frame<Entry>, now: Instant) -> Step {
        // The server's history is not what it was.
        if !may_follow(frame.version(), &self.version) {
            return self.exit(Some(stream), End::Lost(None), now);
        }
        let (changed, version) = match frame {
            Frame::Upsert { key, kept, version } => (self.reflector.upsert(&key, kept), version),
            Frame::Delete { key, version } => (Ok(self.reflector.delete(&key)), version),
            Frame::Bookmark { version } => (Ok(false), version),
        };
        let changed = match changed {
            Ok(changed) => changed,
            Err(error) => return self.exit(Some(stream), End::Lost(Some(error)), now),
        };
        self.version = version;
        self.streak = Streak::default();
        self.refusals.clear();
        self.lossy &= !stream.is_old(now);
        self.state = State::Watching(Stream {
            events: stream.events + 1,
            ..stream
        });
        let news = self.refusals.tell() || changed;
        Step {
            tell: news.then_some(Tell::News),
            watching: mem::take(&mut self.doubted),
            progress: stream.is_old(now),
            ..Step::default()
        }
    }
}

/// Whether that was so short a time ago.
fn within(time: Duration, at: Option<Instant>, now: Instant) -> bool {
    at.is_some_and(|at| now.saturating_duration_since(at) < time)
}

#[cfg(test)]
mod tests;
