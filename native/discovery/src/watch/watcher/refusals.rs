//! Watching that is not possible: why, until when it is not tried again, and whether the owner has been told.
//! A server that has just started refuses for a moment what it allows once it has read its roles: each wait is longer.

use std::time::{Duration, Instant};

use crate::error::sentences;

/// The first refusal counts for this part of the longest wait.
const FIRST: u32 = 32;

/// The refusal in force, if any.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    refused: Option<Refused>,
    /// What the owner was last told.
    told: Option<String>,
}

#[derive(Debug)]
struct Refused {
    warning: String,
    until: Instant,
    wait: Duration,
}

impl Refusals {
    /// Polls for a while.
    pub(super) fn add(&mut self, why: &str, longest: Duration, now: Instant) {
        let wait = match &self.refused {
            None => longest / FIRST,
            Some(refused) => (refused.wait * 2).min(longest),
        };
        self.refused = Some(Refused {
            warning: sentences(why, "Until then it polls every polling_interval"),
            until: now + wait,
            wait,
        });
    }

    /// None is in force any more, and the next is a first one.
    pub(super) fn clear(&mut self) {
        self.refused = None;
    }

    pub(super) fn warning(&self) -> Option<&String> {
        self.refused.as_ref().map(|refused| &refused.warning)
    }

    /// Whether a watch may be tried.
    pub(super) fn are_over(&self, now: Instant) -> bool {
        self.refused.as_ref().is_none_or(|refused| refused.until <= now)
    }

    /// Whether the owner has to hear something else than before; it is taken as told.
    pub(super) fn tell(&mut self) -> bool {
        let news = self.warning() != self.told.as_ref();
        if news {
            self.told = self.warning().cloned();
        }
        news
    }
}
