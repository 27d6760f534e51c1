//! The stream of a watch: changes, bookmarks, orders of the test, and its end.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::answers::sink::Sink;
use crate::answers::watch::{First, Watch, frame};
use crate::lock::lock;
use crate::protocol::http::{Wire, chunk};
use crate::protocol::tls::Tls;
use crate::state::State;
use crate::state::resources::Resource;
use crate::state::store::Event;
use crate::state::watches::{Open, Order, Turn};

/// How often a silent stream looks whether its client is still there.
const POLL: Duration = Duration::from_millis(50);
/// The real server sends a bookmark this long before the timeout.
const BEFORE_TIMEOUT: Duration = Duration::from_secs(2);
/// The size of the chunks of a huge frame.
const HUGE_CHUNK: usize = 64 * 1024;

/// What goes wrong with a stream.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// The stream is cut after so many bytes of the body.
    pub(crate) cut_after: Option<usize>,
    /// Everything goes in pieces of so many bytes, with a pause after each.
    pub(crate) drip: Option<(usize, Duration)>,
    /// The first frame has so many bytes.
    pub(crate) huge_frame: Option<usize>,
    /// Bookmarks without a pause, and nothing else.
    pub(crate) endless_bookmarks: bool,
    /// The head has been sent already.
    pub(crate) headless: bool,
}

/// Streams a watch, whose head is sent, until it is over.
pub(super) fn stream(
    state: &State,
    open: Open<'_>,
    wire: &mut Wire<Tls>,
    watch: Watch,
    script: &Script,
) -> io::Result<End> {
    let started = Instant::now();
    let mut sink = Sink::new(wire, script.cut_after, script.drip);
    if sink.is_full() {
        return Ok(End::Gone);
    }
    if let Some(size) = script.huge_frame {
        // As old as the watch, so that whoever goes on from it misses nothing.
        huge_frame(&mut sink, watch.resource, watch.position, size)?;
    }
    let last_look = Instant::now();
    let mut streaming = Streaming {
        state,
        number: open.number,
        started,
        last_bookmark: started,
        warned: false,
        last_look,
        watch,
        sink,
    };
    let end = if script.endless_bookmarks {
        streaming.endless_bookmarks()?
    } else {
        streaming.run()?
    };
    if let End::Clean = end {
        let mut sink = streaming.sink;
        // Before the end: who saw that may count the open ones.
        drop(open);
        sink.send(b"0\r\n\r\n")?;
    }
    Ok(end)
}

/// A line of at least so many bytes that is valid JSON, in chunks; the newline comes on top.
fn huge_frame(sink: &mut Sink<'_>, resource: &Resource, version: u64, size: usize) -> io::Result<()> {
    let metadata = json!({
        "name": "huge",
        "namespace": "default",
        "resourceVersion": version.to_string(),
        "annotations": {"padding": "@"},
    });
    let line = frame("ADDED", resource, &json!({ "metadata": metadata }));
    let (start, end) = line.split_once('@').unwrap_or((&line, ""));
    let mut left = size.saturating_sub(line.len() - 2);
    sink.chunk(start.as_bytes())?;
    let padding = "x".repeat(HUGE_CHUNK);
    while left > 0 {
        let part = left.min(HUGE_CHUNK);
        sink.chunk(&padding.as_bytes()[..part])?;
        left -= part;
    }
    sink.chunk(end.as_bytes())
}

/// How a stream is over.
pub(super) enum End {
    /// By the server's will.
    Clean,
    /// The client left, or the stream was cut.
    Gone,
}

struct Streaming<'a> {
    state: &'a State,
    number: u64,
    started: Instant,
    last_bookmark: Instant,
    /// Whether the bookmark before the timeout was sent.
    warned: bool,
    /// When it was last known that the client is there.
    last_look: Instant,
    watch: Watch,
    sink: Sink<'a>,
}

impl Streaming<'_> {
    fn run(&mut self) -> io::Result<End> {
        loop {
            let (turn, events, version) = self.look();
            let rings = turn.rings;
            let mut next = Instant::now() + POLL;
            if turn.silent {
                if let Some(end) = self.obey(turn.orders)? {
                    return Ok(end);
                }
            } else {
                let bookmarks = turn.bookmarks;
                let Ok(events) = events else {
                    // The log went on without this stream; the real server also ends slow ones.
                    return Ok(End::Clean);
                };
                if let Some(end) = self.catch_up(&events, version, turn.orders)? {
                    return Ok(end);
                }
                if let Some(due) = self.keep_time(version, bookmarks)? {
                    next = next.min(due);
                } else {
                    return Ok(End::Clean);
                }
            }
            self.state.watches.wait(rings, next);
            if self.last_look.elapsed() >= POLL {
                if !self.sink.client_is_there() {
                    return Ok(End::Gone);
                }
                self.last_look = Instant::now();
            }
        }
    }

    /// What there is to do, all of one moment.
    #[allow(clippy::type_complexity)]
    fn look(&self) -> (Turn, Result<Vec<Event>, ()>, u64) {
        let store = lock(&self.state.store);
        // Under the lock, for an order knows only a version and must not be late.
        let turn = self.state.watches.turn(self.number);
        let version = store.version();
        let events = if turn.silent || self.watch.position >= version {
            Ok(Vec::new())
        } else {
            let unsent = store.unsent_after(self.watch.position);
            let ours = |event: &&Event| event.resource == self.watch.resource.plural;
            unsent
                .map(|events| events.filter(ours).cloned().collect())
                .map_err(|_| ())
        };
        (turn, events, version)
    }

    /// Sends changes, and obeys orders between them where they belong.
    fn catch_up(
        &mut self,
        events: &[Event],
        version: u64,
        mut orders: VecDeque<(u64, Order)>,
    ) -> io::Result<Option<End>> {
        match std::mem::replace(&mut self.watch.first, First::Frames(Vec::new())) {
            First::Frames(frames) => {
                for frame in frames {
                    self.sink.chunk(frame.as_bytes())?;
                }
            }
            First::Error(frame) => {
                self.sink.chunk(frame.as_bytes())?;
                return Ok(Some(End::Clean));
            }
        }
        for event in events {
            let earlier = orders.partition_point(|(after, _)| *after < event.version);
            let later = orders.split_off(earlier);
            if let Some(end) = self.obey(orders)? {
                return Ok(Some(end));
            }
            orders = later;
            if let Some(frame) = self.watch.event(event) {
                self.sink.chunk(frame.as_bytes())?;
            }
            self.watch.position = event.version;
        }
        if let Some(end) = self.obey(orders)? {
            return Ok(Some(end));
        }
        self.watch.position = self.watch.position.max(version);
        Ok(None)
    }

    fn obey(&mut self, orders: VecDeque<(u64, Order)>) -> io::Result<Option<End>> {
        for (after, order) in orders {
            match order {
                Order::Bookmark => self.bookmark(after)?,
                Order::Send(bytes) => self.sink.chunk(&bytes)?,
                Order::End => return Ok(Some(End::Clean)),
                Order::Cut => return Ok(Some(End::Gone)),
            }
        }
        Ok(None)
    }

    fn bookmark(&mut self, version: u64) -> io::Result<()> {
        // A bookmark never goes back behind the version that the client asked for.
        if self.watch.query.bookmarks && self.watch.query.version.is_none_or(|asked| asked <= version) {
            let frame = self.watch.bookmark(version);
            self.sink.chunk(frame.as_bytes())?;
        }
        Ok(())
    }

    /// Sends the bookmarks that are due, and says when the next thing is; nothing at the timeout.
    fn keep_time(&mut self, version: u64, every: Option<Duration>) -> io::Result<Option<Instant>> {
        let now = Instant::now();
        let deadline = self.watch.query.timeout.and_then(|t| self.started.checked_add(t));
        let before = deadline.and_then(|deadline| deadline.checked_sub(BEFORE_TIMEOUT));
        let before = before.filter(|before| !self.warned && *before > self.started);
        let regular = every.and_then(|every| self.last_bookmark.checked_add(every));
        if let Some(every) = every {
            let warn = before.is_some_and(|before| before <= now);
            if warn || now.duration_since(self.last_bookmark) >= every {
                self.warned |= warn;
                self.last_bookmark = now;
                self.bookmark(version)?;
                // Soon again: what comes next has changed.
                return Ok(Some(now));
            }
        }
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Ok(None);
        }
        let before = before.filter(|_| every.is_some());
        let due = [deadline, before, regular].into_iter().flatten().min();
        Ok(Some(due.unwrap_or(now + POLL)))
    }

    fn endless_bookmarks(&mut self) -> io::Result<End> {
        loop {
            let (turn, events, version) = self.look();
            if let Some(end) = self.obey(turn.orders)? {
                return Ok(end);
            }
            // A bookmark promises that everything up to its version was sent: never beyond what is held back.
            let mut held_back = turn.silent;
            held_back |= events.is_ok_and(|events| events.iter().any(|event| self.watch.event(event).is_some()));
            if !held_back {
                self.watch.position = self.watch.position.max(version);
            }
            let frame = chunk(self.watch.bookmark(self.watch.position).as_bytes());
            // Ends with the error of writing to a client that closed.
            self.sink.send(&frame.repeat(64))?;
        }
    }
}
