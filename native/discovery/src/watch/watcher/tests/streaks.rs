//! Streams that tell nothing or are useless, one after the other, and what the owner hears of those after them.

use super::exits::Next::{List, Poll, Resume};
use super::exits::next;
use super::*;

/// One alone may have had bad luck, however long it took.
#[test]
fn useless_ones_count_from_the_end_of_the_first() {
    let start = Instant::now();
    let first = start + BEAR_WITHOUT_WATCH;
    let late = first + BEAR_WITHOUT_WATCH;
    let early = late.checked_sub(Duration::from_millis(1)).unwrap();
    for (now, expected) in [(early, Resume), (late, List)] {
        let mut watcher = listed_at(start);
        watcher.step(Input::Opened(Err(error(Kind::Timeout))), first);
        assert_eq!(next(&mut watcher, first), Resume);
        watcher.step(Input::Opened(Err(error(Kind::Timeout))), now);
        assert_eq!(next(&mut watcher, now), expected);

        let mut watcher = listed_at(start);
        watcher.step(opened(), start);
        watcher.step(broken(), first);
        assert_eq!(next(&mut watcher, first), Resume);
        watcher.step(opened(), first);
        watcher.step(broken(), now);
        assert_eq!(next(&mut watcher, now), expected);
    }
}

/// Wherever in its turns of streams and lists an outage ends: a version that has expired meanwhile is no reason to poll.
#[test]
fn one_version_that_has_expired_after_an_outage_costs_a_list_and_no_more() {
    for turns in 1..20 {
        let mut now = Instant::now();
        let mut watcher = listed_at(now);
        for turn in 0.. {
            let input = match watcher.request() {
                Request::Watch(_) if turn >= turns => break,
                Request::Watch(_) => Input::Opened(Err(error(Kind::Connect))),
                _ => not_listed(error(Kind::Connect)),
            };
            now += Duration::from_secs(10);
            watcher.step(input, now);
        }
        now += Duration::from_secs(10);
        watcher.step(not_opened(410), now);
        watcher.step(page(&["a", "b"], "20", None), now);
        assert_eq!(watcher.warnings(), 0, "{turns}");
        assert_eq!(watcher.request(), Request::Watch("20"), "{turns}");
    }
}

#[test]
fn a_stream_that_tells_nothing_has_the_rest_of_the_silence_of_those_before_it() {
    let start = Instant::now();
    let mut watcher = listed_at(start);
    let silence = watcher.config.watch_silence;
    let cut = silence / 3;
    for before in [0, 1] {
        let end = start + cut * (before + 1);
        watcher.step(opened(), start + cut * before);
        watcher.step(broken(), end);
        assert_eq!(watcher.patience(end), cut * (2 - before));
        assert_eq!(watcher.request(), Request::Watch("10"));
    }
    watcher.step(opened(), start + cut * 2);
    let told = watcher.step(bookmark("11"), start + cut * 2);
    assert_eq!(
        (told.tell, watcher.patience(start + silence)),
        (None, silence),
        "whole again"
    );
    watcher.step(broken(), start + silence);
    watcher.step(opened(), start + silence * 2);
    assert_eq!(watcher.patience(start + silence * 2), silence, "a break is no silence");
    watcher.step(broken(), start + silence * 3);
    assert_eq!(watcher.request(), Request::List(Position::Present));
    watcher.step(page(&["a", "b"], "10", None), start + silence * 3);
    assert_eq!(watcher.patience(start + silence * 3), silence, "a list tells, too");
}

#[test]
fn a_useful_stream_ends_a_streak_of_useless_ones() {
    let start = Instant::now();
    let later = start + BEAR_WITHOUT_WATCH / 2;
    let late = start + BEAR_WITHOUT_WATCH;
    for (useful, expected) in [(true, Resume), (false, Poll)] {
        let mut watcher = listed_at(start);
        watcher.step(Input::Opened(Err(error(Kind::Connect))), start);
        watcher.step(opened(), later);
        if useful {
            watcher.step(bookmark("10"), later);
        }
        watcher.step(broken(), later);
        watcher.step(Input::Opened(Err(error(Kind::Connect))), late);
        assert_eq!(next(&mut watcher, late), expected);
    }
}

/// One that polls because a stream opened and was useless, and tries again to watch.
fn doubting() -> Watcher<'static> {
    let start = Instant::now();
    let mut watcher = listed_at(start);
    let useless = start + BEAR_WITHOUT_WATCH;
    watcher.step(opened(), start);
    watcher.step(broken(), start);
    watcher.step(opened(), start);
    watcher.step(broken(), useless);
    assert_eq!(next(&mut watcher, useless), Poll);
    let retry = useless + watcher.config.watch_retry;
    watcher.step(Input::RefreshWanted, retry);
    watcher.step(page(&["a", "b"], "10", None), retry);
    assert_eq!(watcher.request(), Request::Watch("10"));
    watcher
}

#[test]
fn a_stream_after_useless_ones_is_told_when_it_has_told_something() {
    let mut watcher = doubting();
    assert!(!watcher.feed(opened()).watching, "it is to prove itself first");
    assert!(watcher.feed(bookmark("11")).watching);
    assert_eq!(watcher.feed(bookmark("12")), heard(), "once");
    watcher.feed(Input::Ended);
    assert_eq!(watcher.feed(opened()), watches());
}

#[test]
fn a_stream_that_breaks_once_is_told_when_it_is_opened_again() {
    let mut watcher = watching();
    watcher.feed(broken());
    assert_eq!(watcher.feed(opened()), watches());
}

#[test]
fn a_stream_after_failures_to_open_one_is_told_at_once() {
    for failure in [not_opened(503), Input::Opened(Err(error(Kind::Connect)))] {
        let mut watcher = hearing();
        watcher.feed(broken());
        watcher.feed(failure);
        assert_eq!(watcher.feed(opened()), watches());
        assert_eq!(watcher.feed(bookmark("12")), heard(), "once");
    }
}

#[test]
fn a_list_that_fails_too_says_that_it_was_not_the_streams() {
    let mut watcher = doubting();
    watcher.feed(not_opened(403));
    watcher.feed(not_listed(with_status(500)));
    assert!(watcher.feed(opened()).watching);
}

#[test]
fn a_stream_that_is_opened_once_more_need_not_have_told_what_the_one_before_did() {
    let mut watcher = hearing();
    watcher.feed(broken());
    watcher.feed(opened());
    assert_eq!(
        watcher.feed(broken()),
        failed(error(Kind::Connect)),
        "each is heard for itself"
    );
    assert_eq!(watcher.request(), Request::Watch("11"));
}
