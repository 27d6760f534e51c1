//! One test per arrow of the diagram, and a random walk.

use super::*;
use crate::config::Source;
use crate::names::entry::Named;
use crate::objects::candidate::Standing;
use crate::testing;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// Statuses on a watch that say: not here, not for you.
const REFUSALS: [u16; 6] = [400, 403, 404, 405, 406, 501];

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
    Input::Page(Ok(Page {
        objects: objects
            .iter()
            .map(|&name| (Some(name.to_owned()), entry(name)))
            .collect(),
        version: version.to_owned(),
        next: next.map(str::to_owned),
        // Other resources have versions, too.
        newest: version.parse().map_or(0, |version: u64| version.saturating_sub(1)) * u64::from(!objects.is_empty()),
    }))
}

fn upsert(key: &str, name: &str, version: &str) -> Input {
    Input::Frame(Ok(Frame::Upsert {
        key: key.to_owned(),
        kept: entry(name),
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

fn error(kind: Kind) -> Error {
    Error::new(kind, "why")
}

fn with_status(code: u16) -> Error {
    Error {
        status: Some(code),
        ..Error::new(Kind::Server, format!("cannot watch endpoints: HTTP {code}"))
    }
}

fn quiet(then: Then) -> Step {
    Step {
        tell: None,
        then,
        progress: None,
    }
}

fn failed(error: Error) -> Step {
    Step {
        tell: Some(Tell::Error(error)),
        then: Then::BackOff,
        progress: None,
    }
}

/// An event may be lost.
fn lost(error: Error) -> Step {
    Step {
        then: Then::SpreadOut,
        ..failed(error)
    }
}

/// A watch from this version, for a server that sends bookmarks.
fn from(version: &str) -> Request<'_> {
    Request::Watch(version, Patience::ForBookmarks)
}

/// Nothing to tell, but something was heard.
fn heard() -> Step {
    quiet(Then::GoOn)
}

/// The end of a stream that has worked for a while.
fn worked(then: Then) -> Step {
    Step {
        progress: Some(Progress::Stream),
        ..quiet(then)
    }
}

/// A list is complete.
fn completed() -> Step {
    Step {
        tell: Some(Tell::Snapshot),
        progress: Some(Progress::List),
        ..quiet(Then::GoOn)
    }
}

/// A list is complete, and says what was known.
fn confirmed() -> Step {
    Step {
        tell: Some(Tell::Unchanged),
        ..completed()
    }
}

fn published() -> Step {
    Step {
        tell: Some(Tell::Snapshot),
        ..heard()
    }
}

impl Watcher<'_> {
    fn feed(&mut self, input: Input) -> Step {
        self.step(input, Instant::now())
    }

    fn ready(&self) -> Vec<String> {
        self.snapshot().ready
    }
}

/// One that listed `a` and `b` at version 10.
fn listed() -> Watcher<'static> {
    let mut watcher = watcher();
    assert_eq!(watcher.feed(page(&["a", "b"], "10", None)), completed());
    watcher
}

/// The same with an open stream that has sent nothing yet.
fn watching() -> Watcher<'static> {
    let mut watcher = listed();
    let step = watcher.feed(Input::Opened(Ok(())));
    assert_eq!(step, Step::tell(Tell::Watching));
    assert_eq!(watcher.freshness(), Freshness::Present);
    watcher
}

/// The same after a bookmark, version 11.
fn hearing() -> Watcher<'static> {
    let mut watcher = watching();
    assert_eq!(watcher.feed(bookmark("11")), heard());
    watcher
}

/// Every state, where it can be with `a` and `b` known.
fn every_state() -> Vec<(&'static str, Watcher<'static>)> {
    let mut unlisted = hearing();
    unlisted.feed(Input::ListWanted);
    let mut paging = hearing();
    paging.feed(Input::ListWanted);
    paging.feed(page(&["c"], "20", Some("more")));
    let mut polling = not_to_watch();
    polling.feed(page(&["a", "b"], "10", None));
    let mut refused = listed();
    refused.feed(Input::Opened(Err(with_status(403))));
    refused.feed(page(&["a", "b"], "10", None));
    let mut refreshing = not_to_watch();
    refreshing.feed(page(&["a", "b"], "10", None));
    refreshing.feed(refresh());
    vec![
        ("unlisted", unlisted),
        ("paging", paging),
        ("listed", listed()),
        ("watching", watching()),
        ("hearing", hearing()),
        ("polling", polling),
        ("refused", refused),
        ("refreshing", refreshing),
    ]
}

#[test]
fn it_begins_with_a_list_and_an_empty_snapshot() {
    let watcher = watcher();
    assert_eq!(watcher.request(), Request::List(Position::First));
    assert_eq!(watcher.snapshot(), Snapshot::default());
}

#[test]
fn pages_are_collected_and_published_with_the_last() {
    let mut watcher = watcher();
    assert_eq!(watcher.feed(page(&["a"], "10", Some("two"))), quiet(Then::GoOn));
    assert_eq!(watcher.request(), Request::List(Position::Page("two")));
    assert!(watcher.ready().is_empty());
    assert_eq!(watcher.feed(page(&["b"], "10", Some("three"))), quiet(Then::GoOn));
    assert_eq!(watcher.request(), Request::List(Position::Page("three")));
    assert!(watcher.ready().is_empty());
    assert_eq!(watcher.feed(page(&["c"], "10", None)), completed());
    assert_eq!(watcher.ready(), ["a", "b", "c"]);
    assert_eq!(watcher.snapshot().resource_version, "10");
    assert_eq!(watcher.request(), from("10"));
}

#[test]
fn an_empty_page_is_a_page() {
    let mut watcher = hearing();
    watcher.feed(Input::ListWanted);
    watcher.feed(page(&[], "20", Some("two")));
    assert_eq!(watcher.feed(page(&[], "20", None)), completed());
    assert!(
        watcher.ready().is_empty(),
        "a complete list without members is what it says"
    );
}

#[test]
fn an_object_that_is_on_two_pages_counts_once_as_it_came_last() {
    let mut watcher = watcher();
    watcher.feed(page(&["a"], "10", Some("two")));
    watcher.feed(Input::Page(Ok(Page {
        objects: vec![(Some("a".to_owned()), entry("newer"))],
        version: "11".to_owned(),
        next: None,
        newest: 0,
    })));
    assert_eq!(watcher.ready(), ["newer"]);
    assert_eq!(watcher.request(), from("11"));
}

#[test]
fn objects_without_names_do_not_take_each_others_place() {
    let objects = |names: &[Option<&str>]| -> Vec<_> {
        names
            .iter()
            .map(|name| (name.map(str::to_owned), Entry::default()))
            .collect()
    };
    let mut watcher = watcher();
    for (names, next) in [
        ([None, Some("#0"), None], Some("two")),
        ([Some("#1"), None, Some("#2")], None),
    ] {
        watcher.feed(Input::Page(Ok(Page {
            objects: objects(&names),
            version: "10".to_owned(),
            next: next.map(str::to_owned),
            newest: 0,
        })));
    }
    assert_eq!(watcher.reflector.objects().len(), 6);
    // No event could ever change them.
    assert_eq!(watcher.request(), Request::Rest);
    watcher.feed(Input::ListWanted);
    watcher.feed(page(&["a"], "11", None));
    assert_eq!(watcher.request(), from("11"));
}

#[test]
fn a_page_that_fails_is_told_and_the_list_begins_anew() {
    let mut watcher = watcher();
    let step = watcher.feed(Input::Page(Err(error(Kind::Timeout))));
    assert_eq!(step, failed(error(Kind::Timeout)));
    assert_eq!(watcher.request(), Request::List(Position::First));
}

#[test]
fn a_page_that_fails_in_the_middle_forgets_nothing_and_mixes_nothing_in() {
    let mut watcher = hearing();
    watcher.feed(Input::ListWanted);
    assert_eq!(watcher.request(), Request::List(Position::Present));
    watcher.feed(page(&["c"], "20", Some("two")));
    assert_eq!(watcher.ready(), ["a", "b"]);
    // A token that expired is one of these failures: 410 here is told as others are.
    let step = watcher.feed(Input::Page(Err(with_status(410))));
    assert_eq!(step, failed(with_status(410)));
    assert_eq!(watcher.ready(), ["a", "b"]);
    assert_eq!(
        watcher.request(),
        Request::List(Position::Present),
        "not the page that failed"
    );
    watcher.feed(page(&["d"], "30", None));
    assert_eq!(watcher.ready(), ["d"], "nothing of the list that failed");
}

#[test]
fn a_list_with_too_many_names_is_told_and_the_old_snapshot_stays() {
    let mut watcher = hearing();
    watcher.feed(Input::ListWanted);
    let too_large = Page {
        objects: vec![(Some("crowd".to_owned()), crowd(20_001))],
        version: "20".to_owned(),
        next: None,
        newest: 0,
    };
    let step = watcher.feed(Input::Page(Ok(too_large)));
    assert!(matches!(&step.tell, Some(Tell::Error(error)) if error.kind == Kind::TooLarge));
    assert_eq!((step.then, step.progress), (Then::BackOff, None));
    assert_eq!(watcher.request(), Request::List(Position::Present));
    assert_eq!(watcher.ready(), ["a", "b"]);
    let at_the_limit = Page {
        objects: vec![(Some("crowd".to_owned()), crowd(20_000))],
        version: "21".to_owned(),
        next: None,
        newest: 0,
    };
    assert_eq!(watcher.feed(Input::Page(Ok(at_the_limit))), completed());
}

#[test]
fn a_list_without_end_has_one() {
    for (objects, kind) in [(20_001, "nodes"), (0, "pages")] {
        let mut watcher = hearing();
        watcher.feed(Input::ListWanted);
        let mut pages = 0;
        let error = loop {
            pages += 1;
            let page = Page {
                // Without names, each counts as one.
                objects: (0..objects.min(1_000))
                    .map(|number| (Some(format!("{pages}-{number}")), Entry::default()))
                    .collect(),
                version: "20".to_owned(),
                next: Some("more".to_owned()),
                newest: 0,
            };
            if let Some(Tell::Error(error)) = watcher.feed(Input::Page(Ok(page))).tell {
                break error;
            }
        };
        assert_eq!(error.kind, Kind::TooLarge);
        assert!(error.message.contains(kind), "{error}");
        assert_eq!(pages, if objects == 0 { 1_000 } else { 21 });
        assert_eq!(watcher.ready(), ["a", "b"]);
        assert!(matches!(watcher.request(), Request::List(Position::Present)));
    }
}

#[test]
fn events_without_names_are_not_collected_without_end() {
    let mut watcher = hearing();
    for number in 0..19_998 {
        watcher.feed(Input::Frame(Ok(Frame::Upsert {
            key: format!("nameless-{number}"),
            kept: Entry::default(),
            version: "12".to_owned(),
        })));
    }
    assert_eq!(watcher.request(), Request::Read);
    let step = watcher.feed(upsert("c", "c", "13"));
    assert!(matches!(&step.tell, Some(Tell::Error(error)) if error.kind == Kind::TooLarge));
}

#[test]
fn an_event_with_too_many_names_is_told_and_listed_anew() {
    let mut watcher = hearing();
    let step = watcher.feed(Input::Frame(Ok(Frame::Upsert {
        key: "crowd".to_owned(),
        kept: crowd(20_000),
        version: "12".to_owned(),
    })));
    assert!(matches!(&step.tell, Some(Tell::Error(error)) if error.kind == Kind::TooLarge));
    assert_eq!((step.then, step.progress), (Then::SpreadOut, None));
    assert_eq!(watcher.request(), Request::List(Position::Present));
}

#[test]
fn an_event_with_too_many_names_changes_no_snapshot() {
    let mut watcher = hearing();
    watcher.feed(Input::Frame(Ok(Frame::Upsert {
        key: "crowd".to_owned(),
        kept: crowd(20_000),
        version: "12".to_owned(),
    })));
    assert_eq!(watcher.ready().len(), 2);
}

#[test]
fn without_watching_it_rests_until_a_list_is_wanted() {
    let mut watcher = not_to_watch();
    for (version, step) in [("10", completed()), ("11", confirmed())] {
        assert_eq!(watcher.feed(page(&["a"], version, None)), step);
        assert_eq!(watcher.request(), Request::Rest);
        let snapshot = watcher.snapshot();
        assert_eq!((&*snapshot.resource_version, snapshot.warnings.len()), (version, 0));
        assert_eq!(watcher.feed(Input::ListWanted), quiet(Then::GoOn));
        assert_eq!(watcher.request(), Request::List(Position::First));
    }
}

/// A tick that decides about nothing.
fn refresh() -> Input {
    Input::RefreshWanted(Freshness::Known)
}

/// One that polls, and was just asked to refresh what it knows: `a` at version 10.
fn refreshing() -> Watcher<'static> {
    let mut watcher = not_to_watch();
    watcher.feed(page(&["a"], "10", None));
    assert_eq!(watcher.feed(refresh()), quiet(Then::GoOn));
    assert_eq!(watcher.request(), Request::List(Position::Since(9)));
    watcher
}

#[test]
fn a_refresh_asks_for_nothing_older_than_what_is_known() {
    let mut watcher = refreshing();
    assert_eq!(watcher.feed(page(&["a", "b"], "12", None)), completed());
    assert_eq!(watcher.ready(), ["a", "b"]);
    assert_eq!(watcher.snapshot().freshness, Freshness::Known);
    watcher.feed(refresh());
    assert_eq!(watcher.request(), Request::List(Position::Since(11)));
    assert_eq!(watcher.feed(page(&["a", "b"], "12", None)), confirmed());
    assert_eq!(watcher.freshness(), Freshness::Known);
}

#[test]
fn a_refresh_that_decides_asks_for_what_is_true_now() {
    let mut watcher = not_to_watch();
    watcher.feed(page(&["a"], "10", None));
    watcher.feed(Input::RefreshWanted(Freshness::Present));
    assert_eq!(watcher.request(), Request::List(Position::First));
    assert_eq!(watcher.feed(page(&["a"], "10", None)), confirmed());
    assert_eq!(watcher.freshness(), Freshness::Present);
}

/// A cache that is behind may still have it.
#[test]
fn after_an_object_went_no_cache_is_asked_for_a_while() {
    let listed_without = |now| {
        let mut watcher = not_to_watch();
        watcher.step(page(&["a", "b"], "10", None), now);
        watcher.step(refresh(), now);
        watcher.step(page(&["a"], "12", None), now);
        watcher
    };
    // It watched, and cannot any more.
    let watched_without = |now| {
        let mut watcher = of(Config {
            watch_retry: TRUST_CACHE * 2 * FIRST_REFUSAL,
            ..testing::config(Source::Endpoints)
        });
        watcher.step(page(&["a", "b"], "10", None), now);
        watcher.step(Input::Opened(Ok(())), now);
        watcher.step(delete("b", "12"), now);
        watcher.step(Input::Ended, now);
        watcher.step(Input::Opened(Err(with_status(403))), now);
        watcher.step(page(&["a"], "12", None), now);
        watcher
    };
    let start = Instant::now();
    for mut watcher in [listed_without(start), watched_without(start)] {
        let later = start + TRUST_CACHE;
        let last = later.checked_sub(Duration::from_millis(1)).unwrap();
        for now in [start, last] {
            watcher.step(refresh(), now);
            assert_eq!(watcher.request(), Request::List(Position::First));
            watcher.step(page(&["a"], "13", None), now);
        }
        watcher.step(refresh(), later);
        assert_eq!(watcher.request(), Request::List(Position::Since(12)));
    }
}

/// A cache that hears of nothing any more is new enough for ever, by what is known.
#[test]
fn a_consistent_list_comes_every_few_minutes() {
    let start = Instant::now();
    let mut watcher = not_to_watch();
    watcher.step(page(&["a"], "10", None), start);
    let late = start + TRUST_CACHE;
    for now in [start, late.checked_sub(Duration::from_millis(1)).unwrap()] {
        watcher.step(refresh(), now);
        assert_eq!(watcher.request(), Request::List(Position::Since(9)));
        assert_eq!(watcher.step(page(&["a"], "10", None), now), confirmed());
    }
    watcher.step(refresh(), late);
    assert_eq!(watcher.request(), Request::List(Position::First));
    watcher.step(page(&["a"], "10", None), late);
    watcher.step(refresh(), late);
    assert_eq!(watcher.request(), Request::List(Position::Since(9)));
}

#[test]
fn who_asks_for_cached_resources_has_them_anyway() {
    let mut watcher = of(Config {
        watch: false,
        cached: true,
        ..testing::config(Source::Endpoints)
    });
    watcher.feed(page(&["a"], "10", None));
    watcher.feed(refresh());
    assert_eq!(watcher.request(), Request::List(Position::First));
}

/// Its cache is behind for longer than it waits, or its history was replaced; and nothing has failed yet.
#[test]
fn what_a_cache_cannot_tell_is_asked_for_as_it_is_now() {
    for answer in [
        Input::Page(Err(with_status(504))),
        Input::Page(Err(with_status(410))),
        Input::Page(Err(with_status(400))),
        page(&[], "8", None),
        page(&[], "opaque", None),
        page(&["b"], "12", Some("two")),
    ] {
        let mut watcher = refreshing();
        let what = format!("{answer:?}");
        assert_eq!(watcher.feed(answer), quiet(Then::GoOn), "{what}");
        assert_eq!(watcher.ready(), ["a"], "{what}");
        assert_eq!(watcher.request(), Request::List(Position::First), "{what}");
        assert_eq!(watcher.feed(page(&["b"], "9", None)), completed(), "{what}");
        assert_eq!(watcher.ready(), ["b"], "{what}");
    }
}

#[test]
fn without_objects_there_is_nothing_to_be_as_new_as() {
    let mut watcher = not_to_watch();
    watcher.feed(page(&[], "10", None));
    watcher.feed(refresh());
    assert_eq!(watcher.request(), Request::List(Position::First));
}

/// As one of a cache that has heard of no other resource has.
#[test]
fn a_refresh_may_have_a_lower_version_than_the_list_before() {
    let mut watcher = refreshing();
    assert_eq!(watcher.feed(page(&["a", "b"], "9", None)), completed());
    assert_eq!(watcher.snapshot().resource_version, "9");
}

#[test]
fn the_newest_object_of_all_pages_counts() {
    let mut watcher = not_to_watch();
    watcher.feed(page(&["a"], "20", Some("two")));
    watcher.feed(page(&["b"], "10", None));
    watcher.feed(refresh());
    assert_eq!(watcher.request(), Request::List(Position::Since(19)));
}

#[test]
fn a_refresh_that_fails_is_followed_by_a_consistent_list() {
    let mut watcher = refreshing();
    let step = watcher.feed(Input::Page(Err(with_status(500))));
    assert_eq!((step.failure().is_some(), step.then), (true, Then::BackOff));
    assert_eq!(watcher.request(), Request::List(Position::First));
}

#[test]
fn only_who_polls_refreshes() {
    for (state, mut watcher) in every_state() {
        let polling = watcher.request() == Request::Rest;
        let before = format!("{:?}", watcher.request());
        assert_eq!(watcher.feed(refresh()), quiet(Then::GoOn), "{state}");
        assert_eq!(format!("{:?}", watcher.request()) == before, !polling, "{state}");
    }
}

#[test]
fn a_list_that_says_what_was_known_is_told_as_such() {
    let mut watcher = not_to_watch();
    assert_eq!(
        watcher.feed(page(&[], "1", None)),
        completed(),
        "the first is news, even without names"
    );
    for (objects, step) in [
        (&[][..], confirmed()),
        (&["a"], completed()),
        (&["a"], confirmed()),
        (&["b"], completed()),
        (&[], completed()),
    ] {
        watcher.feed(Input::ListWanted);
        assert_eq!(watcher.feed(page(objects, "2", None)), step, "{objects:?}");
    }
}

/// What was said of it must be unsaid, too.
#[test]
fn a_refusal_that_begins_or_ends_is_news_though_the_list_is_the_same() {
    let mut watcher = listed();
    watcher.feed(Input::Opened(Err(with_status(403))));
    assert_eq!(watcher.feed(page(&["a", "b"], "10", None)), completed());
    assert_eq!(watcher.snapshot().warnings.len(), 1);
    watcher.feed(Input::ListWanted);
    assert_eq!(watcher.feed(page(&["a", "b"], "10", None)), confirmed());
    watcher.feed(Input::ListWanted);
    watcher.feed(Input::Page(Err(error(Kind::Connect))));
    assert_eq!(watcher.feed(page(&["a", "b"], "10", None)), completed());
    assert_eq!(watcher.snapshot().warnings.len(), 0);
}

#[test]
fn a_watch_that_opens_is_told_and_read() {
    let watcher = watching();
    assert_eq!(watcher.request(), Request::Read);
    assert_eq!(watcher.snapshot().resource_version, "10");
}

#[test]
fn an_added_object_is_published_with_its_version() {
    let mut watcher = watching();
    assert_eq!(watcher.feed(upsert("c", "c", "12")), published());
    assert_eq!(watcher.ready(), ["a", "b", "c"]);
    assert_eq!(watcher.snapshot().resource_version, "12");
    assert_eq!(watcher.request(), Request::Read);
}

#[test]
fn a_modified_object_takes_its_own_place() {
    let mut watcher = watching();
    assert_eq!(watcher.feed(upsert("a", "z", "12")), published());
    assert_eq!(watcher.ready(), ["b", "z"]);
}

#[test]
fn a_change_that_does_not_count_moves_the_version_and_is_not_told() {
    let mut watcher = watching();
    assert_eq!(watcher.feed(upsert("a", "a", "12")), heard());
    assert_eq!(watcher.snapshot().resource_version, "12");
    assert_eq!(watcher.ready(), ["a", "b"]);
}

#[test]
fn a_deleted_object_goes_and_an_unknown_one_is_no_news() {
    let mut watcher = watching();
    assert_eq!(watcher.feed(delete("a", "12")), published());
    assert_eq!(watcher.ready(), ["b"]);
    assert_eq!(watcher.feed(delete("a", "13")), heard());
    assert_eq!(watcher.feed(delete("never", "14")), heard());
    assert_eq!(watcher.ready(), ["b"]);
    assert_eq!(watcher.snapshot().resource_version, "14");
}

#[test]
fn a_bookmark_moves_the_version_alone() {
    let mut watcher = watching();
    assert_eq!(watcher.feed(bookmark("99")), heard());
    assert_eq!(watcher.ready(), ["a", "b"]);
    watcher.feed(Input::Ended);
    assert_eq!(watcher.request(), from("99"));
}

#[test]
fn the_same_event_twice_is_news_once() {
    let mut watcher = watching();
    assert_eq!(watcher.feed(upsert("c", "c", "12")), published());
    assert_eq!(watcher.feed(upsert("c", "c", "12")), heard());
    assert_eq!(watcher.feed(delete("c", "13")), published());
    assert_eq!(watcher.feed(delete("c", "13")), heard());
    assert_eq!(watcher.ready(), ["a", "b"]);
}

#[test]
fn a_history_that_goes_back_is_listed_anew() {
    for older in [|| bookmark("9"), || upsert("c", "c", "9"), || delete("a", "9")] {
        let mut watcher = watching();
        assert_eq!(watcher.feed(older()), quiet(Then::SpreadOut));
        assert_eq!(watcher.request(), Request::List(Position::Present));
        assert_eq!(watcher.ready(), ["a", "b"]);
    }
    // Where versions are numbers, all are.
    for strange in ["a version", "-1", "", "18446744073709551616"] {
        assert_eq!(watching().feed(bookmark(strange)), quiet(Then::SpreadOut), "{strange}");
    }
    // The same version again is nothing unusual.
    for version in ["10", "11"] {
        assert_eq!(watching().feed(bookmark(version)), heard());
    }
}

#[test]
fn where_versions_are_no_numbers_the_last_is_where_to_go_on_from() {
    let mut watcher = watcher();
    watcher.feed(page(&["a", "b"], "version z", None));
    watcher.feed(Input::Opened(Ok(())));
    for version in ["version y", "version x"] {
        assert_eq!(watcher.feed(bookmark(version)), heard());
    }
    watcher.feed(Input::Ended);
    assert_eq!(watcher.request(), from("version x"));
}

#[test]
fn only_a_stream_that_is_open_for_a_while_is_progress() {
    let start = Instant::now();
    let mut watcher = listed();
    watcher.step(Input::Opened(Ok(())), start);
    let early = start + WORKING.checked_sub(Duration::from_millis(1)).unwrap();
    assert_eq!(watcher.step(bookmark("11"), early), quiet(Then::GoOn));
    assert_eq!(watcher.step(bookmark("12"), start + WORKING), worked(Then::GoOn));
    assert_eq!(watcher.step(Input::Ended, start + WORKING), worked(Then::GoOn));
    // One that ends young is not opened again at once, whatever it told.
    watcher.step(Input::Opened(Ok(())), start + WORKING);
    watcher.step(bookmark("13"), start + WORKING);
    assert_eq!(watcher.step(Input::Ended, start + WORKING), quiet(Then::BackOff));
}

#[test]
fn once_in_an_hour_the_end_of_a_stream_is_followed_by_a_list() {
    let start = Instant::now();
    let mut watcher = watcher();
    watcher.step(page(&["a"], "10", None), start);
    let early = start + RELIST_AFTER.checked_sub(Duration::from_millis(1)).unwrap();
    for (now, request) in [
        (early, from("10")),
        (start + RELIST_AFTER, Request::List(Position::Present)),
    ] {
        watcher.step(Input::Opened(Ok(())), start);
        assert_eq!(watcher.step(Input::Ended, now), worked(Then::GoOn));
        assert_eq!(watcher.request(), request);
    }
}

#[test]
fn a_cache_serves_only_where_no_watch_may_have_told_more() {
    let mut watcher = watcher();
    assert_eq!(watcher.request(), Request::List(Position::First));
    watcher.feed(page(&["a"], "10", None));
    watcher.feed(Input::ListWanted);
    assert_eq!(watcher.request(), Request::List(Position::First));
    watcher.feed(page(&["a"], "10", None));
    watcher.feed(Input::Opened(Ok(())));
    watcher.feed(Input::ListWanted);
    assert_eq!(watcher.request(), Request::List(Position::Present));
    watcher.feed(Input::Page(Err(error(Kind::Timeout))));
    assert_eq!(
        watcher.request(),
        Request::List(Position::Present),
        "until one is complete"
    );
    watcher.feed(page(&["a"], "20", None));
    watcher.feed(Input::ListWanted);
    assert_eq!(watcher.request(), Request::List(Position::First));
}

#[test]
fn an_expired_version_is_listed_anew_and_nothing_told() {
    for expire in [
        |watcher: &mut Watcher<'_>| watcher.feed(error_frame(410)),
        |watcher: &mut Watcher<'_>| {
            watcher.feed(Input::Ended);
            watcher.feed(Input::Opened(Err(with_status(410))))
        },
    ] {
        let mut watcher = hearing();
        assert_eq!(expire(&mut watcher), quiet(Then::SpreadOut));
        assert_eq!(watcher.request(), Request::List(Position::Present));
        assert_eq!(watcher.ready(), ["a", "b"]);
        assert!(watcher.snapshot().warnings.is_empty());
        watcher.feed(page(&["b"], "20", Some("two")));
        assert_eq!(watcher.ready(), ["a", "b"]);
        assert_eq!(watcher.feed(page(&["c"], "20", None)), completed());
        assert_eq!(watcher.ready(), ["b", "c"]);
    }
}

#[test]
fn an_expired_version_before_anything_was_heard_is_the_same() {
    let mut watcher = watching();
    assert_eq!(watcher.feed(error_frame(410)), quiet(Then::SpreadOut));
    assert_eq!(watcher.request(), Request::List(Position::Present));
}

#[test]
fn any_other_error_frame_is_told_and_the_watch_opened_anew() {
    for (code, mut watcher, version) in [
        (500, hearing(), "11"),
        (429, hearing(), "11"),
        (403, hearing(), "11"),
        (0, hearing(), "11"),
        (504, watching(), "10"),
    ] {
        let step = watcher.feed(error_frame(code));
        let Some(Tell::Error(error)) = &step.tell else {
            panic!("{step:?}");
        };
        assert_eq!(*error, with_status(code));
        assert_eq!((step.then, step.progress), (Then::BackOff, None));
        assert_eq!(watcher.request(), from(version));
        assert_eq!(watcher.ready(), ["a", "b"]);
    }
}

#[test]
fn a_clean_end_goes_on_from_the_last_version() {
    let mut watcher = hearing();
    watcher.feed(upsert("c", "c", "12"));
    assert_eq!(watcher.feed(Input::Ended), quiet(Then::BackOff));
    assert_eq!(watcher.request(), from("12"));
    assert_eq!(watcher.ready(), ["a", "b", "c"]);
    watcher.feed(Input::Opened(Ok(())));
    // Each stream has to be heard for itself.
    assert_eq!(watcher.feed(Input::Ended), quiet(Then::BackOff));
    assert_eq!(watcher.request(), from("12"));
}

#[test]
fn a_stream_that_breaks_goes_on_from_the_last_version() {
    let mut watcher = hearing();
    assert_eq!(watcher.feed(Input::Broken(error(Kind::Connect))), quiet(Then::BackOff));
    assert_eq!(watcher.request(), from("11"));
    watcher.feed(Input::Opened(Ok(())));
    let step = watcher.feed(Input::Broken(error(Kind::Connect)));
    assert_eq!(step, failed(error(Kind::Connect)), "one that never worked is a failure");
    assert_eq!(watcher.request(), from("11"));
    assert_eq!(watcher.ready(), ["a", "b"]);
}

#[test]
fn a_stream_that_was_open_for_long_has_worked_though_nothing_was_heard() {
    let start = Instant::now();
    let open = || {
        let mut watcher = listed();
        watcher.step(Input::Opened(Ok(())), start);
        watcher
    };
    let early = start + WORKING.checked_sub(Duration::from_millis(1)).unwrap();
    assert_eq!(open().step(Input::Ended, early), quiet(Then::BackOff));
    assert_eq!(open().step(Input::Ended, start + WORKING), worked(Then::GoOn));
    let broken = || Input::Broken(error(Kind::Connect));
    assert_eq!(open().step(broken(), early), failed(error(Kind::Connect)));
    assert_eq!(open().step(broken(), start + WORKING), worked(Then::BackOff));
}

#[test]
fn a_silent_stream_is_replaced_without_a_word() {
    for mut watcher in [watching(), hearing()] {
        let version = watcher.snapshot().resource_version;
        assert_eq!(watcher.feed(Input::Silent), quiet(Then::BackOff));
        assert!(matches!(watcher.request(), Request::Watch(from, _) if from == version));
        assert_eq!(watcher.ready(), ["a", "b"]);
    }
}

#[test]
fn silence_is_borne_with_until_a_bookmark_comes() {
    let mut watcher = watching();
    // An event is no bookmark: it does not show that this server sends any.
    watcher.feed(upsert("c", "c", "11"));
    watcher.feed(Input::Silent);
    assert_eq!(watcher.request(), Request::Watch("11", Patience::ToTheEnd));
    watcher.feed(Input::Opened(Ok(())));
    watcher.feed(upsert("d", "d", "12"));
    watcher.feed(Input::Ended);
    assert_eq!(watcher.request(), Request::Watch("12", Patience::ToTheEnd));
    watcher.feed(Input::Opened(Ok(())));
    watcher.feed(bookmark("13"));
    watcher.feed(Input::Silent);
    assert_eq!(
        watcher.request(),
        from("13"),
        "silent after a bookmark, the server hangs"
    );
    // Silent from the beginning, it may be one without bookmarks again.
    watcher.feed(Input::Opened(Ok(())));
    watcher.feed(Input::Silent);
    assert_eq!(watcher.request(), Request::Watch("13", Patience::ToTheEnd));
}

#[test]
fn a_line_that_is_no_frame_is_told_and_listed_anew() {
    for kind in [Kind::Malformed, Kind::TooLarge] {
        for mut watcher in [watching(), hearing()] {
            let step = watcher.feed(Input::Frame(Err(error(kind))));
            assert_eq!(step, lost(error(kind)));
            assert_eq!(watcher.request(), Request::List(Position::Present));
            assert_eq!(watcher.ready(), ["a", "b"]);
        }
    }
}

#[test]
fn a_watch_that_is_refused_is_listed_anew_and_becomes_polling_with_a_warning() {
    for code in REFUSALS {
        let mut watcher = listed();
        let step = watcher.feed(Input::Opened(Err(with_status(code))));
        assert_eq!(step, quiet(Then::GoOn), "neither an error nor a confirmation");
        assert_eq!(watcher.request(), Request::List(Position::First));
        assert_eq!(watcher.ready(), ["a", "b"]);
        assert_eq!(watcher.feed(page(&["a"], "20", None)), completed());
        assert_eq!(watcher.request(), Request::Rest);
        let snapshot = watcher.snapshot();
        assert_eq!((snapshot.ready.len(), &*snapshot.resource_version), (1, "20"));
        assert_eq!(snapshot.warnings.len(), 1);
        let warning = &snapshot.warnings[0];
        assert!(
            warning.contains("watch") && warning.contains(&code.to_string()),
            "{warning}"
        );
        assert!(warning.contains("polling_interval"), "{warning}");
    }
}

#[test]
fn when_the_list_is_refused_too_it_is_not_watching_that_was() {
    let mut watcher = listed();
    watcher.feed(Input::Opened(Err(with_status(403))));
    let step = watcher.feed(Input::Page(Err(with_status(403))));
    assert_eq!(step, failed(with_status(403)));
    assert!(watcher.snapshot().warnings.is_empty());
    assert_eq!(watcher.ready(), ["a", "b"]);
    assert_eq!(
        watcher.feed(page(&["a", "b"], "20", None)),
        confirmed(),
        "nobody was told of a refusal"
    );
    assert_eq!(watcher.request(), from("20"), "tried again at once");
}

#[test]
fn a_warning_is_news_when_it_comes_and_when_it_goes() {
    let mut watcher = listed();
    watcher.feed(Input::Opened(Err(with_status(403))));
    assert_eq!(watcher.feed(page(&["a", "b"], "20", None)), completed());
    watcher.feed(Input::ListWanted);
    assert_eq!(watcher.feed(page(&["a", "b"], "21", None)), confirmed());
    watcher.feed(Input::ListWanted);
    watcher.feed(Input::Page(Err(with_status(403))));
    assert_eq!(watcher.feed(page(&["a", "b"], "22", None)), completed());
    assert!(watcher.snapshot().warnings.is_empty());
}

#[test]
fn a_refused_watch_is_tried_again_after_its_time_and_not_before() {
    let mut watcher = listed();
    let start = Instant::now();
    let retry = watcher.config.watch_retry;
    let mut now = start;
    let list = |watcher: &mut Watcher<'_>, now| {
        let step = watcher.step(page(&["a"], "20", None), now);
        assert!(step == completed() || step == confirmed(), "{step:?}");
        assert_eq!(watcher.snapshot().warnings.len(), 1);
    };
    // Refused again and again: each time for twice as long, up to the whole time, and with one warning.
    for part in [32, 16, 8, 4, 2, 1, 1] {
        let wait = retry / part;
        let step = watcher.step(Input::Opened(Err(with_status(403))), now);
        assert_eq!(step, quiet(Then::GoOn));
        for now in [now, now + wait.checked_sub(Duration::from_millis(1)).unwrap()] {
            list(&mut watcher, now);
            assert_eq!(watcher.request(), Request::Rest);
            watcher.step(Input::ListWanted, now);
        }
        now += wait;
        list(&mut watcher, now);
        assert_eq!(watcher.request(), from("20"));
    }
    // Granted.
    let step = watcher.step(Input::Opened(Ok(())), now);
    assert_eq!(step, Step::tell(Tell::Watching));
    assert!(watcher.snapshot().warnings.is_empty());
    // And what was refused once does not count any more.
    watcher.step(Input::ListWanted, now);
    watcher.step(page(&["a"], "30", None), now);
    assert!(watcher.snapshot().warnings.is_empty());
    assert_eq!(watcher.request(), from("30"));
}

#[test]
fn a_watch_that_fails_otherwise_is_told_and_opened_anew_from_the_same_version() {
    let statuses = [401, 429, 500, 502, 503, 504].map(with_status);
    let others = [Kind::Connect, Kind::Tls, Kind::Dns, Kind::Credentials, Kind::Malformed].map(error);
    let mut watcher = listed();
    for error in statuses.into_iter().chain(others) {
        let step = watcher.feed(Input::Opened(Err(error.clone())));
        assert_eq!(step, failed(error));
        assert_eq!(watcher.request(), from("10"));
        assert_eq!(watcher.ready(), ["a", "b"]);
        assert!(watcher.snapshot().warnings.is_empty());
    }
}

#[test]
fn a_server_that_opens_no_watch_for_long_though_it_answers_is_polled() {
    let start = Instant::now();
    let late = start + BEAR_WITHOUT_WATCH;
    let early = late.checked_sub(Duration::from_millis(1)).unwrap();
    for failure in [
        with_status(500),
        with_status(503),
        with_status(401),
        error(Kind::Malformed),
    ] {
        let fail = || Input::Opened(Err(failure.clone()));
        let mut watcher = listed();
        for now in [start, early] {
            assert_eq!(watcher.step(fail(), now), failed(failure.clone()));
        }
        assert_eq!(watcher.step(fail(), late), quiet(Then::GoOn));
        assert_eq!(watcher.step(page(&["a"], "20", None), late), completed());
        assert_eq!(watcher.request(), Request::Rest);
        assert!(watcher.snapshot().warnings[0].contains(&failure.message));
        // The next time it fails it has failed for long already.
        let retry = late + watcher.config.watch_retry;
        watcher.step(Input::ListWanted, retry);
        watcher.step(page(&["a"], "30", None), retry);
        assert_eq!(watcher.request(), from("30"));
        assert_eq!(watcher.step(fail(), retry), quiet(Then::GoOn));
        assert!(matches!(watcher.request(), Request::List(_)));
    }
}

#[test]
fn a_server_that_is_away_or_wants_to_be_left_alone_is_not_listed_instead() {
    let start = Instant::now();
    for gap in [error(Kind::Connect), error(Kind::Tls), error(Kind::Dns)] {
        let mut watcher = listed();
        let unwell = || Input::Opened(Err(with_status(503)));
        watcher.step(unwell(), start);
        watcher.step(Input::Opened(Err(gap)), start);
        // Away meanwhile, it has not been unwell for long.
        assert_eq!(
            watcher.step(unwell(), start + BEAR_WITHOUT_WATCH),
            failed(with_status(503))
        );
    }
    let mut watcher = listed();
    for now in [start, start + BEAR_WITHOUT_WATCH] {
        assert_eq!(
            watcher.step(Input::Opened(Err(with_status(429))), now),
            failed(with_status(429))
        );
    }
}

#[test]
fn a_watch_that_hangs_until_its_limit_is_polled_instead() {
    let mut watcher = listed();
    assert_eq!(
        watcher.feed(Input::Opened(Err(error(Kind::Timeout)))),
        quiet(Then::GoOn)
    );
    assert_eq!(watcher.feed(page(&["a"], "20", None)), completed());
    assert_eq!(watcher.request(), Request::Rest);
}

#[test]
fn a_wanted_list_is_the_next_thing_in_every_state_and_forgets_nothing() {
    for (state, mut watcher) in every_state() {
        let before = watcher.snapshot();
        assert_eq!(watcher.feed(Input::ListWanted), quiet(Then::GoOn), "{state}");
        assert!(matches!(watcher.request(), Request::List(_)), "{state}");
        let after = watcher.snapshot();
        assert_eq!(
            (after.ready, after.warnings),
            (before.ready, before.warnings),
            "{state}"
        );
        assert_eq!(watcher.ready(), ["a", "b"], "{state}");
        watcher.feed(page(&["c"], "30", None));
        assert_eq!(watcher.ready(), ["c"], "{state}");
    }
}

#[test]
fn what_a_state_did_not_ask_for_changes_nothing() {
    let inputs: [fn() -> Input; 10] = [
        || page(&["x"], "99", None),
        || Input::Page(Err(error(Kind::Timeout))),
        || Input::Opened(Ok(())),
        || Input::Opened(Err(with_status(403))),
        || upsert("x", "x", "99"),
        || error_frame(410),
        || Input::Frame(Err(error(Kind::Malformed))),
        || Input::Ended,
        || Input::Silent,
        || Input::Broken(error(Kind::Connect)),
    ];
    for input in inputs {
        for (state, mut watcher) in every_state() {
            let asked = match (watcher.request(), input()) {
                (Request::List(_), Input::Page(_)) | (Request::Watch(..), Input::Opened(_)) => true,
                (Request::Read, input) => {
                    matches!(input, Input::Frame(_) | Input::Ended | Input::Broken(_) | Input::Silent)
                }
                _ => false,
            };
            if !asked {
                let before = (format!("{:?}", watcher.request()), watcher.snapshot());
                assert_eq!(watcher.feed(input()), quiet(Then::GoOn), "{state}: {:?}", input());
                let after = (format!("{:?}", watcher.request()), watcher.snapshot());
                assert_eq!(before, after, "{state}: {:?}", input());
            }
        }
    }
}

/// What can happen, with objects as small numbers.
#[derive(Debug, Clone)]
enum Happening {
    Page(Vec<u8>, bool),
    Opened(Option<u16>),
    Upsert(u8, u8),
    Delete(u8),
    Bookmark,
    ErrorFrame(u16),
    NoFrame,
    Failed,
    Ended,
    Broken,
    Silent,
    ListWanted,
    RefreshWanted,
    Refused(u16),
    TimePasses,
}

fn happening() -> impl Strategy<Value = Happening> {
    let code = prop::sample::select(vec![400, 401, 403, 404, 410, 429, 500, 501, 503, 504]);
    prop_oneof![
        6 => (prop::collection::vec(0_u8..6, 0..6), prop::bool::weighted(0.3))
            .prop_map(|(objects, more)| Happening::Page(objects, more)),
        6 => Just(Happening::Opened(None)),
        2 => code.clone().prop_map(|code| Happening::Opened(Some(code))),
        6 => (0_u8..6, 0_u8..3).prop_map(|(key, value)| Happening::Upsert(key, value)),
        3 => (0_u8..6).prop_map(Happening::Delete),
        1 => Just(Happening::Bookmark),
        1 => code.clone().prop_map(Happening::ErrorFrame),
        1 => code.prop_map(Happening::Refused),
        1 => Just(Happening::NoFrame),
        1 => Just(Happening::Failed),
        1 => Just(Happening::Ended),
        1 => Just(Happening::Broken),
        1 => Just(Happening::Silent),
        1 => Just(Happening::ListWanted),
        3 => Just(Happening::RefreshWanted),
        1 => Just(Happening::TimePasses),
    ]
}

#[derive(Debug, PartialEq)]
enum Told {
    Nothing,
    Change,
    /// Which may come with news of a refusal.
    Confirmation,
}

/// What must be known: by key, changed by nothing but a last page and a frame.
#[derive(Default)]
struct Model {
    known: BTreeMap<u8, u8>,
    collected: BTreeMap<u8, u8>,
    version: String,
}

impl Model {
    fn names(&self) -> Vec<String> {
        let names = self.known.iter().map(|(key, value)| format!("{key}-{value}"));
        names.collect()
    }

    /// What is to be told of the snapshot.
    fn apply(&mut self, request: Request<'_>, happening: &Happening, version: &str) -> Told {
        let (before, first) = (self.known.clone(), self.version.is_empty());
        match (request, happening) {
            (Request::List(token), Happening::Page(objects, more)) => {
                if !matches!(token, Position::Page(_)) {
                    self.collected.clear();
                }
                self.collected.extend(objects.iter().map(|object| (*object, 0)));
                if *more {
                    return Told::Nothing;
                }
                self.known = self.collected.clone();
                version.clone_into(&mut self.version);
                return if first || self.known != before {
                    Told::Change
                } else {
                    Told::Confirmation
                };
            }
            (Request::Read, Happening::Upsert(key, value)) => {
                self.known.insert(*key, *value);
            }
            (Request::Read, Happening::Delete(key)) => {
                self.known.remove(key);
            }
            (Request::Read, Happening::Bookmark) => {}
            _ => return Told::Nothing,
        }
        version.clone_into(&mut self.version);
        if self.known == before {
            Told::Nothing
        } else {
            Told::Change
        }
    }
}

fn input(happening: &Happening, version: &str) -> Input {
    match happening {
        Happening::Page(objects, more) => Input::Page(Ok(Page {
            objects: objects
                .iter()
                .map(|object| (Some(object.to_string()), entry(&format!("{object}-0"))))
                .collect(),
            version: version.to_owned(),
            next: more.then(|| format!("after {version}")),
            newest: version.parse().unwrap_or_default(),
        })),
        Happening::Opened(None) => Input::Opened(Ok(())),
        Happening::Opened(Some(code)) => Input::Opened(Err(with_status(*code))),
        Happening::Upsert(key, value) => upsert(&key.to_string(), &format!("{key}-{value}"), version),
        Happening::Delete(key) => delete(&key.to_string(), version),
        Happening::Bookmark => bookmark(version),
        Happening::ErrorFrame(code) => error_frame(*code),
        Happening::NoFrame => Input::Frame(Err(error(Kind::Malformed))),
        Happening::Failed => Input::Page(Err(error(Kind::Timeout))),
        Happening::Ended => Input::Ended,
        Happening::Broken => Input::Broken(error(Kind::Connect)),
        Happening::Silent => Input::Silent,
        Happening::ListWanted | Happening::TimePasses => Input::ListWanted,
        Happening::RefreshWanted => Input::RefreshWanted(Freshness::Known),
        Happening::Refused(code) => Input::Page(Err(with_status(*code))),
    }
}

proptest! {
    /// Whatever happens: only a complete list and a frame change what is known, all of that is told at once, and
    /// a watch goes on exactly where they ended.
    #[test]
    fn only_complete_lists_and_frames_change_the_snapshot(happenings in prop::collection::vec(happening(), 0..80)) {
        let mut watcher = watcher();
        let mut model = Model::default();
        let mut now = Instant::now();
        for (number, happening) in happenings.iter().enumerate() {
            if matches!(happening, Happening::TimePasses) {
                now += watcher.config.watch_retry;
                continue;
            }
            let version = number.to_string();
            let told = model.apply(watcher.request(), happening, &version);
            let step = watcher.step(input(happening, &version), now);
            prop_assert_eq!(watcher.ready(), model.names());
            match step.tell {
                Some(Tell::Snapshot) => prop_assert_ne!(told, Told::Nothing),
                Some(Tell::Unchanged) => prop_assert_eq!(told, Told::Confirmation),
                _ => prop_assert_eq!(told, Told::Nothing),
            }
            match watcher.request() {
                Request::Watch(version, _) => prop_assert_eq!(version, &model.version),
                Request::Read | Request::Rest => {
                    prop_assert_eq!(watcher.snapshot().resource_version, model.version.clone());
                }
                Request::List(_) => {}
            }
            if matches!(step.tell, Some(Tell::Error(_))) {
                prop_assert_ne!(step.then, Then::GoOn);
                prop_assert_eq!(step.progress, None);
            }
        }
    }
}
