//! The growing pause after failures: exponential, with full jitter, from 0.5 s to 4 s.
//! <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
/// Whatever failed, and however long: when it is repaired, the cluster is right within five seconds. A server that
/// wants to be left alone for longer says so (`Retry-After`).
pub const LONGEST: Duration = Duration::from_secs(4);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Only progress resets: a completed list, not one that began.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The pause after one more failure: at random up to a limit that doubles each time, and is [`LONGEST`] at last.
    pub fn pause(&mut self) -> Duration {
        let limit = self.limit();
        self.failures = self.failures.saturating_add(1);
        random_up_to(limit)
    }

    fn limit(&self) -> Duration {
        FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST)
    }
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

    #[test]
    fn repeated_failures_wait_longer_and_longer() {
        let mut backoff = Backoff::default();
        let limits: Vec<_> = (0..6)
            .map(|_| {
                let limit = backoff.limit();
                assert!(backoff.pause() <= limit);
                limit.as_millis()
            })
            .collect();
        assert_eq!(limits, [500, 1000, 2000, 4000, 4000, 4000]);
        backoff.reset();
        assert_eq!(backoff.limit(), FIRST);
    }

    #[test]
    fn pauses_differ() {
        let pauses: std::collections::HashSet<_> = (0..100).map(|_| random_up_to(LONGEST)).collect();
        assert!(pauses.len() > 90);
    }
}
