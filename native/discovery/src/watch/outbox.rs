//! What is on its way to an owner that may be slower than the API: one snapshot at a time, so that no flood of changes
//! fills the owner's mailbox.
//!
//! ```text
//!   push(snapshot) ──▶ delivered ──── acknowledge ───▶ free again
//!                          │ push(snapshot), again and again: only the latest is kept
//!                          ▼
//!                        held ─────── acknowledge ───▶ delivered
//! ```
//!
//! Whatever comes after a snapshot that is held is held with it: the order of events means something. Reports stand in no
//! order, and there are no more of them than requests.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::names::snapshot::Snapshot;
use crate::watch::discovery::{Event, Listening};

/// Between the thread of a discovery and its owner.
#[derive(Debug, Default)]
pub struct Outbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Whether a snapshot was delivered that is not acknowledged yet.
    unread: bool,
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    snapshot: Snapshot,
    /// The last event after it: an error, or that a watch is open.
    then: Option<Event>,
}

impl Outbox {
    /// Delivers an event, or holds it. Whether anybody still listens, as far as one can know.
    pub fn push(&self, event: Event, deliver: impl FnOnce(&Event) -> Listening) -> Listening {
        if matches!(event, Event::Report(_)) {
            return deliver(&event);
        }
        let mut state = self.lock();
        match (event, state.held.take()) {
            (Event::Snapshot(snapshot), _) if state.unread => state.held = Some(Held { snapshot, then: None }),
            (event, Some(held)) => {
                state.held = Some(Held {
                    then: Some(event),
                    ..held
                });
            }
            (event, None) => {
                state.unread |= matches!(event, Event::Snapshot(_));
                return deliver(&event);
            }
        }
        true
    }

    /// The snapshot that was delivered has been acted on: delivers what was held meanwhile.
    pub fn acknowledge(&self, mut deliver: impl FnMut(&Event)) {
        let mut state = self.lock();
        let held = state.held.take();
        state.unread = held.is_some();
        if let Some(held) = held {
            deliver(&Event::Snapshot(held.snapshot));
            if let Some(event) = held.then {
                deliver(&event);
            }
        }
    }

    // A panic elsewhere leaves this state valid.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Kind};
    use crate::watch::report::Report;
    use std::time::Duration;

    fn snapshot(version: &str) -> Event {
        Event::Snapshot(Snapshot {
            resource_version: version.to_owned(),
            ..Snapshot::default()
        })
    }

    fn error() -> Event {
        Event::Error(Error::new(Kind::Connect, "why"))
    }

    fn word(event: &Event) -> String {
        match event {
            Event::Snapshot(snapshot) => snapshot.resource_version.clone(),
            Event::Watching => "watching".to_owned(),
            Event::Error(_) => "error".to_owned(),
            Event::Unchanged => "unchanged".to_owned(),
            Event::Report(_) => "report".to_owned(),
        }
    }

    fn report() -> Event {
        Event::Report(Report::Listed {
            duration: Duration::ZERO,
            bytes: 0,
            pages: 1,
            failure: None,
            requests: 1,
        })
    }

    /// What is delivered at once.
    fn push(outbox: &Outbox, event: Event) -> Vec<String> {
        let mut delivered = Vec::new();
        let listening = outbox.push(event, |event| {
            delivered.push(word(event));
            true
        });
        assert!(listening);
        delivered
    }

    fn acknowledge(outbox: &Outbox) -> Vec<String> {
        let mut delivered = Vec::new();
        outbox.acknowledge(|event| delivered.push(word(event)));
        delivered
    }

    #[test]
    fn an_owner_that_keeps_up_gets_everything_at_once() {
        let outbox = Outbox::default();
        for version in ["1", "2"] {
            assert_eq!(push(&outbox, snapshot(version)), [version]);
            assert_eq!(push(&outbox, Event::Watching), ["watching"]);
            assert_eq!(push(&outbox, error()), ["error"]);
            assert!(acknowledge(&outbox).is_empty());
        }
    }

    #[test]
    fn a_slow_owner_gets_the_latest_and_what_came_last_after_it() {
        let outbox = Outbox::default();
        push(&outbox, snapshot("1"));
        for version in 2..1_000 {
            assert!(push(&outbox, snapshot(&version.to_string())).is_empty());
            assert!(push(&outbox, error()).is_empty());
        }
        assert!(push(&outbox, Event::Watching).is_empty());
        assert_eq!(acknowledge(&outbox), ["999", "watching"]);
        assert!(push(&outbox, snapshot("1000")).is_empty(), "one is unread again");
        assert_eq!(acknowledge(&outbox), ["1000"]);
        assert!(acknowledge(&outbox).is_empty());
        assert_eq!(push(&outbox, snapshot("1001")), ["1001"]);
    }

    #[test]
    fn a_report_waits_for_nothing_and_keeps_nothing_back() {
        let outbox = Outbox::default();
        push(&outbox, snapshot("1"));
        assert!(push(&outbox, snapshot("2")).is_empty());
        assert!(push(&outbox, Event::Unchanged).is_empty());
        assert_eq!(push(&outbox, report()), ["report"]);
        assert_eq!(acknowledge(&outbox), ["2", "unchanged"]);
    }

    #[test]
    fn what_nobody_hears_is_said() {
        let outbox = Outbox::default();
        assert!(!outbox.push(Event::Watching, |_| false));
    }
}
