//! What is on its way to an owner that may be slower than the API: one answer at a time, a snapshot or changes, so that no
//! flood of them fills the owner's mailbox.
//!
//! ```text
//!   push(answer) ──▶ delivered ──── acknowledge ───▶ free again
//!                        │ push(changes), again and again: what is held is brought up to date
//!                        ▼
//!                      held ─────── acknowledge ───▶ delivered
//! ```
//!
//! Whatever comes after an answer that is held is held with it: the order of events means something. Reports stand in no
//! order, and there are no more of them than requests.
//!
//! Changes are numbered from the last snapshot on, so that the owner knows when it has missed some.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::watch::discovery::{Event, Listening};

/// Which of the changes since the last snapshot this is, if it is one.
pub type Number = u64;

/// Between the thread of a discovery and its owner.
#[derive(Debug, Default)]
pub struct Outbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Whether an answer was delivered that is not acknowledged yet.
    unread: bool,
    held: Option<Held>,
    /// How many changes were delivered after the last snapshot.
    number: Number,
}

#[derive(Debug)]
struct Held {
    answer: Event,
    /// Whether a watch was opened since the answer that was delivered: no other event says so.
    watching: bool,
    /// The last event after all that: an error, or that nothing has changed.
    then: Option<Event>,
}

impl Held {
    fn hold(mut self, event: Event) -> Self {
        match (&mut self.answer, event) {
            (Event::Snapshot(held), Event::Changed(changes)) => held.update(&changes),
            (Event::Changed(held), Event::Changed(changes)) => held.update(&changes),
            (held, event @ Event::Snapshot(_)) => *held = event,
            (_, Event::Watching) => self.watching = true,
            (_, event) => {
                self.then = Some(event);
                return self;
            }
        }
        self.then = None;
        self
    }
}

impl State {
    fn deliver<T>(&mut self, event: &Event, deliver: impl FnOnce(&Event, Number) -> T) -> T {
        match event {
            Event::Snapshot(_) => self.number = 0,
            Event::Changed(_) => self.number += 1,
            _ => {}
        }
        deliver(event, self.number)
    }
}

impl Outbox {
    /// Delivers an event, or holds it. Whether anybody still listens, as far as one can know.
    pub fn push(&self, event: Event, deliver: impl FnOnce(&Event, Number) -> Listening) -> Listening {
        let mut state = self.lock();
        let answers = matches!(event, Event::Snapshot(_) | Event::Changed(_));
        if matches!(event, Event::Report(_)) {
            return state.deliver(&event, deliver);
        }
        if let Some(held) = state.held.take() {
            state.held = Some(held.hold(event));
        } else if answers && state.unread {
            state.held = Some(Held {
                answer: event,
                watching: false,
                then: None,
            });
        } else {
            state.unread |= answers;
            return state.deliver(&event, deliver);
        }
        true
    }

    /// The answer that was delivered has been acted on: delivers what was held meanwhile.
    pub fn acknowledge(&self, mut deliver: impl FnMut(&Event, Number)) {
        let mut state = self.lock();
        let held = state.held.take();
        state.unread = held.is_some();
        if let Some(held) = held {
            state.deliver(&held.answer, &mut deliver);
            if held.watching {
                state.deliver(&Event::Watching, &mut deliver);
            }
            if let Some(event) = held.then {
                state.deliver(&event, deliver);
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
    use crate::names::snapshot::{Changes, Snapshot};
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
            Event::Changed(changes) => format!("{} {}", changes.news.resource_version, changes.gone.join(",")),
            Event::Watching => "watching".to_owned(),
            Event::Error(_) => "error".to_owned(),
            Event::Unchanged => "unchanged".to_owned(),
            Event::Report(_) => "report".to_owned(),
        }
    }

    fn numbered(event: &Event, number: Number) -> String {
        match event {
            Event::Changed(_) => format!("{number}: {}", word(event)),
            _ => word(event),
        }
    }

    /// Somebody of this number is ready, and somebody of that one is gone.
    fn changed(ready: usize, gone: usize) -> Event {
        Event::Changed(Changes {
            gone: vec![gone.to_string()],
            news: Snapshot {
                ready: vec![ready.to_string()],
                resource_version: ready.to_string(),
                ..Snapshot::default()
            },
            size: ready,
        })
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
        let listening = outbox.push(event, |event, number| {
            delivered.push(numbered(event, number));
            true
        });
        assert!(listening);
        delivered
    }

    fn acknowledge(outbox: &Outbox) -> Vec<String> {
        let mut delivered = Vec::new();
        outbox.acknowledge(|event, number| delivered.push(numbered(event, number)));
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
    fn that_a_watch_is_open_is_told_whatever_comes_after_it() {
        for (after, delivered) in [
            (snapshot("3"), &["3", "watching"][..]),
            (changed(4, 9), &["4", "watching"]),
            (Event::Unchanged, &["2", "watching", "unchanged"]),
            (error(), &["2", "watching", "error"]),
            (Event::Watching, &["2", "watching"]),
        ] {
            let outbox = Outbox::default();
            push(&outbox, snapshot("1"));
            for event in [snapshot("2"), error(), Event::Watching, after] {
                assert!(push(&outbox, event).is_empty());
            }
            assert_eq!(acknowledge(&outbox), delivered);
            acknowledge(&outbox);
            push(&outbox, snapshot("5"));
            push(&outbox, snapshot("6"));
            assert_eq!(acknowledge(&outbox), ["6"], "once");
        }
    }

    #[test]
    fn changes_are_numbered_from_the_last_snapshot_on() {
        let outbox = Outbox::default();
        push(&outbox, snapshot("1"));
        acknowledge(&outbox);
        for (number, delivered) in [(2, "1: 2 9"), (3, "2: 3 9")] {
            assert_eq!(push(&outbox, changed(number, 9)), [delivered]);
            assert_eq!(push(&outbox, Event::Unchanged), ["unchanged"]);
            assert!(acknowledge(&outbox).is_empty());
        }
        assert_eq!(push(&outbox, snapshot("4")), ["4"]);
        acknowledge(&outbox);
        assert_eq!(push(&outbox, changed(5, 9)), ["1: 5 9"]);
    }

    #[test]
    fn a_slow_owner_gets_all_changes_in_one() {
        let outbox = Outbox::default();
        push(&outbox, snapshot("1"));
        for number in 2..10 {
            assert!(push(&outbox, changed(number, number - 1)).is_empty());
            assert!(push(&outbox, error()).is_empty());
        }
        // The first of them was in no answer that the owner has.
        assert_eq!(acknowledge(&outbox), ["1: 9 1,2,3,4,5,6,7,8", "error"]);
        push(&outbox, changed(1, 9));
        push(&outbox, changed(2, 3));
        assert_eq!(acknowledge(&outbox), ["2: 2 3,9"]);
    }

    #[test]
    fn a_snapshot_that_is_held_is_brought_up_to_date() {
        let outbox = Outbox::default();
        push(&outbox, snapshot("1"));
        push(&outbox, changed(5, 9));
        push(&outbox, snapshot("2"));
        push(&outbox, changed(6, 5));
        let mut delivered = Vec::new();
        outbox.acknowledge(|event, _| match event {
            Event::Snapshot(snapshot) => delivered.push(snapshot.clone()),
            other => panic!("{other:?}"),
        });
        assert_eq!(
            (&delivered[0].ready[..], &delivered[0].resource_version[..]),
            (&["6".to_owned()][..], "6")
        );
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
        assert!(!outbox.push(Event::Watching, |_, _| false));
    }
}
