//! A random walk beside a model of what must be known.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What can happen, with objects as small numbers.
#[derive(Debug, Clone)]
enum Happening {
    Page(Vec<u8>, bool),
    NotListed(Option<u16>),
    Opened(Option<u16>),
    Upsert(u8, u8),
    Delete(u8),
    Bookmark,
    Backwards,
    ErrorFrame(u16),
    Garbage,
    Ended,
    Broken,
    Silent,
    Tick,
    TimePasses(Duration),
}

fn happening() -> impl Strategy<Value = Happening> {
    let code = prop::sample::select(vec![400, 401, 403, 404, 410, 429, 500, 501, 503, 504]);
    let times = [BEAR_WITHOUT_WATCH, WORKING, Duration::from_mins(1), RELIST_AFTER];
    prop_oneof![
        6 => (prop::collection::vec(0_u8..6, 0..6), prop::bool::weighted(0.3))
            .prop_map(|(objects, more)| Happening::Page(objects, more)),
        2 => prop::option::of(code.clone()).prop_map(Happening::NotListed),
        6 => Just(Happening::Opened(None)),
        2 => code.clone().prop_map(|code| Happening::Opened(Some(code))),
        6 => (0_u8..6, 0_u8..3).prop_map(|(key, value)| Happening::Upsert(key, value)),
        3 => (0_u8..6).prop_map(Happening::Delete),
        1 => Just(Happening::Bookmark),
        1 => Just(Happening::Backwards),
        1 => code.prop_map(Happening::ErrorFrame),
        1 => Just(Happening::Garbage),
        1 => Just(Happening::Ended),
        1 => Just(Happening::Broken),
        1 => Just(Happening::Silent),
        4 => Just(Happening::Tick),
        2 => prop::sample::select(times.to_vec()).prop_map(Happening::TimePasses),
    ]
}

#[derive(Debug, PartialEq)]
enum Told {
    Nothing,
    Change,
    /// Which may come with news of a refusal.
    Confirmation,
}

/// What must be known: by key, changed by nothing but a last page and a frame.
#[derive(Default)]
struct Model {
    known: BTreeMap<u8, u8>,
    collected: BTreeMap<u8, u8>,
    version: String,
    /// What comes after the version is lost: it is to be listed before anything is watched.
    lost: bool,
}

impl Model {
    fn names(&self) -> Vec<String> {
        let names = self.known.iter().map(|(key, value)| format!("{key}-{value}"));
        names.collect()
    }

    /// What is to be told of the snapshot.
    fn apply(&mut self, request: Request<'_>, happening: &Happening, version: &str) -> Told {
        let (before, first) = (self.known.clone(), self.version.is_empty());
        match (request, happening) {
            (Request::List(position), Happening::Page(objects, more)) => {
                if !matches!(position, Position::Page(_)) {
                    self.collected.clear();
                }
                self.collected.extend(objects.iter().map(|object| (*object, 0)));
                if *more {
                    return Told::Nothing;
                }
                self.known.clone_from(&self.collected);
                self.lost = false;
                version.clone_into(&mut self.version);
                return if first || self.known != before {
                    Told::Change
                } else {
                    Told::Confirmation
                };
            }
            (Request::Read, Happening::Upsert(key, value)) => {
                self.known.insert(*key, *value);
            }
            (Request::Read, Happening::Delete(key)) => {
                self.known.remove(key);
            }
            (Request::Read, Happening::Bookmark) => {}
            (Request::Read, Happening::Backwards | Happening::Garbage | Happening::ErrorFrame(410))
            | (Request::Watch(_), Happening::Opened(Some(410))) => {
                self.lost = true;
                return Told::Nothing;
            }
            _ => return Told::Nothing,
        }
        version.clone_into(&mut self.version);
        if self.known == before {
            Told::Nothing
        } else {
            Told::Change
        }
    }
}

fn input(happening: &Happening, version: &str) -> Input {
    match happening {
        Happening::Page(objects, more) => {
            let objects = objects
                .iter()
                .map(|object| (object.to_string(), entry(&format!("{object}-0"))));
            page_of(objects, version, more.then_some("more"))
        }
        Happening::NotListed(None) => not_listed(error(Kind::Timeout)),
        Happening::NotListed(Some(code)) => not_listed(with_status(*code)),
        Happening::Opened(None) => opened(),
        Happening::Opened(Some(code)) => not_opened(*code),
        Happening::Upsert(key, value) => upsert(&key.to_string(), &format!("{key}-{value}"), version),
        Happening::Delete(key) => delete(&key.to_string(), version),
        Happening::Bookmark => bookmark(version),
        Happening::Backwards => bookmark("0"),
        Happening::ErrorFrame(code) => error_frame(*code),
        Happening::Garbage => garbage(),
        Happening::Ended => Input::Ended,
        Happening::Broken => broken(),
        Happening::Silent => Input::Silent,
        Happening::Tick | Happening::TimePasses(_) => Input::RefreshWanted,
    }
}

proptest! {
    /// Whatever happens: only a complete list and a frame change what is known, all of that is told at once, and
    /// a watch goes on exactly where they ended, unless something is lost. An owner who is told all of it knows all.
    #[test]
    fn only_complete_lists_and_frames_change_the_snapshot(happenings in prop::collection::vec(happening(), 0..80)) {
        let mut watcher = watcher();
        let mut model = Model::default();
        let mut now = Instant::now();
        let mut warnings = Vec::new();
        let News::Snapshot(mut owner) = watcher.tell() else { panic!("changes of nothing") };
        // Lower than any version is 0.
        for (number, happening) in (1..).zip(&happenings) {
            if let Happening::TimePasses(time) = happening {
                now += *time;
                continue;
            }
            let version = i32::to_string(&number);
            let told = model.apply(watcher.request(), happening, &version);
            let step = watcher.step(input(happening, &version), now);
            prop_assert_eq!(watcher.ready(), model.names());
            match step.tell {
                Some(Tell::News) => {
                    let News::Changes(changes) = watcher.tell() else { panic!("everything again") };
                    owner.update(&changes);
                    prop_assert_eq!(&owner, &watcher.snapshot());
                    let news = owner.warnings.clone();
                    prop_assert!(told == Told::Change || news != warnings, "{:?}", told);
                    warnings = news;
                }
                Some(Tell::Unchanged) => prop_assert_eq!(told, Told::Confirmation),
                _ => prop_assert_eq!(told, Told::Nothing),
            }
            match watcher.request() {
                Request::Watch(version) => {
                    prop_assert_eq!(version, &model.version);
                    prop_assert!(!model.lost);
                }
                Request::Read | Request::Rest => {
                    prop_assert_eq!(watcher.snapshot().resource_version, model.version.clone());
                    prop_assert!(!model.lost);
                }
                Request::List(_) => {}
            }
            prop_assert!(!step.watching || watcher.request() == Request::Read);
            if matches!(step.tell, Some(Tell::Error(_))) {
                prop_assert_ne!(step.then, Then::GoOn);
                prop_assert!(!step.progress || step.then == Then::BackOff);
            }
        }
    }
}
