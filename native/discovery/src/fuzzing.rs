//! A discovery without network, thread and pauses, for the benches (`bench/hot_path`), the fuzz targets and the tests of
//! their findings (`native/discovery/fuzz`): it is handed the bodies and streams that a server would send.

use std::io::Read;
use std::time::{Duration, Instant};

use crate::answers::frame::Frame;
use crate::answers::list;
use crate::answers::pieces::{Delimiter, End, Pieces};
use crate::answers::window::Window;
use crate::config::{Config, Namespace};
use crate::error::{Error, Kind};
use crate::names::entry::Entry;
use crate::names::snapshot::Snapshot;
use crate::objects::resource::Resource;
use crate::server::credentials::Token;
use crate::server::failures;
use crate::server::status::{self, Asked};
use crate::watch::discovery::Event;
use crate::watch::watcher::{Input, Request, Tell, Watcher};

/// The watcher of one topology, with its token.
#[derive(Debug)]
pub struct Offline<'c> {
    config: &'c Config,
    token: &'c Token,
    watcher: Watcher<'c>,
    buffer: Vec<u8>,
}

impl<'c> Offline<'c> {
    /// One that knows nothing yet.
    pub fn new(config: &'c Config, token: &'c Token) -> Self {
        let watcher = Watcher::new(config);
        Self {
            config,
            token,
            watcher,
            buffer: Vec::new(),
        }
    }

    /// Has one that polls ask for a list, as a tick does.
    pub fn tick(&mut self) {
        self.step(Input::RefreshWanted);
    }

    /// Whether it asks for a page of a list.
    pub fn is_listing(&self) -> bool {
        matches!(self.watcher.request(), Request::List(_))
    }

    /// Whether it reads a stream.
    pub fn is_watching(&self) -> bool {
        self.watcher.request() == Request::Read
    }

    /// What it knows.
    pub fn snapshot(&self) -> Snapshot {
        self.watcher.snapshot()
    }

    /// Answers with this page of a list; what the owner would be told.
    pub fn page(&mut self, body: &[u8]) -> Option<Event> {
        let (token, config) = (self.token, self.config);
        let mut window = Window::new(body, &mut self.buffer);
        let page = list::read(&mut window, token, config, &mut |object| {
            Entry::read(object, token, config)
        });
        self.step(Input::Page(page.map_err(|error| asked("list", config).explain(error))))
    }

    /// Answers with this stream, of JSON or of protobuf.
    pub fn watch<R: Read>(&mut self, stream: R, protobuf: bool) -> Stream<'_, 'c, R> {
        let delimiter = Delimiter::of(protobuf);
        self.step(Input::Opened(Ok(())));
        Stream {
            offline: self,
            pieces: Pieces::new(stream, delimiter),
            delimiter,
        }
    }

    fn step(&mut self, input: Input) -> Option<Event> {
        Some(match self.watcher.step(input, Instant::now()).tell? {
            Tell::News => self.watcher.tell().into(),
            Tell::Unchanged => Event::Unchanged,
            Tell::Error(error) => Event::Error(error),
        })
    }
}

/// An open watch.
#[derive(Debug)]
pub struct Stream<'o, 'c, R> {
    offline: &'o mut Offline<'c>,
    pieces: Pieces<R>,
    delimiter: Delimiter,
}

impl<'c, R: Read> Stream<'_, 'c, R> {
    /// Who reads it.
    pub fn offline(&self) -> &Offline<'c> {
        self.offline
    }

    /// Whether the next piece has arrived already.
    pub fn has_next(&mut self) -> bool {
        self.pieces.has_next()
    }

    /// Reads the next piece, or the end; what the owner would be told.
    pub fn read(&mut self) -> Option<Event> {
        let Offline { config, token, .. } = *self.offline;
        let explain = |error| asked("watch", config).explain(error);
        let input = match self.pieces.next() {
            Ok(piece) => {
                let keep = |object: &dyn Resource<'_>| Entry::read(object, token, config);
                Input::Frame(Frame::read(piece, self.delimiter, token, config.source, keep).map_err(explain))
            }
            Err(End::Clean) => Input::Ended,
            Err(End::Broken(error)) => Input::Broken(explain(failures::stream_error(error))),
            Err(End::TooLong) => Input::Frame(Err(Error::new(Kind::TooLarge, "too long"))),
        };
        self.offline.step(input)
    }
}

/// What a list that is answered like this comes to.
pub fn refused(config: &Config, token: &Token, code: u16, retry_after: Option<Duration>, body: &[u8]) -> Error {
    let asked = asked("list", config);
    asked.explain(token.conceal_in(status::error(Some(&asked), code, retry_after, body)))
}

/// What the header `retry-after` says, where the answer has this `date`.
pub fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    status::retry_after(value, date)
}

/// The value of the header that carries the token.
pub fn bearer(token: &Token) -> String {
    token.bearer()
}

fn asked(verb: &'static str, config: &Config) -> Asked {
    Asked {
        verb,
        source: config.source,
        namespace: match &config.namespace {
            Namespace::Named(namespace) => Some(namespace.clone()),
            Namespace::Own | Namespace::All => None,
        },
    }
}
