//! An open watch: its next frame, or how it ended. Its errors say what was asked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::answers::frame::Frame;
use crate::answers::pieces::{Delimiter, End, MAX_PIECE_BYTES, Pieces};
use crate::config::Config;
use crate::error::{Error, Kind};
use crate::names::entry::Entry;
use crate::objects::resource::Resource;
use crate::server::credentials::Token;
use crate::server::failures;
use crate::server::http::{Answer, Body};
use crate::server::signals::Signals;
use crate::server::status::Asked;
use crate::watch::watcher::Input;

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
    pub(crate) fn of(answer: Answer, asked: Asked, config: Arc<Config>, signals: Arc<Signals>) -> Self {
        let delimiter = Delimiter::of(answer.is_protobuf());
        let (stream, token) = answer.stream();
        Self {
            asked,
            config,
            signals,
            token,
            pieces: Pieces::new(stream, delimiter),
            delimiter,
        }
    }

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
}
