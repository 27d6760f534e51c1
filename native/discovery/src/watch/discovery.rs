//! The thread of one topology: does what the `watcher` asks for, waits where it says so, and tells its owner.
//!
//! `stop` ends it in every state: it cuts the connection, so that a silent server holds up nobody.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::error::{Error, Kind};
use crate::freshness::Freshness;
use crate::names::snapshot::Snapshot;
use crate::server::signals::{Signals, Wake};
use crate::watch::backoff::{Backoff, LONGEST, random_up_to};
use crate::watch::report::{Ending, Listing, Report, Session};
use crate::watch::requests::{Api, Watch};
use crate::watch::watcher::{Input, Progress, Request, Step, Tell, Then, Watcher};

/// What the thread has to say.
#[derive(Debug)]
pub enum Event {
    /// A complete state of the API: from a list, or from a watch that follows one.
    Snapshot(Snapshot),
    /// A complete list has said the same as the last snapshot, but for its version.
    Unchanged(Freshness),
    /// A watch is open: what changes from now on comes as snapshots by itself.
    Watching,
    /// Why there is none. The last snapshot stays in force.
    Error(Error),
    /// What a list or a watch has cost. It stands in no order with the others.
    Report(Report),
}

/// Whether anybody still listens.
pub type Listening = bool;

/// The owner's end of the thread. Dropping it stops the thread, too.
#[derive(Debug)]
pub struct Discovery {
    signals: Arc<Signals>,
}

impl Discovery {
    /// Starts the thread; `sink` is called on it. The first list begins by itself.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(config: Config, sink: impl FnMut(Event) -> Listening + Send + 'static) -> std::io::Result<Self> {
        let signals: Arc<Signals> = Arc::default();
        let shared = Arc::clone(&signals);
        thread::Builder::new()
            .name("k8s-discovery".to_owned())
            .spawn(move || run(&Arc::new(config), &shared, sink))?;
        Ok(Self { signals })
    }

    /// Asks for a list, as a tick does: while one is running, a pause after a failure is not over, or a watch is open,
    /// that serves. Never blocks.
    pub fn refresh(&self, freshness: Freshness) {
        self.signals.refresh(freshness);
    }

    /// Asks for a list of what is true now, also while a watch is open, which is opened anew after it. Never blocks.
    pub fn list(&self) {
        self.signals.list();
    }

    /// Stops the thread and closes its connection. Never blocks, and can be called again.
    pub fn stop(&self) {
        self.signals.stop();
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(config: &Arc<Config>, signals: &Arc<Signals>, mut sink: impl FnMut(Event) -> Listening) {
    let mut first_pause = random_up_to(config.start_jitter);
    loop {
        let mut worker = Worker {
            api: Api::new(Arc::clone(config), Arc::clone(signals)),
            watcher: Watcher::new(config),
            signals,
            sink: &mut sink,
            watch: None,
            listing: None,
            session: None,
            untold: false,
            failures: Backoff::default(),
            losses: Backoff::default(),
            list_wanted: false,
        };
        // A bug in here must not silence discovery: it is an error like others, and it starts anew.
        if catch_unwind(AssertUnwindSafe(|| worker.run(first_pause))).is_ok() {
            return;
        }
        let bug = "internal error: please report it, with the text on standard error";
        if !sink(Event::Error(Error::new(Kind::Malformed, bug))) {
            return;
        }
        first_pause = LONGEST;
    }
}

struct Worker<'c, S> {
    api: Api,
    watcher: Watcher<'c>,
    signals: &'c Signals,
    sink: S,
    watch: Option<Watch>,
    listing: Option<Listing>,
    session: Option<Session>,
    /// A snapshot has changed, and the next frame, which is there already, may change it again.
    untold: bool,
    failures: Backoff,
    /// Streams in a row that cost a list.
    losses: Backoff,
    /// A list was asked for during a pause.
    list_wanted: bool,
}

impl<S: FnMut(Event) -> Listening> Worker<'_, S> {
    fn run(&mut self, first_pause: Duration) {
        if !self.pause(first_pause) {
            return;
        }
        loop {
            let input = self.perform();
            if self.signals.stopped() {
                return;
            }
            let retry_after = retry_after(&input);
            let ending = Ending::of(&input);
            let step = self.watcher.step(input, Instant::now());
            if !self.report(&step, ending) {
                return;
            }
            if step.progress.is_some() {
                self.failures.reset();
            }
            if step.progress == Some(Progress::Stream) {
                self.losses.reset();
            }
            let pause = match step.then {
                Then::GoOn => None,
                Then::BackOff => Some(self.failures.pause().max(retry_after)),
                Then::SpreadOut => Some(self.losses.pause().max(retry_after)),
            };
            if !self.tell(step.tell) || !pause.is_none_or(|pause| self.pause(pause)) {
                return;
            }
        }
    }

    /// Does what the watcher asks for next.
    fn perform(&mut self) -> Input {
        if mem::take(&mut self.list_wanted) {
            return Input::ListWanted;
        }
        let request = self.watcher.request();
        match request {
            Request::List(position) => {
                let bytes = self.api.bytes();
                let listing = self.listing.get_or_insert_with(|| Listing::begin(bytes));
                listing.page();
                let page = self.api.list_page(position);
                self.signals.listed(position.freshness());
                Input::Page(page)
            }
            Request::Watch(version, patience) => match self.api.open_watch(version, patience) {
                Ok(watch) => {
                    self.watch = Some(watch);
                    self.session = Some(Session::begin());
                    Input::Opened(Ok(()))
                }
                Err(error) => Input::Opened(Err(error)),
            },
            Request::Read => self.read(),
            Request::Rest => match self.signals.wait(None) {
                Wake::Refresh(freshness) => Input::RefreshWanted(freshness),
                Wake::List | Wake::Stop | Wake::TimeIsUp => Input::ListWanted,
            },
        }
    }

    fn read(&mut self) -> Input {
        let Some(watch) = &mut self.watch else {
            return Input::Ended;
        };
        if self.signals.begin_stream() {
            self.signals.end_stream();
            return Input::ListWanted;
        }
        let input = watch.next();
        if let Some(session) = &mut self.session {
            session.hear(&input);
        }
        // Cut by ourselves, or cut and asked meanwhile: a list tells more than what the stream ended with.
        if self.signals.end_stream() {
            Input::ListWanted
        } else {
            input
        }
    }

    /// Waits; a list that is wanted meanwhile waits, too, and a tick is served by what comes after it. Whether to go on.
    fn pause(&mut self, pause: Duration) -> bool {
        let deadline = Instant::now() + pause;
        loop {
            match self.signals.wait(Some(deadline)) {
                Wake::Stop => return false,
                Wake::TimeIsUp => return true,
                Wake::List => self.list_wanted = true,
                Wake::Refresh(_) => {}
            }
        }
    }

    /// Reports a list or a watch that this step has ended; whether the owner still listens.
    fn report(&mut self, step: &Step, ending: Ending) -> bool {
        let next = self.watcher.request();
        let requests = self.api.requests();
        let list_goes_on = self.listing.is_some() && step.tell.is_none() && matches!(next, Request::List(_));
        let report = if next == Request::Read || list_goes_on {
            None
        } else if let Some(listing) = self.listing.take() {
            Some(listing.end(self.api.bytes(), requests, step.failure()))
        } else if let Some((watch, session)) = self.watch.take().zip(self.session.take()) {
            Some(session.end(watch.bytes(), requests, ending))
        } else {
            None
        };
        report.is_none_or(|report| (self.sink)(Event::Report(report)))
    }

    /// Tells the owner; whether it still listens.
    fn tell(&mut self, tell: Option<Tell>) -> bool {
        self.untold |= tell == Some(Tell::Snapshot);
        let reading = self.watcher.request() == Request::Read;
        let more_to_come = reading && self.watch.as_mut().is_some_and(Watch::has_next);
        let told = self.untold && !more_to_come;
        if told {
            self.untold = false;
            if !(self.sink)(Event::Snapshot(self.watcher.snapshot())) {
                return false;
            }
        }
        match tell {
            Some(Tell::Watching) => (self.sink)(Event::Watching),
            Some(Tell::Error(error)) => (self.sink)(Event::Error(error)),
            Some(Tell::Unchanged) if !told => (self.sink)(Event::Unchanged(self.watcher.freshness())),
            Some(Tell::Snapshot | Tell::Unchanged) | None => true,
        }
    }
}

fn retry_after(input: &Input) -> Duration {
    match input {
        Input::Page(Err(error)) | Input::Opened(Err(error)) | Input::Frame(Err(error)) => {
            error.retry_after.unwrap_or_default()
        }
        _ => Duration::ZERO,
    }
}
