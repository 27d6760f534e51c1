//! The pause after a failure: exponential, with full jitter, from 0.5 s.
//! <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use crate::error::Kind;
use crate::server::status::MAX_RETRY_AFTER;

const FIRST: Duration = Duration::from_millis(500);
/// A failure that was short is over within five seconds of its end.
pub const SHORT: Duration = Duration::from_secs(4);
/// One that lasts is not hammered: the cap is a tenth of the time that it has lasted.
const LONG: Duration = Duration::from_secs(30);
const SHARE: u32 = 10;
/// A refusal is no outage that a fast retry ends sooner, once the server has read its roles.
const REFUSALS_LAST: Duration = Duration::from_mins(1);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    failing_since: Option<Instant>,
}

impl Backoff {
    /// Only progress resets: a stream that has worked for a while, or a completed list that was not what a stream cost.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// The pause after one more failure of this kind.
    pub fn failed(&mut self, kind: Option<Kind>, now: Instant) -> Duration {
        let since = *self.failing_since.get_or_insert(now);
        let lasted = now.saturating_duration_since(since);
        let refused = matches!(kind, Some(Kind::Forbidden | Kind::Unauthorized));
        let cap = match refused {
            true if lasted < REFUSALS_LAST => SHORT,
            true => LONG,
            false => (lasted / SHARE).clamp(SHORT, LONG),
        };
        random_up_to(self.limit(cap))
    }

    /// The pause after a stream that has worked, but ended before its time.
    pub fn interrupted(&mut self) -> Duration {
        self.failing_since = None;
        random_up_to(self.limit(SHORT))
    }

    fn limit(&mut self, cap: Duration) -> Duration {
        let limit = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(cap);
        self.failures = self.failures.saturating_add(1);
        limit
    }
}

/// What the server asked for, and up to half as much more: it has asked others for the same. What would be too long is spread
/// below the maximum instead.
pub fn spread(retry_after: Duration) -> Duration {
    let least = retry_after.min(MAX_RETRY_AFTER * 2 / 3);
    least + random_up_to(least / 2)
}

/// A random duration from zero to `limit`.
pub fn random_up_to(limit: Duration) -> Duration {
    // Every `RandomState` has keys of its own: enough chance to keep nodes out of step, without another crate.
    let random = RandomState::new().hash_one(limit);
    let share = f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX);
    limit.mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The longest of many pauses after so many failures, the last of them this long after the first.
    fn longest(failures: u32, lasted: Duration, kind: Option<Kind>) -> Duration {
        let start = Instant::now();
        let pause = |_| {
            let mut backoff = Backoff {
                failures: failures - 1,
                failing_since: Some(start),
            };
            backoff.failed(kind, start + lasted)
        };
        (0..300).map(pause).max().unwrap_or_default()
    }

    #[track_caller]
    fn assert_about(pause: Duration, limit: Duration) {
        assert!(pause <= limit && pause > limit.mul_f64(0.8), "{pause:?} of {limit:?}");
    }

    #[test]
    fn repeated_failures_wait_longer_and_longer() {
        for (failures, limit) in [(1, 500), (2, 1000), (3, 2000), (4, 4000), (5, 4000), (40, 4000)] {
            assert_about(longest(failures, Duration::ZERO, None), Duration::from_millis(limit));
        }
    }

    #[test]
    fn the_longest_pause_is_a_tenth_of_the_time_that_it_has_lasted() {
        for (lasted, limit) in [(30, 4), (60, 6), (200, 20), (300, 30), (86_400, 30)] {
            let pause = longest(40, Duration::from_secs(lasted), Some(Kind::Connect));
            assert_about(pause, Duration::from_secs(limit));
        }
    }

    #[test]
    fn refusals_wait_for_half_a_minute_from_the_second_minute_on() {
        for kind in [Kind::Forbidden, Kind::Unauthorized] {
            for (lasted, limit) in [(0, 4), (59, 4), (60, 30), (3_600, 30)] {
                let pause = longest(40, Duration::from_secs(lasted), Some(kind));
                assert_about(pause, Duration::from_secs(limit));
            }
        }
    }

    #[test]
    fn nodes_that_were_asked_to_come_back_at_once_do_not_and_none_stays_away_for_too_long() {
        for (asked, least, most) in [(0, 0, 0), (2, 2, 3), (200, 200, 300), (240, 200, 300), (300, 200, 300)] {
            let pauses: Vec<_> = (0..300).map(|_| spread(Duration::from_secs(asked))).collect();
            let (least, most) = (Duration::from_secs(least), Duration::from_secs(most));
            assert!(pauses.iter().all(|pause| (least..=most).contains(pause)), "{asked}");
            let (shortest, longest) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
            let width = longest.saturating_sub(*shortest);
            assert!(width >= most.saturating_sub(least).mul_f64(0.8), "{asked}: {width:?}");
        }
    }

    #[test]
    fn progress_resets_and_a_stream_that_worked_keeps_the_pauses_short() {
        let start = Instant::now();
        let mut backoff = Backoff::default();
        for _ in 0..40 {
            backoff.failed(None, start);
        }
        let hour = start + Duration::from_hours(1);
        let pauses = (0..300).map(|_| backoff.interrupted()).max().unwrap_or_default();
        assert_about(pauses, SHORT);
        assert!((0..300).all(|_| backoff.failed(None, hour) <= SHORT), "failing anew");
        backoff.reset();
        assert!(backoff.failed(None, hour) <= FIRST);
    }
}
