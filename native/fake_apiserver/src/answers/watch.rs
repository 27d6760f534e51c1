//! The watch of a resource: its parameters, what its events look like, and the stream of them.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::connection::Tls;
use crate::http::{Request, Response, Wire, chunk};
use crate::list;
use crate::misbehave::{Exchange, Next};
use crate::resources::Resource;
use crate::selector::Selector;
use crate::status::Status;
use crate::store::{Event, Store};
use crate::sync::{Shared, lock};
use crate::watches::{Open, Order, Turn};

/// How often a silent stream looks whether its client is still there.
const POLL: Duration = Duration::from_millis(50);
/// What a client may send ahead while a watch runs.
const AHEAD_LIMIT: usize = 64 * 1024;
/// The real server sends a bookmark this long before the timeout.
const BEFORE_TIMEOUT: Duration = Duration::from_secs(2);
/// The size of the chunks of a huge frame.
const HUGE_CHUNK: usize = 64 * 1024;

/// The parameters of a watch, checked.
#[derive(Debug)]
pub(crate) struct WatchQuery {
    selector: Selector,
    /// Absent for the current state first, which 0 also means.
    version: Option<u64>,
    bookmarks: bool,
    timeout: Option<Duration>,
}

impl WatchQuery {
    pub(crate) fn read(request: &Request) -> Result<Self, Status> {
        let selector = list::read_selector(request)?;
        list::read_number(request, "limit")?;
        let timeout = list::read_number(request, "timeoutSeconds")?;
        // A negative one ends at once; with 0 or none the real server takes half an hour or more.
        let timeout = Some(timeout).filter(|seconds| *seconds != 0);
        Ok(Self {
            selector,
            version: list::read_version(request)?.filter(|version| *version != 0),
            bookmarks: request.flag("allowWatchBookmarks"),
            timeout: timeout.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
        })
    }
}

/// A watch that was granted, with where it starts.
#[derive(Debug)]
pub(crate) struct Watch {
    resource: &'static Resource,
    namespace: Option<String>,
    query: WatchQuery,
    /// Everything up to this version is sent, or not wanted.
    position: u64,
    /// What comes before the changes.
    first: First,
}

#[derive(Debug)]
enum First {
    Frames(Vec<String>),
    Error(String),
}

impl Watch {
    /// Starts at the version that the query names, or with the current state.
    pub(crate) fn start(
        store: &Store,
        resource: &'static Resource,
        namespace: Option<&str>,
        query: WatchQuery,
        expired_as_status: bool,
    ) -> Result<Self, Status> {
        let mut watch = Self {
            resource,
            namespace: namespace.map(str::to_owned),
            query,
            position: store.version(),
            first: First::Frames(Vec::new()),
        };
        if let Some(version) = watch.query.version {
            // One from the future waits until the present is beyond it, as the real server does.
            watch.position = version;
            if let Err(expired) = store.events_after(version).map(|_| ()) {
                let status = Status::expired_version(version, expired.oldest);
                if expired_as_status {
                    return Err(status);
                }
                watch.first = First::Error(frame_text("ERROR", &status.to_json().to_string()));
            }
        } else if let Ok(objects) = store.list(resource, namespace, store.version()) {
            let selected = objects.iter().filter(|(_, object)| watch.selects(object));
            let frames = selected.map(|(_, object)| frame("ADDED", resource, object));
            watch.first = First::Frames(frames.collect());
        }
        Ok(watch)
    }

    /// The head of the answer.
    pub(crate) fn head(keep_alive: bool) -> Vec<u8> {
        Response::new(200, "application/json", "")
            .with_header("Cache-Control", "no-cache, private")
            .head(None, keep_alive)
    }

    fn selects(&self, object: &Value) -> bool {
        self.query.selector.matches(object["metadata"]["labels"].as_object())
    }

    /// The frame of a change, if this watch is to see it.
    fn event(&self, event: &Event) -> Option<String> {
        let namespace = event.key.split_once('/').map(|(namespace, _)| namespace);
        if event.resource != self.resource.plural || self.namespace.as_deref().is_some_and(|n| namespace != Some(n)) {
            return None;
        }
        let selected = |object: &&std::sync::Arc<Value>| self.selects(object);
        let before = event.before.as_ref().filter(selected);
        let after = event.after.as_ref().filter(selected);
        match (before, after) {
            (None, None) => None,
            (None, Some(after)) => Some(frame("ADDED", self.resource, after)),
            (Some(_), Some(after)) => Some(frame("MODIFIED", self.resource, after)),
            (Some(before), None) => {
                // The last state that was selected, at the version of the change.
                let mut last = (**before).clone();
                last["metadata"]["resourceVersion"] = json!(event.version.to_string());
                Some(frame("DELETED", self.resource, &last))
            }
        }
    }

    fn bookmark(&self, version: u64) -> String {
        let metadata = json!({"resourceVersion": version.to_string(), "creationTimestamp": null});
        frame("BOOKMARK", self.resource, &json!({ "metadata": metadata }))
    }
}

/// One line of a watch about an object as the store has it, without its kind.
fn frame(kind: &str, resource: &Resource, object: &Value) -> String {
    let text = object.to_string();
    let (name, version) = (resource.kind, resource.api_version());
    // Every object has metadata, so there is something after the brace.
    let rest = text.trim_start_matches('{');
    frame_text(kind, &format!(r#"{{"kind":"{name}","apiVersion":"{version}",{rest}"#))
}

fn frame_text(kind: &str, object: &str) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
}

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

/// Streams a watch until its end.
pub(crate) fn stream(exchange: &Exchange<'_>, wire: &mut Wire<Tls>, watch: Watch, script: &Script) -> io::Result<Next> {
    let (shared, keep_alive) = (exchange.shared, exchange.request.keep_alive);
    // Before the head: who saw that may count on being woken.
    let open = Open::enter(shared, exchange.id);
    exchange.note(200);
    let started = Instant::now();
    let mut sink = Sink {
        wire,
        left: script.cut_after,
        drip: script.drip,
    };
    if !script.headless {
        sink.wire.send(&Watch::head(keep_alive))?;
    }
    if sink.left == Some(0) {
        return Ok(Next::Vanish);
    }
    if let Some(size) = script.huge_frame {
        // As old as the watch, so that whoever goes on from it misses nothing.
        huge_frame(&mut sink, watch.resource, watch.position, size)?;
    }
    let last_look = Instant::now();
    let mut streaming = Streaming {
        shared,
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
    match end {
        End::Gone => Ok(Next::Vanish),
        End::Clean => {
            let mut sink = streaming.sink;
            // Before the end: who saw that may count the open ones.
            drop(open);
            sink.send(b"0\r\n\r\n")?;
            Ok(if keep_alive { Next::Request } else { Next::Close })
        }
    }
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
enum End {
    /// By the server's will.
    Clean,
    /// The client left, or the stream was cut.
    Gone,
}

struct Streaming<'a> {
    shared: &'a Shared,
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
            self.shared.watches.wait(rings, next);
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
        let store = lock(&self.shared.store);
        // Under the lock, for an order knows only a version and must not be late.
        let turn = self.shared.watches.turn(self.number);
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
            let held_back = events.is_ok_and(|events| events.iter().any(|event| self.watch.event(event).is_some()));
            if !held_back {
                self.watch.position = self.watch.position.max(version);
            }
            let frame = chunk(self.watch.bookmark(self.watch.position).as_bytes());
            // Ends with the error of writing to a client that closed.
            self.sink.send(&frame.repeat(64))?;
        }
    }
}

/// Where frames go.
struct Sink<'a> {
    wire: &'a mut Wire<Tls>,
    /// How many bytes of the body may still go.
    left: Option<usize>,
    drip: Option<(usize, Duration)>,
}

impl Sink<'_> {
    /// Sends a part of the body as one chunk, at once.
    fn chunk(&mut self, body: &[u8]) -> io::Result<()> {
        if body.is_empty() {
            // It would be the end.
            return Ok(());
        }
        let bytes = chunk(body);
        if let Some(left) = self.left {
            if left <= body.len() {
                let head = bytes.len() - body.len() - 2;
                self.send(&bytes[..head + left])?;
                return Err(ErrorKind::ConnectionAborted.into());
            }
            self.left = Some(left - body.len());
        }
        self.send(&bytes)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some((size, every)) = self.drip else {
            return self.wire.send(bytes);
        };
        for piece in bytes.chunks(size.max(1)) {
            self.wire.send(piece)?;
            if !self.wire.stream.sock.silent_for(every) {
                return Err(ErrorKind::ConnectionAborted.into());
            }
        }
        Ok(())
    }

    /// Looks, without waiting, whether the client closed; what it sent ahead is kept.
    fn client_is_there(&mut self) -> bool {
        if self.wire.buffer.len() > AHEAD_LIMIT {
            return true;
        }
        if self.wire.stream.sock.set_nonblocking(true).is_err() {
            return false;
        }
        let mut bytes = [0; 4096];
        let there = loop {
            match self.wire.stream.read(&mut bytes) {
                Ok(0) => break false,
                Ok(count) => self.wire.buffer.extend_from_slice(&bytes[..count]),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    kind => break kind == ErrorKind::WouldBlock,
                },
            }
            if self.wire.buffer.len() > AHEAD_LIMIT {
                break true;
            }
        };
        self.wire.stream.sock.set_nonblocking(false).is_ok() && there
    }
}
