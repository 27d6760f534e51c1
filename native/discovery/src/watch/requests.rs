//! The two calls that the API knows here: list a page, open a watch. Each names itself in its errors.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::answers::frame::Frame;
use crate::answers::list;
use crate::answers::page::Page;
use crate::answers::pieces::{Delimiter, End, MAX_PIECE_BYTES, Pieces};
use crate::answers::window::{self, Window};
use crate::config::Config;
use crate::error::{Error, Kind};
use crate::names::entry::Entry;
use crate::objects::resource::Resource;
use crate::server::credentials::{self, Token};
use crate::server::failures;
use crate::server::http::{self, Body, Client, Extent, Method, Request};
use crate::server::signals::Signals;
use crate::server::status::Asked;
use crate::watch::backoff::random_up_to;
use crate::watch::watcher::{Input, Position};

/// What RFC 3986 leaves unreserved, as libcluster encodes its queries.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A watch is asked for this long, and at random up to a minute more, so that nodes do not come back together.
const WATCH_FOR: Duration = Duration::from_mins(4);
const WATCH_FOR_MORE: Duration = Duration::from_mins(1);

/// What a watch may last beyond the time that it was asked for.
const WATCH_MARGIN: Duration = Duration::from_secs(30);

/// One topology's view of the API.
#[derive(Debug)]
pub(crate) struct Api {
    config: Arc<Config>,
    signals: Arc<Signals>,
    client: Client,
    /// What the bodies of lists are read in.
    buffer: Vec<u8>,
    bytes: u64,
}

impl Api {
    pub(crate) fn new(config: Arc<Config>, signals: Arc<Signals>) -> Self {
        Self {
            client: Client::new(Arc::clone(&config), Arc::clone(&signals)),
            signals,
            config,
            buffer: Vec::new(),
            bytes: 0,
        }
    }

    /// One page of a list.
    pub(crate) fn list_page(&mut self, position: Position<'_>) -> Result<Page<Entry>, Error> {
        let position = match position {
            // The token stands for the version, too: the API refuses both together.
            Position::Page(token) => format!("&continue={}", encode(token)),
            Position::First if self.config.cached => "&resourceVersion=0".to_owned(),
            Position::First | Position::Present => String::new(),
        };
        let config = Arc::clone(&self.config);
        let mut buffer = mem::take(&mut self.buffer);
        let mut bytes = 0;
        let page = self.call("list", &position, Extent::Whole, |answer, _| {
            let (body, token) = answer.body();
            let mut window = Window::new(body, &mut buffer);
            let page = list::read(&mut window, &token, &config, &mut |object| {
                Entry::read(object, &token, &config)
            });
            bytes = window.position();
            page
        });
        window::trim(&mut buffer);
        self.buffer = buffer;
        self.bytes += bytes;
        page
    }

    /// How many bytes of lists have come so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the token on disk is not the one of the last request.
    pub(crate) fn has_new_token(&self) -> bool {
        self.client.has_new_token()
    }

    /// How many requests have been made so far.
    pub(crate) fn requests(&self) -> u64 {
        self.client.requests()
    }

    /// Everything that happens after `version`.
    pub(crate) fn open_watch(&mut self, version: &str) -> Result<Watch, Error> {
        let duration = Duration::from_secs((WATCH_FOR + random_up_to(WATCH_FOR_MORE)).as_secs());
        let position = format!(
            "&watch=true&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}",
            encode(version),
            duration.as_secs()
        );
        let config = Arc::clone(&self.config);
        let signals = Arc::clone(&self.signals);
        let limit = duration + WATCH_MARGIN;
        self.call("watch", &position, Extent::Stream { limit }, |answer, asked| {
            let delimiter = Delimiter::of(answer.is_protobuf());
            let (stream, token) = answer.stream();
            Ok(Watch {
                asked: asked.clone(),
                config,
                signals,
                token,
                pieces: Pieces::new(stream, delimiter),
                delimiter,
            })
        })
    }

    fn call<T>(
        &mut self,
        verb: &'static str,
        position: &str,
        extent: Extent,
        read: impl FnOnce(http::Answer, &Asked) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let namespace = credentials::looked_in(&self.config)?;
        let path = self.config.source.path(namespace.as_deref().map(encode).as_deref());
        let asked = Asked {
            verb,
            source: self.config.source,
            namespace,
        };
        let request = Request {
            asked: Some(&asked),
            path_and_query: &format!("{path}?{}{position}", selectors(&self.config)),
            accept: http::ACCEPT,
            method: Method::Get,
            extent,
        };
        self.client
            .send(&request)
            .and_then(|answer| read(answer, &asked))
            .map_err(|error| asked.explain(error))
    }
}

/// An open watch.
pub(crate) struct Watch {
    /// For its errors.
    pub(crate) asked: Asked,
    config: Arc<Config>,
    signals: Arc<Signals>,
    token: Token,
    pieces: Pieces<Body>,
    delimiter: Delimiter,
}

impl Watch {
    /// The next frame, or why there is none. Blocks until there is, for this long at most.
    pub(crate) fn next_within(&mut self, time: Duration) -> Input {
        // What trickles in is no event.
        self.signals.expect_within(time);
        let (token, config) = (&self.token, &self.config);
        let keep = |object: &dyn Resource<'_>| Entry::read(object, token, config);
        let input = match self.pieces.next() {
            Ok(piece) => Input::Frame(Frame::read(piece, self.delimiter, token, config.source, keep)),
            Err(End::Clean) => Input::Ended,
            Err(End::Broken(error)) => match failures::stream_error(error) {
                error if error.kind == Kind::Timeout => Input::Silent,
                error => Input::Broken(error),
            },
            Err(End::TooLong) => Input::Frame(Err(Error::new(
                Kind::TooLarge,
                format!("an event of the watch is longer than {MAX_PIECE_BYTES} bytes"),
            ))),
        };
        match input {
            Input::Frame(frame) => Input::Frame(frame.map_err(|error| self.asked.explain(error))),
            Input::Broken(error) => Input::Broken(self.asked.explain(self.token.conceal_in(error))),
            input => input,
        }
    }

    /// How many bytes have come so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.pieces.received()
    }

    /// Whether the next frame has arrived already.
    pub(crate) fn has_next(&mut self) -> bool {
        self.pieces.has_next()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// The selectors as parameters of a query.
pub(crate) fn selectors(config: &Config) -> String {
    let mut query = format!("labelSelector={}", encode(&config.selector));
    if let Some(selector) = &config.field_selector {
        query.push_str("&fieldSelector=");
        query.push_str(&encode(selector));
    }
    query
}

pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;
    use crate::testing;
    use std::io;
    use std::io::Read;

    const TOKEN: &str = "a-token-of-more-than-24-characters";
    const BOOKMARK: &str = r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}"#;

    const LIMIT: Duration = Duration::from_secs(10);

    /// A watch of this stream, which ends properly.
    fn watch(stream: impl Read + 'static) -> Watch {
        Watch {
            asked: Asked {
                verb: "watch",
                source: Source::Endpoints,
                namespace: Some("default".to_owned()),
            },
            config: Arc::new(testing::config(Source::Endpoints)),
            signals: Arc::default(),
            token: Token::new(TOKEN.to_owned()),
            pieces: Pieces::new(Box::new(stream), Delimiter::LineFeed),
            delimiter: Delimiter::LineFeed,
        }
    }

    /// Gives one piece with each read, and then this error.
    struct Breaks(Vec<Vec<u8>>, io::ErrorKind);

    impl Read for Breaks {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Err(self.1.into());
            }
            let piece = self.0.remove(0);
            buffer[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    #[track_caller]
    fn assert_bookmark(input: Input) {
        match input {
            Input::Frame(Ok(Frame::Bookmark { version })) => assert_eq!(version, "9"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_line_is_a_frame_and_the_end_an_end() {
        let mut watch = watch(io::Cursor::new(format!("{BOOKMARK}\n\n{BOOKMARK}\nnonsense\n")));
        assert!(!watch.has_next(), "nothing was read yet");
        assert_bookmark(watch.next_within(LIMIT));
        assert!(watch.has_next());
        assert_bookmark(watch.next_within(LIMIT));
        assert!(matches!(watch.next_within(LIMIT), Input::Frame(Err(error)) if error.kind == Kind::Malformed));
        assert!(!watch.has_next());
        for _ in 0..2 {
            assert!(matches!(watch.next_within(LIMIT), Input::Ended));
        }
    }

    #[test]
    fn half_a_line_is_not_the_next_frame() {
        let (first, second) = BOOKMARK.split_at(20);
        let pieces = vec![
            format!("{BOOKMARK}\n{first}").into_bytes(),
            format!("{second}\n").into_bytes(),
        ];
        let mut watch = watch(Breaks(pieces, io::ErrorKind::ConnectionReset));
        assert_bookmark(watch.next_within(LIMIT));
        assert!(!watch.has_next());
        assert_bookmark(watch.next_within(LIMIT));
    }

    #[test]
    fn a_stream_that_breaks_keeps_what_was_whole() {
        for rest in ["", "{\"type\":\"BOOK"] {
            let pieces = vec![format!("{BOOKMARK}\n{rest}").into_bytes()];
            let mut watch = watch(Breaks(pieces, io::ErrorKind::ConnectionReset));
            assert_bookmark(watch.next_within(LIMIT));
            match watch.next_within(LIMIT) {
                Input::Broken(error) => {
                    assert_eq!(error.kind, Kind::Connect);
                    assert!(error.message.starts_with("cannot watch endpoints"), "{error}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn an_end_within_a_line_is_a_break_even_when_what_came_is_json() {
        let mut watch = watch(io::Cursor::new(BOOKMARK));
        assert!(matches!(watch.next_within(LIMIT), Input::Broken(error) if error.kind == Kind::Connect));
    }

    #[test]
    fn a_line_over_the_limit_is_no_frame() {
        let mut watch = watch(io::repeat(b'x'));
        match watch.next_within(LIMIT) {
            Input::Frame(Err(error)) => {
                assert_eq!(error.kind, Kind::TooLarge);
                assert!(error.message.contains(&MAX_PIECE_BYTES.to_string()), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_frame_that_repeats_the_token_is_refused_and_does_not_show_it() {
        let echo = BOOKMARK.replace("\"9\"", &format!("\"{TOKEN}\""));
        let mut watch = watch(io::Cursor::new(format!("{echo}\n{TOKEN}\n")));
        for _ in 0..2 {
            match watch.next_within(LIMIT) {
                Input::Frame(Err(error)) => {
                    assert_eq!(error.kind, Kind::Malformed);
                    assert!(!error.message.contains(TOKEN), "{error}");
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(format!("{watch:?}"), "Watch");
    }

    #[test]
    fn what_a_query_cannot_hold_is_encoded() {
        assert_eq!(encode("a in (b,c),d!=e/f"), "a%20in%20%28b%2Cc%29%2Cd%21%3De%2Ff");
        assert_eq!(encode("a-b.c_d~e"), "a-b.c_d~e");
        assert_eq!(encode("1&watch=false#ä"), "1%26watch%3Dfalse%23%C3%A4");
    }
}
