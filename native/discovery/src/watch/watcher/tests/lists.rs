//! Lists and polls.

use super::*;

#[test]
fn it_begins_with_a_list_and_an_empty_snapshot() {
    let watcher = watcher();
    assert_eq!(watcher.request(), Request::List(Position::First));
    assert_eq!(watcher.snapshot(), Snapshot::default());
}

#[test]
fn one_of_the_present_asks_no_cache_and_for_one_list() {
    let config = Config {
        cached: true,
        ..testing::config(Source::Endpoints)
    };
    let mut watcher = Watcher::of_the_present(&config);
    assert_eq!(watcher.request(), Request::List(Position::Present));
    watcher.feed(page(&["a"], "10", None));
    assert!(!matches!(watcher.request(), Request::List(_)));
    assert_eq!(watcher.ready(), ["a"]);
}

#[test]
fn pages_are_collected_and_published_with_the_last() {
    let mut watcher = watcher();
    assert_eq!(watcher.feed(page(&["a"], "10", Some("two"))), heard());
    assert_eq!(watcher.request(), Request::List(Position::Page("two")));
    assert!(watcher.ready().is_empty());
    assert_eq!(watcher.feed(page(&["b"], "10", Some("three"))), heard());
    assert_eq!(watcher.request(), Request::List(Position::Page("three")));
    assert!(watcher.ready().is_empty());
    assert_eq!(watcher.feed(page(&["c"], "10", None)), completed());
    assert_eq!(watcher.ready(), ["a", "b", "c"]);
    assert_eq!(watcher.snapshot().resource_version, "10");
    assert_eq!(watcher.request(), Request::Watch("10"));
}

#[test]
fn an_empty_page_is_a_page() {
    let mut watcher = polling();
    watcher.feed(Input::RefreshWanted);
    assert_eq!(watcher.feed(page(&[], "20", Some("two"))), heard());
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
    watcher.feed(page_of([("a".to_owned(), entry("newer"))], "11", None));
    assert_eq!(watcher.ready(), ["newer"]);
    assert_eq!(watcher.request(), Request::Watch("11"));
}

#[test]
fn objects_without_names_do_not_take_each_others_place() {
    let page_of = |names: [Option<&str>; 3], next: Option<&str>| {
        let objects = names.map(|name| (name.map(str::to_owned), Entry::default()));
        Input::Page(Ok(Page {
            objects: objects.into(),
            version: "10".to_owned(),
            next: next.map(str::to_owned),
        }))
    };
    let mut watcher = watcher();
    watcher.feed(page_of([None, Some("/#0"), None], Some("two")));
    watcher.feed(page_of([Some("/#1"), None, Some("/#2")], None));
    assert_eq!(watcher.reflector.objects().len(), 6);
    // No event could ever change them.
    assert_eq!(watcher.request(), Request::Rest);
    watcher.feed(Input::RefreshWanted);
    watcher.feed(page(&["a"], "11", None));
    assert_eq!(watcher.request(), Request::Watch("11"));
}

#[test]
fn a_page_that_fails_is_told_and_the_list_begins_anew() {
    let mut watcher = watcher();
    for error in [error(Kind::Timeout), with_status(403), with_status(429)] {
        assert_eq!(watcher.feed(not_listed(error.clone())), failed(error));
        assert_eq!(watcher.request(), Request::List(Position::First));
    }
}

#[test]
fn a_page_that_fails_in_the_middle_forgets_nothing_and_mixes_nothing_in() {
    let mut watcher = expired();
    watcher.feed(page(&["c"], "20", Some("two")));
    assert_eq!(watcher.ready(), ["a", "b"]);
    // A token that expired is one of these failures: 410 here is told as others are.
    assert_eq!(watcher.feed(not_listed(with_status(410))), failed(with_status(410)));
    assert_eq!(watcher.ready(), ["a", "b"]);
    assert_eq!(
        watcher.request(),
        Request::List(Position::Present),
        "not the page that failed"
    );
    watcher.feed(page(&["d"], "30", None));
    assert_eq!(watcher.ready(), ["d"], "nothing of the list that failed");
}

/// What works is used.
#[test]
fn a_list_that_fails_while_the_version_is_believed_is_followed_by_a_watch() {
    let mut watcher = refused();
    watcher.feed(Input::RefreshWanted);
    assert_eq!(watcher.feed(not_listed(with_status(500))), failed(with_status(500)));
    assert_eq!(watcher.request(), Request::Watch("10"));
    assert_eq!(watcher.warnings(), 0, "it was not watching that failed");
    let step = watcher.feed(opened());
    assert_eq!((step.tell, step.watching), (Some(Tell::News), true));
    assert_eq!(watcher.feed(upsert("c", "c", "12")), published());
    assert_eq!(watcher.ready(), ["a", "b", "c"]);
}

#[test]
fn a_list_of_once_an_hour_that_fails_costs_no_stream() {
    let start = Instant::now();
    let hour = start + RELIST_AFTER;
    let mut watcher = watcher();
    watcher.step(page(&["a"], "10", None), start);
    for page in [None, Some(page(&["b"], "20", Some("two")))] {
        watcher.step(opened(), start);
        watcher.step(bookmark("10"), start);
        watcher.step(Input::Ended, hour);
        assert_eq!(watcher.request(), Request::List(Position::Present));
        page.map(|page| watcher.step(page, hour));
        watcher.step(not_listed(with_status(500)), hour);
        assert_eq!(watcher.request(), Request::Watch("10"));
        assert_eq!(watcher.ready(), ["a"]);
    }
}

#[test]
fn a_list_that_fails_while_the_version_is_not_believed_is_repeated() {
    let mut watcher = expired();
    for _ in 0..3 {
        watcher.feed(not_listed(with_status(500)));
        assert_eq!(watcher.request(), Request::List(Position::Present));
    }
    watcher.feed(page(&["c"], "20", None));
    assert_eq!(watcher.request(), Request::Watch("20"));
}

#[test]
fn a_list_with_too_many_names_is_told_and_the_old_snapshot_stays() {
    let mut watcher = expired();
    let crowd_of = |names, version| page_of([("crowd".to_owned(), crowd(names))], version, None);
    let step = watcher.feed(crowd_of(20_001, "20"));
    assert!(matches!(&step.tell, Some(Tell::Error(error)) if error.kind == Kind::TooLarge));
    assert_eq!((step.then, step.progress), (Then::BackOff, false));
    assert_eq!(watcher.request(), Request::List(Position::Present));
    assert_eq!(watcher.ready(), ["a", "b"]);
    watcher.feed(crowd_of(20_000, "21"));
    assert_eq!(watcher.ready().len(), 20_000);
}

#[test]
fn a_list_without_end_has_one() {
    for (objects, what) in [(1_000, "nodes"), (0, "pages")] {
        let mut watcher = expired();
        let mut pages = 0;
        let error = loop {
            pages += 1;
            // Without names, each counts as one.
            let objects = (0..objects).map(|number| (format!("{pages}-{number}"), Entry::default()));
            if let Some(Tell::Error(error)) = watcher.feed(page_of(objects, "20", Some("more"))).tell {
                break error;
            }
        };
        assert_eq!(error.kind, Kind::TooLarge);
        assert!(error.message.contains(what), "{error}");
        assert_eq!(pages, if objects == 0 { 1_000 } else { 21 });
        assert_eq!(watcher.ready(), ["a", "b"]);
        assert_eq!(watcher.request(), Request::List(Position::Present));
    }
}

#[test]
fn without_watching_it_rests_until_a_tick() {
    let mut watcher = not_to_watch();
    for (version, step) in [("10", completed()), ("11", confirmed())] {
        assert_eq!(watcher.feed(page(&["a"], version, None)), step);
        assert_eq!(watcher.request(), Request::Rest);
        let snapshot = watcher.snapshot();
        assert_eq!((&*snapshot.resource_version, snapshot.warnings.len()), (version, 0));
        assert_eq!(watcher.feed(Input::RefreshWanted), heard());
        assert_eq!(watcher.request(), Request::List(Position::First));
    }
}

#[test]
fn a_poll_that_fails_is_tried_again_as_it_was() {
    let mut watcher = polling();
    watcher.feed(Input::RefreshWanted);
    assert_eq!(watcher.feed(not_listed(with_status(500))), failed(with_status(500)));
    assert_eq!(watcher.request(), Request::List(Position::First));
    assert_eq!(watcher.ready(), ["a", "b"]);
}

/// As where an etcd was restored from a backup.
#[test]
fn a_poll_may_have_a_lower_version_than_the_list_before() {
    let mut watcher = polling();
    watcher.feed(Input::RefreshWanted);
    assert_eq!(watcher.feed(page(&["c"], "9", None)), completed());
    let snapshot = watcher.snapshot();
    assert_eq!((&*snapshot.ready[0], &*snapshot.resource_version), ("c", "9"));
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
        watcher.feed(Input::RefreshWanted);
        assert_eq!(watcher.feed(page(objects, "2", None)), step, "{objects:?}");
    }
}

#[test]
fn a_cache_serves_only_where_no_watch_may_have_told_more() {
    let mut watcher = watcher();
    assert_eq!(watcher.request(), Request::List(Position::First));
    watcher.feed(page(&["a"], "10", None));
    watcher.feed(not_opened(410));
    for _ in 0..2 {
        assert_eq!(watcher.request(), Request::List(Position::Present));
        watcher.feed(not_listed(error(Kind::Timeout)));
    }
}
