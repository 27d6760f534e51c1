//! The one exit from a stream, as a table.

use super::*;
use crate::watch::report::{Ended, Ending};
use std::iter;

/// How the stream was when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Was {
    /// None at all: a watch was asked for and not opened.
    NotOpen,
    /// Open for a moment, without a word.
    Mute,
    /// Open for a moment, and it told something.
    Heard,
    /// Open for long, without a word.
    OldMute,
    /// Open for long, and it told something.
    OldHeard,
    /// Open for long, the last of some that told nothing for a whole silence.
    Unheard,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Resume,
    List,
    /// A list, and no watch after it.
    Poll,
}

use Next::{List, Poll, Resume};
use Was::{Heard, Mute, NotOpen, OldHeard, OldMute, Unheard};

type Row = (Next, Told, Then);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Error,
}

const POLLED: Row = (Poll, Told::Nothing, Then::GoOn);

/// What happens to the stream, how it was, and what follows: when streams were useful lately, and when none has been for some
/// seconds in which a list has worked. An hour after the last list, a list takes the place of each `Resume`.
#[rustfmt::skip]
fn table() -> Vec<(Makes, Was, Row, Row)> {
    use Then::{BackOff, GoOn, Pause};
    use Told::{Error, Nothing};
    let mut rows: Vec<(Makes, Was, Row, Row)> = vec![
        // Its time is over.
        (|| Input::Ended, Mute,     (Resume, Nothing, BackOff), POLLED),
        (|| Input::Ended, Heard,    (Resume, Nothing, Pause),   (Resume, Nothing, Pause)),
        (|| Input::Ended, OldMute,  (Resume, Nothing, GoOn),    (Resume, Nothing, GoOn)),
        (|| Input::Ended, OldHeard, (Resume, Nothing, GoOn),    (Resume, Nothing, GoOn)),
        (|| Input::Ended, Unheard,  (List, Nothing, GoOn),      (List, Nothing, GoOn)),
        // Silent.
        (|| Input::Silent, Mute,     (List, Nothing, BackOff),  POLLED),
        (|| Input::Silent, Heard,    (Resume, Nothing, Pause),  (Resume, Nothing, Pause)),
        (|| Input::Silent, OldMute,  (List, Nothing, Pause),    (List, Nothing, Pause)),
        (|| Input::Silent, OldHeard, (Resume, Nothing, Pause),  (Resume, Nothing, Pause)),
        (|| Input::Silent, Unheard,  (List, Nothing, Pause),    (List, Nothing, Pause)),
    ];
    // Broken, or ended by the server for a reason that is no matter of its history.
    let failures: [fn() -> Input; 7] = [
        broken, || error_frame(500), || error_frame(429), || error_frame(403), || error_frame(504), || error_frame(401),
        || error_frame(0),
    ];
    rows.extend(failures.into_iter().flat_map(|failure| [
        (failure, Mute,     (Resume, Error, BackOff),   POLLED),
        (failure, Heard,    (Resume, Nothing, Pause),   (Resume, Nothing, Pause)),
        (failure, OldMute,  (Resume, Nothing, Pause),   (Resume, Nothing, Pause)),
        (failure, OldHeard, (Resume, Nothing, Pause),   (Resume, Nothing, Pause)),
        (failure, Unheard,  (List, Nothing, Pause),     (List, Nothing, Pause)),
    ]));
    // Its history is not what it was: that is no failure.
    let histories: [fn() -> Input; 4] = [
        || error_frame(410), || bookmark("9"), || upsert("c", "c", "9"), || delete("a", "9"),
    ];
    rows.extend(histories.into_iter().flat_map(|history| [
        (history, Mute,     (List, Nothing, BackOff),   POLLED),
        (history, Heard,    (List, Nothing, BackOff),   (List, Nothing, BackOff)),
        (history, OldMute,  (List, Nothing, BackOff),   (List, Nothing, BackOff)),
        (history, OldHeard, (List, Nothing, BackOff),   (List, Nothing, BackOff)),
    ]));
    // An event may be lost.
    let losses: [fn() -> Input; 3] = [
        garbage, || Input::Frame(Err(error(Kind::TooLarge))), || upsert_entry("crowd", crowd(20_000), "12"),
    ];
    rows.extend(losses.into_iter().flat_map(|loss| [
        (loss, Mute,     (List, Error, BackOff),        POLLED),
        (loss, Heard,    (List, Error, BackOff),        (List, Error, BackOff)),
        (loss, OldMute,  (List, Error, BackOff),        (List, Error, BackOff)),
        (loss, OldHeard, (List, Error, BackOff),        (List, Error, BackOff)),
    ]));
    // Not opened, whatever it is.
    let failures: [fn() -> Input; 9] = [
        || not_opened(401), || not_opened(429), || not_opened(500), || not_opened(503), || not_opened(504),
        || Input::Opened(Err(error(Kind::Connect))), || Input::Opened(Err(error(Kind::Tls))),
        || Input::Opened(Err(error(Kind::Timeout))), || Input::Opened(Err(error(Kind::Malformed))),
    ];
    rows.extend(failures.into_iter().map(|failure| (failure, NotOpen, (Resume, Error, BackOff), POLLED)));
    rows.push((|| not_opened(410), NotOpen, (List, Nothing, BackOff), POLLED));
    // Not here, not for you.
    let refusals: [fn() -> Input; 6] = [
        || not_opened(400), || not_opened(403), || not_opened(404), || not_opened(405), || not_opened(406), || not_opened(501),
    ];
    rows.extend(refusals.into_iter().map(|refusal| (refusal, NotOpen, POLLED, POLLED)));
    rows
}

/// One that listed `a` and `b` at version 10 so long before `now`, and whose stream was then like this.
fn before(was: Was, streak: bool, listed: Duration, now: Instant) -> Watcher<'static> {
    let mut watcher = listed_at(now.checked_sub(listed).unwrap());
    if streak {
        watcher.streak.useless_since = Some(now.checked_sub(BEAR_WITHOUT_WATCH).unwrap());
    }
    let age = match was {
        NotOpen => return watcher,
        Mute | Heard => WORKING.checked_sub(Duration::from_millis(1)).unwrap(),
        OldMute | OldHeard | Unheard => WORKING,
    };
    let told = matches!(was, Heard | OldHeard);
    let unheard = if was == Unheard {
        watcher.config.watch_silence
    } else {
        age
    };
    watcher.streak.unheard_since = (!told).then(|| now.checked_sub(unheard).unwrap());
    watcher.state = State::Watching(Stream {
        opened: now.checked_sub(age).unwrap(),
        events: u64::from(told),
    });
    watcher
}

pub(super) fn next(watcher: &mut Watcher<'_>, now: Instant) -> Next {
    match watcher.request() {
        Request::Watch("10") => Resume,
        Request::List(Position::Present) => {
            watcher.step(page(&["a", "b"], "10", None), now);
            match watcher.request() {
                Request::Rest => Poll,
                _ => List,
            }
        }
        other => panic!("{other:?}"),
    }
}

/// Whether or not it is told, a pause depends on it.
fn failure(input: &Input) -> Option<Failure> {
    match input {
        Input::Opened(Err(error)) | Input::Frame(Err(error)) | Input::Broken(error) => Some(error.into()),
        Input::Frame(Ok(Frame::Upsert { key, .. })) if key == "crowd" => Some((&error(Kind::TooLarge)).into()),
        _ => None,
    }
    .filter(|_| !matches!(input, Input::Opened(Err(error)) | Input::Frame(Err(error)) if error.status == Some(410)))
}

#[test]
fn a_stream_that_has_ended_is_said_to_have_ended_as_it_did() {
    let start = Instant::now();
    let end = start + Duration::from_secs(7);
    let useful: [(Makes, Ending); 8] = [
        (|| Input::Ended, Ending::Ended),
        (|| Input::Silent, Ending::Silent),
        (broken, Ending::Broken),
        (garbage, Ending::Failed),
        (|| error_frame(500), Ending::Failed),
        (|| error_frame(410), Ending::Expired),
        (|| bookmark("9"), Ending::Expired),
        (|| upsert_entry("crowd", crowd(20_000), "12"), Ending::Failed),
    ];
    for (input, ending) in useful {
        let mut watcher = listed_at(start);
        watcher.step(opened(), start);
        for _ in 0..3 {
            assert_eq!(watcher.step(bookmark("10"), start).ended, None);
        }
        let ended = Ended {
            duration: Duration::from_secs(7),
            events: 3,
            ending,
        };
        assert_eq!(watcher.step(input(), end).ended, Some(ended));
    }
    for (time, ending) in [(Duration::ZERO, Ending::Useless), (WORKING, Ending::Ended)] {
        let mut watcher = listed_at(start);
        watcher.step(opened(), start);
        let ended = watcher.step(Input::Ended, start + time).ended.unwrap();
        assert_eq!((ended.events, ended.ending), (0, ending));
    }
}

#[test]
fn each_end_of_each_stream_is_followed_by_what_the_table_says() {
    let now = Instant::now() + RELIST_AFTER * 2;
    let short = RELIST_AFTER.checked_sub(Duration::from_millis(1)).unwrap();
    let mut seen = Vec::new();
    for (input, was, useful, useless) in table() {
        let cases = iter::zip([false, true], [useful, useless]);
        let times = [BEAR_WITHOUT_WATCH, short, RELIST_AFTER];
        for ((streak, (expected, told, then)), listed) in cases.flat_map(|case| times.map(|listed| (case, listed))) {
            let case = format!("{:?} of {was:?}, in a streak: {streak}, listed {listed:?} ago", input());
            let expected = match expected {
                Resume if listed == RELIST_AFTER => List,
                // It may be an outage.
                Poll if streak && useful != POLLED && listed > BEAR_WITHOUT_WATCH => List,
                expected => expected,
            };
            let mut watcher = before(was, streak, listed, now);
            let step = watcher.step(input(), now);
            assert_eq!(watcher.ready(), ["a", "b"], "{case}: forgets nobody");
            assert_eq!(step.then, then, "{case}");
            let error = matches!(step.tell, Some(Tell::Error(_)));
            assert_eq!((error, step.tell.is_some()), (told == Told::Error, error), "{case}");
            assert_eq!(step.progress, matches!(was, OldMute | OldHeard | Unheard), "{case}");
            assert!(!step.watching, "{case}");
            assert_eq!(step.ended.is_some(), was != NotOpen, "{case}");
            assert_eq!(step.failure, failure(&input()), "{case}");
            assert_eq!(watcher.warnings(), usize::from(expected == Poll), "{case}");
            assert_eq!(next(&mut watcher, now), expected, "{case}");
            seen.push(expected);
        }
    }
    for next in [Resume, List, Poll] {
        assert!(seen.contains(&next), "{next:?}");
    }
}
