//! Watching that is refused, or of no use.

use super::*;

#[test]
fn a_watch_that_is_refused_is_listed_anew_and_becomes_polling_with_a_warning() {
    for code in [400, 403, 404, 405, 406, 501] {
        let mut watcher = listed();
        assert_eq!(
            watcher.feed(not_opened(code)),
            heard(),
            "neither an error nor a confirmation"
        );
        assert_eq!(watcher.request(), Request::List(Position::Present));
        assert_eq!(watcher.ready(), ["a", "b"]);
        assert_eq!(watcher.feed(page(&["a"], "20", None)), completed());
        assert_eq!(watcher.request(), Request::Rest);
        let snapshot = watcher.snapshot();
        assert_eq!((snapshot.ready.len(), &*snapshot.resource_version), (1, "20"));
        let [warning] = &snapshot.warnings[..] else {
            panic!("{:?}", snapshot.warnings);
        };
        for part in [
            "cannot watch",
            &code.to_string(),
            "Until then it polls every polling_interval",
        ] {
            assert!(warning.contains(part), "{warning}");
        }
    }
}

#[test]
fn when_the_list_is_refused_too_it_is_not_watching_that_was() {
    let mut watcher = listed();
    watcher.feed(not_opened(403));
    assert_eq!(watcher.feed(not_listed(with_status(403))), failed(with_status(403)));
    assert_eq!(watcher.warnings(), 0);
    assert_eq!(watcher.ready(), ["a", "b"]);
    assert_eq!(watcher.request(), Request::Watch("10"), "tried again");
    watcher.feed(error_frame(410));
    watcher.feed(not_opened(410));
    assert_eq!(
        watcher.feed(page(&["a", "b"], "20", None)).tell,
        Some(Tell::Unchanged),
        "nobody was told of a refusal"
    );
}

/// What was said of it must be unsaid, too.
#[test]
fn a_warning_is_news_when_it_comes_and_when_it_goes_though_the_list_is_the_same() {
    let mut watcher = listed();
    watcher.feed(not_opened(403));
    assert_eq!(watcher.feed(page(&["a", "b"], "20", None)), completed());
    watcher.feed(Input::RefreshWanted);
    assert_eq!(watcher.feed(page(&["a", "b"], "21", None)), confirmed());
    watcher.feed(Input::RefreshWanted);
    watcher.feed(not_listed(with_status(403)));
    watcher.feed(not_opened(410));
    assert_eq!(watcher.feed(page(&["a", "b"], "22", None)).tell, Some(Tell::News));
    assert_eq!(watcher.warnings(), 0);
}

#[test]
fn each_new_reason_is_news() {
    let start = Instant::now();
    let mut watcher = listed();
    let mut now = start;
    for (code, tell) in [(403, Tell::News), (403, Tell::Unchanged), (501, Tell::News)] {
        watcher.step(not_opened(code), now);
        now += watcher.config.watch_retry;
        assert_eq!(watcher.step(page(&["a", "b"], "20", None), now).tell, Some(tell));
    }
}

#[test]
fn refusals_are_tried_again_ever_more_rarely() {
    let mut watcher = listed();
    let retry = watcher.config.watch_retry;
    let mut now = Instant::now();
    // Each time for twice as long, up to the whole time, and with one warning.
    for part in [32, 16, 8, 4, 2, 1, 1] {
        assert_eq!(told(watcher.step(not_opened(403), now)), heard());
        let wait = retry / part;
        for now in [now, now + wait.checked_sub(Duration::from_millis(1)).unwrap()] {
            watcher.step(page(&["a"], "20", None), now);
            assert_eq!((watcher.request(), watcher.warnings()), (Request::Rest, 1));
            watcher.step(Input::RefreshWanted, now);
        }
        now += wait;
        watcher.step(page(&["a"], "20", None), now);
        assert_eq!((watcher.request(), watcher.warnings()), (Request::Watch("20"), 1));
    }
    // Granted.
    let step = watcher.step(opened(), now);
    assert_eq!((step.tell, step.watching), (Some(Tell::News), true));
    assert_eq!(watcher.warnings(), 0);
    // And what was refused once does not count any more.
    watcher.step(bookmark("21"), now);
    watcher.step(Input::Ended, now);
    watcher.step(not_opened(403), now);
    watcher.step(page(&["a"], "22", None), now + retry / 32);
    assert_eq!(watcher.request(), Request::Watch("22"));
}

#[test]
fn streams_of_no_use_are_tried_again_ever_more_rarely_too() {
    let start = Instant::now();
    let mut watcher = watcher();
    watcher.step(page(&["a"], "10", None), start);
    let retry = watcher.config.watch_retry;
    watcher.step(opened(), start);
    watcher.step(Input::Ended, start);
    let mut now = start + BEAR_WITHOUT_WATCH;
    for part in [32, 16, 8, 4, 2, 1, 1] {
        watcher.step(opened(), now);
        assert_eq!(told(watcher.step(Input::Ended, now)), heard());
        assert!(watcher.snapshot().warnings[0].contains("tell nothing"));
        let wait = retry / part;
        let early = now + wait.checked_sub(Duration::from_millis(1)).unwrap();
        watcher.step(page(&["a"], "20", None), early);
        assert_eq!(watcher.request(), Request::Rest);
        now += wait;
        watcher.step(Input::RefreshWanted, now);
        watcher.step(page(&["a"], "20", None), now);
        assert_eq!(watcher.request(), Request::Watch("20"));
    }
    // It opened each time; now it tells something.
    assert_eq!(watcher.step(opened(), now), heard());
    assert_eq!(watcher.warnings(), 1);
    let step = watcher.step(bookmark("21"), now);
    assert_eq!((step.tell, step.watching), (Some(Tell::News), true));
    assert_eq!(watcher.warnings(), 0);
}
