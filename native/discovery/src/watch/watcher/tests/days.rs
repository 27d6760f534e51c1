//! A day with a server that does one thing again and again, on a clock that only the machine looks at.

use super::*;
use crate::watch::backoff::Backoff;

const DAY: Duration = Duration::from_hours(24);
const TICK: Duration = Duration::from_secs(5);

/// A server, as the machine sees it: what it answers to a watch, and what its streams are like.
struct Server {
    opened: fn() -> Input,
    /// What an open stream tells, with the time after which it comes; the last ends it.
    stream: Vec<(Duration, Makes)>,
    list: fn() -> Input,
}

/// What the machine did.
#[derive(Default)]
struct Did {
    lists: Vec<Duration>,
    watches: Vec<Duration>,
    errors: Vec<Duration>,
    snapshots: usize,
    /// When it was first polling.
    polling: Option<Duration>,
}

impl Did {
    /// The longest time after `from` between two of these.
    fn longest_gap(times: &[Duration], from: Duration) -> Duration {
        let times: Vec<_> = times.iter().filter(|time| **time >= from).collect();
        times
            .windows(2)
            .map(|pair| pair[1].checked_sub(*pair[0]).unwrap())
            .max()
            .unwrap()
    }
}

impl Server {
    fn with_streams(stream: &[(Duration, Makes)]) -> Self {
        Self {
            opened,
            stream: stream.to_vec(),
            list: || page(&["a", "b"], "10", None),
        }
    }

    /// Serves one that pauses as the thread does, and ticks while it polls.
    fn serve(&self, time: Duration) -> Did {
        let mut watcher = watcher();
        let mut backoff = Backoff::default();
        let start = Instant::now();
        let mut now = start;
        let mut told = self.stream.iter();
        let mut did = Did::default();
        while now < start + time {
            let input = match watcher.request() {
                Request::List(_) => {
                    did.lists.push(now - start);
                    (self.list)()
                }
                Request::Watch(_) => {
                    did.watches.push(now - start);
                    told = self.stream.iter();
                    (self.opened)()
                }
                Request::Read => {
                    let (after, what) = told.next().unwrap();
                    let patience = watcher.patience(now);
                    now += patience.min(*after);
                    if *after > patience { Input::Silent } else { what() }
                }
                Request::Rest => {
                    did.polling.get_or_insert(now - start);
                    now += TICK;
                    Input::RefreshWanted
                }
            };
            let step = watcher.step(input, now);
            let kind = step.failure.map(|failure| failure.kind);
            match step.tell {
                Some(Tell::Error(_)) => did.errors.push(now - start),
                Some(Tell::News) => did.snapshots += 1,
                _ => {}
            }
            if step.progress {
                backoff.reset();
            }
            now += match step.then {
                Then::GoOn => Duration::ZERO,
                Then::Pause => backoff.interrupted(),
                Then::BackOff => backoff.failed(kind, now),
            };
        }
        did
    }
}

const AT_ONCE: Duration = Duration::ZERO;

/// The third pause is the first that may end after five seconds, and the fifth always does.
const POLLS_BY: Duration = Duration::from_secs(12);

#[test]
fn streams_of_no_use_are_polled_instead_after_a_few_seconds() {
    let useless: [fn() -> Input; 9] = [
        || Input::Ended,
        broken,
        garbage,
        || error_frame(500),
        || error_frame(429),
        || error_frame(403),
        || error_frame(410),
        || bookmark("9"),
        || Input::Silent,
    ];
    for end in useless {
        let did = Server::with_streams(&[(AT_ONCE, end)]).serve(DAY);
        let what = format!("{:?}", end());
        let polling = did.polling.unwrap_or_else(|| panic!("{what}: never polls"));
        assert!(
            polling >= BEAR_WITHOUT_WATCH && polling <= POLLS_BY,
            "{what}: {polling:?}"
        );
        assert!(Did::longest_gap(&did.lists, polling) <= TICK, "{what}");
        assert!((4..1_500).contains(&did.watches.len()), "{what}: {}", did.watches.len());
        let later = did.errors.iter().filter(|at| **at > polling).count();
        assert_eq!(later, 0, "{what}: the warning has said it");
        assert_eq!(did.snapshots, 2, "{what}: the first, and the one with the warning");
    }
}

#[test]
fn watches_that_do_not_open_are_polled_instead_too() {
    let useless: [fn() -> Input; 7] = [
        || not_opened(401),
        || not_opened(410),
        || not_opened(429),
        || not_opened(500),
        || not_opened(503),
        || Input::Opened(Err(error(Kind::Connect))),
        || Input::Opened(Err(error(Kind::Malformed))),
    ];
    for opened in useless {
        let server = Server {
            opened,
            ..Server::with_streams(&[])
        };
        let did = server.serve(DAY);
        let what = format!("{:?}", opened());
        let polling = did.polling.unwrap_or_else(|| panic!("{what}: never polls"));
        assert!(
            polling >= BEAR_WITHOUT_WATCH && polling <= POLLS_BY,
            "{what}: {polling:?}"
        );
        assert!(Did::longest_gap(&did.lists, polling) <= TICK, "{what}");
        assert_eq!(did.snapshots, 2, "{what}: the first, and the one with the warning");
    }
}

/// Whatever ends the streams, and however they go: what they have told is compared with a list once an hour.
#[test]
fn a_list_comes_once_an_hour_at_any_exit_and_no_more() {
    let minute = Duration::from_mins(1);
    let useful: [&[(Duration, Makes)]; 5] = [
        &[(minute / 2, || bookmark("10")), (minute / 2, || Input::Ended)],
        &[(minute / 2, || bookmark("10")), (minute / 2, || error_frame(500))],
        &[(minute / 2, || bookmark("10")), (minute / 2, broken)],
        &[(minute / 2, || bookmark("10")), (minute * 3 / 2, || Input::Silent)],
        &[(AT_ONCE, || bookmark("10")), (AT_ONCE, || error_frame(500))],
    ];
    for stream in useful {
        let did = Server::with_streams(stream).serve(DAY);
        assert!((23..=24).contains(&did.lists.len()), "{}", did.lists.len());
        let longest = Did::longest_gap(&did.lists, Duration::ZERO);
        assert!(longest < RELIST_AFTER + minute * 3, "{longest:?}");
        assert!(did.polling.is_none() && did.errors.is_empty());
        assert_eq!(did.snapshots, 1);
    }
}

/// Such is one whose etcd was restored from a backup: its versions are behind, and it waits for them without a word. What is in
/// between may cut the streams, or hold them open.
#[test]
fn streams_that_tell_nothing_are_listed_after_each_silence_however_they_end() {
    let (silence, longest_pause) = (Duration::from_secs(90), Duration::from_secs(4));
    for seconds in [31, 45, 60, 89, 90, 3_600] {
        for end in [broken, || Input::Ended, || error_frame(500)] {
            let what = format!("{:?} after {seconds} s", end());
            let did = Server::with_streams(&[(Duration::from_secs(seconds), end)]).serve(DAY);
            let longest = Did::longest_gap(&did.lists, Duration::ZERO);
            assert!(longest < silence + longest_pause, "{what}: {longest:?}");
            assert!(did.lists.len() < 1_000, "{what}: {}", did.lists.len());
            assert!(
                did.polling.is_none() && did.errors.is_empty(),
                "{what}: {:?}",
                did.errors
            );
        }
    }
}

#[test]
fn streams_that_tell_something_before_they_are_lost_are_listed_ever_more_rarely() {
    for lost in [|| error_frame(410), garbage, || bookmark("9")] {
        let did = Server::with_streams(&[(AT_ONCE, || bookmark("10")), (AT_ONCE, lost)]).serve(DAY);
        assert!(did.polling.is_none());
        // A mean pause of 15 seconds.
        assert!((5_000..8_000).contains(&did.lists.len()), "{}", did.lists.len());
    }
}

/// What works is used.
#[test]
fn where_only_lists_fail_the_streams_go_on() {
    let start = Instant::now();
    let mut watcher = watcher();
    watcher.step(page(&["a", "b"], "10", None), start);
    let stream = |watcher: &mut Watcher<'_>, end| {
        assert_eq!(watcher.request(), Request::Watch("10"));
        assert_eq!(watcher.step(opened(), end), watches());
        assert_eq!(watcher.step(bookmark("10"), end).tell, None);
        watcher.step(broken(), end);
    };
    let hour = start + RELIST_AFTER;
    stream(&mut watcher, hour);
    for minute in 0..60 {
        let now = hour + Duration::from_mins(minute);
        assert_eq!(watcher.request(), Request::List(Position::Present));
        assert_eq!(
            told(watcher.step(not_listed(with_status(500)), now)),
            failed(with_status(500))
        );
        stream(&mut watcher, now);
    }
}
