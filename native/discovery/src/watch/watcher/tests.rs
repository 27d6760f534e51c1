//! One test per arrow of the diagram, a table of the exit from a stream, simulated days, and a random walk.

use super::*;
use crate::config::Source;
use crate::names::entry::Named;
use crate::objects::candidate::Standing;
use crate::testing;
use crate::watch::watcher::ending::WORKING;
use crate::watch::watcher::streak::BEAR_WITHOUT_WATCH;

mod days;
mod exits;
mod frames;
mod lists;
mod refusals;
mod streaks;
mod walk;

/// Makes an input, which cannot be cloned.
type Makes = fn() -> Input;

fn watcher() -> Watcher<'static> {
    of(testing::config(Source::Endpoints))
}

fn not_to_watch() -> Watcher<'static> {
    of(Config {
        watch: false,
        ..testing::config(Source::Endpoints)
    })
}

/// One that lives as long as its test, for which it may leak.
fn of(config: Config) -> Watcher<'static> {
    Watcher::new(Box::leak(Box::new(config)))
}

/// An object with one ready name, its own.
fn entry(name: &str) -> Entry {
    Entry {
        named: vec![Named {
            name: name.to_owned(),
            standing: Standing::Ready,
        }],
        ..Entry::default()
    }
}

fn crowd(names: usize) -> Entry {
    Entry {
        named: (0..names).flat_map(|number| entry(&number.to_string()).named).collect(),
        ..Entry::default()
    }
}

/// A page with these objects, each of its own name.
fn page(objects: &[&str], version: &str, next: Option<&str>) -> Input {
    let objects = objects.iter().map(|&name| (name.to_owned(), entry(name)));
    page_of(objects, version, next)
}

fn page_of(objects: impl IntoIterator<Item = (String, Entry)>, version: &str, next: Option<&str>) -> Input {
    let objects = objects.into_iter().map(|(name, entry)| (Some(name), entry));
    Input::Page(Ok(Page {
        objects: objects.collect(),
        version: version.to_owned(),
        next: next.map(str::to_owned),
    }))
}

fn not_listed(error: Error) -> Input {
    Input::Page(Err(error))
}

fn opened() -> Input {
    Input::Opened(Ok(()))
}

fn not_opened(code: u16) -> Input {
    Input::Opened(Err(with_status(code)))
}

fn upsert(key: &str, name: &str, version: &str) -> Input {
    upsert_entry(key, entry(name), version)
}

fn upsert_entry(key: &str, kept: Entry, version: &str) -> Input {
    Input::Frame(Ok(Frame::Upsert {
        key: key.to_owned(),
        kept,
        version: version.to_owned(),
    }))
}

fn delete(key: &str, version: &str) -> Input {
    Input::Frame(Ok(Frame::Delete {
        key: key.to_owned(),
        version: version.to_owned(),
    }))
}

fn bookmark(version: &str) -> Input {
    Input::Frame(Ok(Frame::Bookmark {
        version: version.to_owned(),
    }))
}

fn error_frame(code: u16) -> Input {
    Input::Frame(Err(with_status(code)))
}

fn garbage() -> Input {
    Input::Frame(Err(error(Kind::Malformed)))
}

fn broken() -> Input {
    Input::Broken(error(Kind::Connect))
}

fn error(kind: Kind) -> Error {
    Error::new(kind, "why")
}

fn with_status(code: u16) -> Error {
    Error {
        status: Some(code),
        ..Error::new(Kind::Server, format!("cannot watch endpoints: HTTP {code}"))
    }
}

fn failed(error: Error) -> Step {
    told(Step::failed(error))
}

/// Without what is only counted.
fn told(step: Step) -> Step {
    Step {
        failure: None,
        ended: None,
        ..step
    }
}

/// Nothing to tell: a page that is not the last, or a frame that changes nothing.
fn heard() -> Step {
    Step::default()
}

fn published() -> Step {
    Step::tell(Tell::News)
}

/// A list is complete.
fn completed() -> Step {
    Step {
        progress: true,
        ..published()
    }
}

/// A list is complete, and says what was known.
fn confirmed() -> Step {
    Step {
        tell: Some(Tell::Unchanged),
        ..completed()
    }
}

/// A stream is open.
fn watches() -> Step {
    Step {
        watching: true,
        ..Step::default()
    }
}

/// Over the stream, without a word.
fn quiet(then: Then) -> Step {
    Step {
        then,
        ..Step::default()
    }
}

impl Watcher<'_> {
    fn feed(&mut self, input: Input) -> Step {
        told(self.step(input, Instant::now()))
    }

    fn ready(&self) -> Vec<String> {
        self.snapshot().ready
    }

    fn warnings(&self) -> usize {
        self.snapshot().warnings.len()
    }
}

/// One that listed `a` and `b` at version 10.
fn listed() -> Watcher<'static> {
    let mut watcher = watcher();
    assert_eq!(watcher.feed(page(&["a", "b"], "10", None)), completed());
    watcher
}

/// The same, then.
fn listed_at(at: Instant) -> Watcher<'static> {
    let mut watcher = watcher();
    watcher.step(page(&["a", "b"], "10", None), at);
    watcher
}

/// The same with an open stream that has told nothing yet.
fn watching() -> Watcher<'static> {
    let mut watcher = listed();
    assert_eq!(watcher.feed(opened()), watches());
    watcher
}

/// The same after a bookmark, version 11.
fn hearing() -> Watcher<'static> {
    let mut watcher = watching();
    assert_eq!(watcher.feed(bookmark("11")), heard());
    watcher
}

/// The same when its version has expired: it is to list anew.
fn expired() -> Watcher<'static> {
    let mut watcher = hearing();
    assert_eq!(watcher.feed(error_frame(410)), quiet(Then::BackOff));
    assert_eq!(watcher.request(), Request::List(Position::Present));
    watcher
}

/// One that polls, with `a` and `b` known.
fn polling() -> Watcher<'static> {
    let mut watcher = not_to_watch();
    watcher.feed(page(&["a", "b"], "10", None));
    assert_eq!(watcher.request(), Request::Rest);
    watcher
}

/// One that would watch, but is refused.
fn refused() -> Watcher<'static> {
    let mut watcher = listed();
    watcher.feed(not_opened(403));
    watcher.feed(page(&["a", "b"], "10", None));
    assert_eq!(watcher.request(), Request::Rest);
    watcher
}

/// Every state, where it can be with `a` and `b` known.
fn every_state() -> Vec<(&'static str, Watcher<'static>)> {
    let mut paging = expired();
    paging.feed(page(&["c"], "20", Some("more")));
    vec![
        ("unlisted", expired()),
        ("paging", paging),
        ("listed", listed()),
        ("watching", watching()),
        ("hearing", hearing()),
        ("polling", polling()),
        ("refused", refused()),
    ]
}

#[test]
fn what_a_state_did_not_ask_for_changes_nothing() {
    let inputs: [fn() -> Input; 11] = [
        || page(&["x"], "99", None),
        || not_listed(error(Kind::Timeout)),
        opened,
        || not_opened(403),
        || upsert("x", "x", "99"),
        || error_frame(410),
        garbage,
        || Input::Ended,
        || Input::Silent,
        broken,
        || Input::RefreshWanted,
    ];
    for input in inputs {
        for (state, mut watcher) in every_state() {
            let asked = match (watcher.request(), input()) {
                (Request::List(_), Input::Page(_))
                | (Request::Watch(_), Input::Opened(_))
                | (Request::Rest, Input::RefreshWanted) => true,
                (Request::Read, input) => {
                    matches!(input, Input::Frame(_) | Input::Ended | Input::Broken(_) | Input::Silent)
                }
                _ => false,
            };
            if !asked {
                let before = format!("{watcher:?}");
                assert_eq!(watcher.feed(input()), Step::default(), "{state}: {:?}", input());
                assert_eq!(before, format!("{watcher:?}"), "{state}: {:?}", input());
            }
        }
    }
}
