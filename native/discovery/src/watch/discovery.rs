//! The thread of one topology: does what the `watcher` asks for, waits where it says so, and tells its owner.
//!
//! `stop` ends it in every state: it cuts the connection, so that a silent server holds up nobody.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::error::{Error, Kind};
use crate::names::snapshot::{Changes, News, Snapshot};
use crate::server::signals::{Signals, Wake};
use crate::watch::backoff::{Backoff, SHORT, spread};
use crate::watch::open_watch::Watch;
use crate::watch::report::{Listing, Report};
use crate::watch::requests::Api;
use crate::watch::thread::Thread;
use crate::watch::watcher::{Input, Request, Step, Tell, Then, Watcher};

/// What the thread has to say.
#[derive(Debug)]
pub enum Event {
    /// A complete state of the API: what comes first.
    Snapshot(Snapshot),
    /// What has changed since the last snapshot, or the last changes.
    Changed(Changes),
    /// A complete list has said what was known, but for its version.
    Unchanged,
    /// A watch is open: what changes from now on comes by itself.
    Watching,
    /// Why there is no answer. What was known stays in force.
    Error(Error),
    /// What a list or a watch has cost. It stands in no order with the others.
    Report(Report),
}

impl From<News> for Event {
    fn from(news: News) -> Self {
        match news {
            News::Snapshot(snapshot) => Self::Snapshot(snapshot),
            News::Changes(changes) => Self::Changed(changes),
        }
    }
}

/// Whether anybody still listens.
pub type Listening = bool;

/// How often the token on disk is looked at while it is refused.
const LOOK: Duration = Duration::from_secs(1);

/// The owner's end of the thread. Dropping it stops the thread, too.
#[derive(Debug)]
pub struct Discovery {
    thread: Thread,
}

impl Discovery {
    /// Starts the thread; `sink` is called on it. The first list begins by itself.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(config: Config, sink: impl FnMut(Event) -> Listening + Send + 'static) -> std::io::Result<Self> {
        let thread = Thread::start("k8s-discovery", move |signals| run(&Arc::new(config), signals, sink))?;
        Ok(Self { thread })
    }

    /// Asks for a list, as a tick does: while one is running, a pause after a failure is not over, or a watch is open,
    /// that serves. Never blocks.
    pub fn refresh(&self) {
        self.thread.signals.refresh();
    }

    /// Stops the thread and closes its connection. Never blocks, and can be called again.
    pub fn stop(&self) {
        self.thread.stop();
    }
}

fn run(config: &Arc<Config>, signals: &Arc<Signals>, mut sink: impl FnMut(Event) -> Listening) {
    let mut first_pause = Duration::ZERO;
    loop {
        let mut worker = Worker {
            api: Api::new(Arc::clone(config), Arc::clone(signals)),
            watcher: Watcher::new(config),
            signals,
            sink: &mut sink,
            watch: None,
            listing: None,
            untold: false,
            backoff: Backoff::default(),
        };
        // A bug in here must not silence discovery: it is an error like others, and it starts anew.
        if catch_unwind(AssertUnwindSafe(|| worker.run(first_pause))).is_ok() {
            return;
        }
        if !sink(Event::Error(Error::bug())) {
            return;
        }
        first_pause = SHORT;
    }
}

struct Worker<'c, S> {
    api: Api,
    watcher: Watcher<'c>,
    signals: &'c Signals,
    sink: S,
    watch: Option<Watch>,
    listing: Option<Listing>,
    /// There is news, and the next frame, which is there already, may have more of it.
    untold: bool,
    backoff: Backoff,
}

impl<S: FnMut(Event) -> Listening> Worker<'_, S> {
    fn run(&mut self, first_pause: Duration) {
        if !self.pause(first_pause, None) {
            return;
        }
        loop {
            let input = self.perform();
            if self.signals.stopped() {
                return;
            }
            let now = Instant::now();
            let step = self.watcher.step(input, now);
            if !self.report(&step) {
                return;
            }
            if step.progress {
                self.backoff.reset();
            }
            let kind = step.failure.map(|failure| failure.kind);
            let retry_after = step.failure.and_then(|failure| failure.retry_after);
            let pause = match step.then {
                Then::GoOn => Duration::ZERO,
                Then::Pause => self.backoff.interrupted(),
                Then::BackOff => self.backoff.failed(kind, now),
            };
            let pause = pause.max(retry_after.map_or(Duration::ZERO, spread));
            if !self.tell(step) || !self.pause(pause, kind) {
                return;
            }
        }
    }

    /// Does what the watcher asks for next.
    fn perform(&mut self) -> Input {
        let request = self.watcher.request();
        match request {
            Request::List(position) => {
                let bytes = self.api.bytes();
                let listing = self.listing.get_or_insert_with(|| Listing::begin(bytes));
                listing.page();
                let page = self.api.list_page(position);
                self.signals.listed();
                Input::Page(page)
            }
            Request::Watch(version) => {
                let opened = self.api.open_watch(version);
                Input::Opened(opened.map(|watch| self.watch = Some(watch)))
            }
            Request::Read => self.read(),
            // Stopped, if it is not that.
            Request::Rest => {
                self.signals.wait(None);
                Input::RefreshWanted
            }
        }
    }

    fn read(&mut self) -> Input {
        match &mut self.watch {
            Some(watch) => watch.next_within(self.watcher.patience(Instant::now())),
            None => Input::Ended,
        }
    }

    /// Waits; a tick is served by what comes after it. A refusal is over at once when the token on disk is another one.
    /// Whether to go on.
    fn pause(&mut self, pause: Duration, kind: Option<Kind>) -> bool {
        // A tick since the last answer asks for the next list.
        if pause.is_zero() {
            return !self.signals.stopped();
        }
        let refused = matches!(kind, Some(Kind::Forbidden | Kind::Unauthorized));
        let deadline = Instant::now() + pause;
        loop {
            let look = if refused {
                deadline.min(Instant::now() + LOOK)
            } else {
                deadline
            };
            match self.signals.wait(Some(look)) {
                Wake::Stop => return false,
                Wake::Refresh => {}
                Wake::TimeIsUp => {
                    if look == deadline || self.api.has_new_token() {
                        return true;
                    }
                }
            }
        }
    }

    /// Reports a list or a watch that this step has ended; whether the owner still listens.
    fn report(&mut self, step: &Step) -> bool {
        let next = self.watcher.request();
        let requests = self.api.requests();
        let list_goes_on = self.listing.is_some() && step.tell.is_none() && matches!(next, Request::List(_));
        let report = if next == Request::Read || list_goes_on {
            None
        } else if let Some(listing) = self.listing.take() {
            let failure = step.failure.map(|failure| failure.kind);
            Some(listing.end(self.api.bytes(), requests, failure))
        } else {
            let closed = self.watch.take().zip(step.ended);
            closed.map(|(watch, ended)| {
                let bytes = watch.bytes();
                Report::Watched { ended, bytes, requests }
            })
        };
        report.is_none_or(|report| (self.sink)(Event::Report(report)))
    }

    /// Tells the owner; whether it still listens.
    fn tell(&mut self, step: Step) -> bool {
        self.untold |= step.tell == Some(Tell::News);
        let reading = self.watcher.request() == Request::Read;
        let more_to_come = reading && self.watch.as_mut().is_some_and(Watch::has_next);
        let told = self.untold && !more_to_come;
        if told {
            self.untold = false;
            if !(self.sink)(self.watcher.tell().into()) {
                return false;
            }
        }
        let listening = match step.tell {
            Some(Tell::Error(error)) => (self.sink)(Event::Error(error)),
            Some(Tell::Unchanged) if !told => (self.sink)(Event::Unchanged),
            Some(Tell::News | Tell::Unchanged) | None => true,
        };
        listening && (!step.watching || (self.sink)(Event::Watching))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;
    use crate::testing;
    use crate::watch::lister::Lister;
    use std::env;
    use std::process::Command;

    const CHILD: &str = "DISCOVERY_TEST_WITHOUT_THREADS";

    /// Runs this very test again, as a child in which every new thread would need more memory than there is.
    #[test]
    fn where_the_system_gives_no_thread_that_is_an_error() {
        if env::var_os(CHILD).is_some() {
            let config = || testing::config(Source::Endpoints);
            Discovery::start(config(), |event| panic!("{event:?}")).unwrap_err();
            Lister::start(config(), |answer| panic!("{answer:?}")).unwrap_err();
            return;
        }
        let name = "watch::discovery::tests::where_the_system_gives_no_thread_that_is_an_error";
        let child = Command::new(env::current_exe().unwrap())
            .args([name, "--exact", "--test-threads=1"])
            .env(CHILD, "")
            .env("RUST_MIN_STACK", (1_u64 << 60).to_string())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && said.contains("1 passed"), "{said}");
    }
}
