//! The growing pause after failures: exponential, with full jitter, from 0.5 s up to a limit.
//! <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
/// For what only a person can repair, such as a missing role.
pub const LONGEST: Duration = Duration::from_secs(30);
/// For a server that is away or unwell: it comes back by itself, and then the cluster is to be right at once.
pub const LONGEST_WHILE_AWAY: Duration = Duration::from_secs(4);

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

    /// The pause after one more failure: at random up to a limit that doubles each time, and is `longest` at last.
    pub fn pause(&mut self, longest: Duration) -> Duration {
        let limit = self.limit(longest);
        self.failures = self.failures.saturating_add(1);
        random_up_to(limit)
    }

    fn limit(&self, longest: Duration) -> Duration {
        FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(longest)
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
        let limits: Vec<_> = (0..9)
            .map(|_| {
                let limit = backoff.limit(LONGEST);
                assert!(backoff.pause(LONGEST) <= limit);
                limit.as_millis()
            })
            .collect();
        assert_eq!(limits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
        backoff.reset();
        assert_eq!(backoff.limit(LONGEST), FIRST);
    }

    #[test]
    fn pauses_differ() {
        let pauses: std::collections::HashSet<_> = (0..100).map(|_| random_up_to(LONGEST)).collect();
        assert!(pauses.len() > 90);
    }
}
