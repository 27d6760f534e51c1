//! A discovery on its thread, as its owner sees it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use discovery::{Config, Discovery, Error, Event, Report, Snapshot};
use fake_apiserver::Server;

use super::{LIMIT, SOON, wait_up_to};

/// A discovery, what it said, what it reported, and the end of its thread. What has changed is said as the snapshot that it
/// comes to.
pub struct Running {
    pub discovery: Discovery,
    pub events: Receiver<Event>,
    pub reports: Receiver<Report>,
    pub ended: Receiver<()>,
}

/// Says so when the sink is dropped, which the thread does last.
struct SaysEnd(Sender<()>);

impl Drop for SaysEnd {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

impl Running {
    pub fn start(config: Config) -> Self {
        Self::start_while(config, |_| true)
    }

    /// With a sink that says what `go_on` says.
    pub fn start_while(config: Config, mut go_on: impl FnMut(&Event) -> bool + Send + 'static) -> Self {
        let (sender, events) = channel();
        let (report_sender, reports) = channel();
        let (end, ended) = channel();
        let end = SaysEnd(end);
        let mut known = Snapshot::default();
        let sink = move |event| {
            let _ = &end;
            let event = match event {
                Event::Snapshot(snapshot) => {
                    known.clone_from(&snapshot);
                    Event::Snapshot(snapshot)
                }
                Event::Changed(changes) => {
                    known.update(&changes);
                    let size = known.ready.len() + known.not_ready.len() + known.draining.len();
                    assert_eq!(changes.size, size, "{changes:?}");
                    Event::Snapshot(known.clone())
                }
                other => other,
            };
            if let Event::Report(report) = event {
                // Nobody reads them in most tests.
                let _ = report_sender.send(report);
                return true;
            }
            let listening = go_on(&event);
            sender.send(event).is_ok() && listening
        };
        let discovery = Discovery::start(config, sink).unwrap();
        Self {
            discovery,
            events,
            reports,
            ended,
        }
    }

    #[track_caller]
    pub fn event(&self) -> Event {
        self.events.recv_timeout(LIMIT).unwrap()
    }

    #[track_caller]
    pub fn snapshot(&self) -> Snapshot {
        match self.event() {
            Event::Snapshot(snapshot) => snapshot,
            other => panic!("{other:?}"),
        }
    }

    /// A list has said the same again.
    #[track_caller]
    pub fn expect_unchanged(&self) {
        match self.event() {
            Event::Unchanged => {}
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub fn report(&self) -> Report {
        self.reports.recv_timeout(LIMIT).unwrap()
    }

    #[track_caller]
    pub fn error(&self) -> Error {
        match self.event() {
            Event::Error(error) => error,
            other => panic!("{other:?}"),
        }
    }

    /// As a tick does.
    pub fn refresh(&self) {
        self.discovery.refresh();
    }

    /// Refreshes every few milliseconds for so long, and gives what was said meanwhile.
    pub fn refresh_for(&self, time: Duration) -> Vec<(Instant, Event)> {
        let end = Instant::now() + time;
        let mut said = Vec::new();
        while Instant::now() < end {
            self.refresh();
            if let Ok(event) = self.events.recv_timeout(Duration::from_millis(2)) {
                said.push((Instant::now(), event));
            }
        }
        said
    }

    #[track_caller]
    pub fn assert_ends(&self) {
        self.ended.recv_timeout(SOON).expect("the end of the thread in time");
    }

    /// Stops it, and finds thread and connection gone and nothing said any more.
    #[track_caller]
    pub fn assert_stops(self, server: &Server) {
        let started = Instant::now();
        self.discovery.stop();
        assert!(started.elapsed() < Duration::from_millis(200), "stop blocked");
        self.assert_ends();
        wait_up_to(server, SOON, |summary| summary.connections_open == 0);
        assert!(started.elapsed() < SOON);
        assert!(self.events.try_recv().is_err());
    }

    /// The same by dropping it.
    #[track_caller]
    pub fn assert_ends_when_dropped(self, server: &Server) {
        let Self {
            discovery,
            events,
            ended,
            ..
        } = self;
        let started = Instant::now();
        drop(discovery);
        assert!(started.elapsed() < Duration::from_millis(200), "drop blocked");
        ended.recv_timeout(SOON).expect("the end of the thread in time");
        wait_up_to(server, SOON, |summary| summary.connections_open == 0);
        assert!(started.elapsed() < SOON);
        assert!(events.try_recv().is_err());
    }

    /// A discovery that watches: what it listed first was told, and its stream is open.
    #[track_caller]
    pub fn watching(config: Config) -> (Self, Snapshot) {
        let running = Self::start(Config { watch: true, ..config });
        let first = running.snapshot();
        running.expect_watching();
        (running, first)
    }

    #[track_caller]
    pub fn expect_watching(&self) {
        match self.event() {
            Event::Watching => {}
            other => panic!("{other:?}"),
        }
    }

    /// Everything up to the first event that is as wanted, and that.
    #[track_caller]
    pub fn until(&self, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut said = Vec::new();
        let deadline = Instant::now() + LIMIT;
        while !said.last().is_some_and(&wanted) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(event) => said.push(event),
                Err(error) => panic!("{error}: only {said:?}"),
            }
        }
        said
    }

    /// The same with a tick every few milliseconds, for so long.
    #[track_caller]
    pub fn ticking_until(&self, limit: Duration, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut said = Vec::new();
        let deadline = Instant::now() + limit;
        while !said.last().is_some_and(&wanted) {
            assert!(Instant::now() < deadline, "only {said:?}");
            self.refresh();
            said.extend(self.events.recv_timeout(Duration::from_millis(20)));
        }
        said
    }

    /// Everything up to the next open watch.
    #[track_caller]
    pub fn until_watching(&self) -> Vec<Event> {
        self.until(|event| matches!(event, Event::Watching))
    }

    /// Everything up to the snapshot with these ready names.
    #[track_caller]
    pub fn until_ready(&self, names: &[&str]) -> Vec<Event> {
        self.until(|event| matches!(event, Event::Snapshot(snapshot) if snapshot.ready == names))
    }
}

/// The snapshots among events.
pub fn snapshots(events: &[Event]) -> Vec<&Snapshot> {
    let mut found = Vec::new();
    for event in events {
        if let Event::Snapshot(snapshot) = event {
            found.push(snapshot);
        }
    }
    found
}

/// The errors among events.
pub fn errors(events: &[Event]) -> Vec<&Error> {
    let mut found = Vec::new();
    for event in events {
        if let Event::Error(error) = event {
            found.push(error);
        }
    }
    found
}
