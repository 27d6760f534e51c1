//! What an open stream tells.

use super::*;

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
    assert_eq!(watcher.request(), Request::Watch("99"));
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
        assert_eq!(watcher.feed(older()), quiet(Then::BackOff));
        assert_eq!(watcher.request(), Request::List(Position::Present));
        assert_eq!(watcher.ready(), ["a", "b"]);
    }
    // Where versions are numbers, all are.
    for strange in ["a version", "-1", "", "18446744073709551616"] {
        assert_eq!(watching().feed(bookmark(strange)), quiet(Then::BackOff), "{strange}");
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
    watcher.feed(opened());
    for version in ["version y", "version x"] {
        assert_eq!(watcher.feed(bookmark(version)), heard());
    }
    watcher.feed(Input::Ended);
    assert_eq!(watcher.request(), Request::Watch("version x"));
}

#[test]
fn a_clean_end_goes_on_from_the_last_version() {
    let mut watcher = hearing();
    watcher.feed(upsert("c", "c", "12"));
    watcher.feed(Input::Ended);
    assert_eq!(watcher.request(), Request::Watch("12"));
    assert_eq!(watcher.ready(), ["a", "b", "c"]);
    watcher.feed(opened());
    watcher.feed(Input::Ended);
    assert_eq!(watcher.request(), Request::Watch("12"));
}

#[test]
fn events_without_names_are_not_collected_without_end() {
    let mut watcher = hearing();
    for number in 0..19_998 {
        watcher.feed(upsert_entry(&format!("nameless-{number}"), Entry::default(), "12"));
    }
    assert_eq!(watcher.request(), Request::Read);
    let step = watcher.feed(upsert("c", "c", "13"));
    assert!(matches!(&step.tell, Some(Tell::Error(error)) if error.kind == Kind::TooLarge));
}

#[test]
fn an_event_with_too_many_names_is_told_changes_nothing_and_is_listed_anew() {
    let mut watcher = hearing();
    let step = watcher.feed(upsert_entry("crowd", crowd(20_000), "12"));
    assert!(matches!(&step.tell, Some(Tell::Error(error)) if error.kind == Kind::TooLarge));
    assert_eq!((step.then, step.progress), (Then::BackOff, false));
    assert_eq!(watcher.request(), Request::List(Position::Present));
    assert_eq!(watcher.ready(), ["a", "b"]);
}

#[test]
fn an_expired_version_is_listed_anew_and_nobody_is_forgotten() {
    let mut as_status = hearing();
    as_status.feed(Input::Ended);
    assert_eq!(as_status.feed(not_opened(410)), quiet(Then::BackOff));
    for mut watcher in [expired(), as_status] {
        assert_eq!(watcher.request(), Request::List(Position::Present));
        assert_eq!(watcher.ready(), ["a", "b"]);
        assert_eq!(watcher.warnings(), 0);
        watcher.feed(page(&["b"], "20", Some("two")));
        assert_eq!(watcher.ready(), ["a", "b"]);
        assert_eq!(watcher.feed(page(&["c"], "20", None)).tell, Some(Tell::News));
        assert_eq!(watcher.ready(), ["b", "c"]);
    }
}

/// Or else a server that forgets each version would be listed as fast as it answers.
#[test]
fn a_list_that_a_stream_has_cost_is_no_progress_until_one_has_worked() {
    let start = Instant::now();
    let mut watcher = listed();
    for lost in [|| error_frame(410), garbage, || bookmark("1")] {
        watcher.step(opened(), start);
        watcher.step(bookmark("50"), start);
        watcher.step(lost(), start);
        assert!(!watcher.step(page(&["a"], "50", None), start).progress);
    }
    watcher.step(opened(), start);
    assert!(watcher.step(bookmark("51"), start + WORKING).progress);
    watcher.step(Input::Ended, start + RELIST_AFTER);
    assert!(watcher.step(page(&["a"], "60", None), start + RELIST_AFTER).progress);
}

#[test]
fn only_a_stream_that_is_open_for_a_while_is_progress() {
    let start = Instant::now();
    let mut watcher = listed();
    watcher.step(opened(), start);
    let early = start + WORKING.checked_sub(Duration::from_millis(1)).unwrap();
    assert!(!watcher.step(bookmark("11"), early).progress);
    assert!(watcher.step(bookmark("12"), start + WORKING).progress);
    assert!(watcher.step(Input::Ended, start + WORKING).progress);
    // One that ends young is not opened again at once, whatever it told.
    watcher.step(opened(), start + WORKING);
    watcher.step(bookmark("13"), start + WORKING);
    assert_eq!(told(watcher.step(Input::Ended, start + WORKING)), quiet(Then::Pause));
}
