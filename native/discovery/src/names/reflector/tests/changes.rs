//! Whatever happens: an owner who applies what it is told knows what a list of the same objects says.

use super::*;
use crate::config::IpFamily;
use crate::names::longname::Unnameable;
use proptest::prelude::*;

/// What can happen to a few objects, by number.
#[derive(Debug, Clone)]
enum Happening {
    List(Vec<(u8, Entry)>),
    Upsert(u8, Entry),
    Delete(u8),
    /// The owner is told, and may be too slow for it.
    Tell {
        held: bool,
    },
}

/// Some of few names, so that several objects give one.
fn any_entry() -> impl Strategy<Value = Entry> {
    let standing = prop::sample::select(vec![Standing::Ready, Standing::NotReady, Standing::Draining]);
    let named = (0_u8..8, standing).prop_map(|(name, standing)| Named {
        name: format!("app@{name}"),
        standing,
    });
    let family = prop::sample::select(vec![None, Some(IpFamily::V4), Some(IpFamily::V6)]);
    let rollout = prop::sample::select(vec![None, Some("a".to_owned()), Some("b".to_owned())]);
    let reason = prop::sample::select(vec![Unnameable::Family, Unnameable::Address]);
    let dropped = (reason, 1_usize..3).prop_map(|(reason, count)| Dropped {
        reason,
        count,
        example: String::new(),
    });
    let truncated = prop::option::weighted(0.2, Just("over capacity".to_owned()));
    let named = prop::collection::vec(named, 0..5);
    let dropped = prop::option::weighted(0.3, dropped);
    (named, dropped, family, rollout, truncated).prop_map(|(named, dropped, family, rollout, truncated)| Entry {
        named,
        dropped: dropped.into_iter().collect(),
        family,
        rollout,
        truncated,
    })
}

fn happening() -> impl Strategy<Value = Happening> {
    let object = || (0_u8..6, any_entry());
    prop_oneof![
        1 => prop::collection::vec(object(), 0..6).prop_map(Happening::List),
        6 => object().prop_map(|(key, entry)| Happening::Upsert(key, entry)),
        3 => (0_u8..6).prop_map(Happening::Delete),
        4 => any::<bool>().prop_map(|held| Happening::Tell { held }),
    ]
}

fn configs() -> impl Strategy<Value = Config> {
    let rollout = Rollout {
        label: "hash".to_owned(),
        node: "app@1".to_owned(),
    };
    prop_oneof![
        Just(testing::config(Source::Pods)),
        Just(testing::config(Source::EndpointSlices)),
        Just(Config {
            rollout: Some(rollout),
            ..testing::config(Source::Pods)
        }),
    ]
}

fn fresh(objects: &BTreeMap<String, Entry>, config: &Config) -> Snapshot {
    let mut reflector = Reflector::new(config);
    reflector.replace(objects.clone()).unwrap();
    reflector.snapshot()
}

proptest! {
    #[test]
    fn what_is_told_comes_to_what_is_known(
        happenings in prop::collection::vec(happening(), 0..60), config in configs(),
    ) {
        let mut reflector = Reflector::new(&config);
        let News::Snapshot(mut owner) = reflector.tell() else { panic!("changes of nothing") };
        let mut held: Option<Changes> = None;
        for happening in happenings {
            let before = reflector.snapshot();
            let news = match happening {
                Happening::List(objects) => {
                    let objects = objects.into_iter().map(|(key, entry)| (key.to_string(), entry));
                    reflector.replace(objects).unwrap()
                }
                Happening::Upsert(key, entry) => reflector.upsert(&key.to_string(), entry).unwrap(),
                Happening::Delete(key) => reflector.delete(&key.to_string()),
                Happening::Tell { held: hold } => {
                    let News::Changes(changes) = reflector.tell() else { panic!("everything again") };
                    match &mut held {
                        Some(held) => held.update(&changes),
                        None => held = Some(changes),
                    }
                    if !hold && let Some(changes) = held.take() {
                        owner.update(&changes);
                        prop_assert_eq!(&owner, &reflector.snapshot());
                        let size = owner.ready.len() + owner.not_ready.len() + owner.draining.len();
                        prop_assert_eq!(size, changes.size);
                    }
                    continue;
                }
            };
            let now = reflector.snapshot();
            prop_assert_eq!(&now, &fresh(reflector.objects(), &config));
            prop_assert!(news || now == before);
        }
    }

    /// The changes name nobody who has not changed.
    #[test]
    fn nobody_is_named_without_need(before in any_entry(), after in any_entry()) {
        let mut reflector = reflector();
        reflector.upsert("a", before).unwrap();
        reflector.tell();
        let known = reflector.snapshot();
        reflector.upsert("a", after).unwrap();
        let News::Changes(changes) = reflector.tell() else { panic!("everything again") };
        for name in &changes.gone {
            prop_assert!(known.names(name));
        }
        let lists = [
            (&changes.news.ready, known.ready),
            (&changes.news.not_ready, known.not_ready),
            (&changes.news.draining, known.draining),
        ];
        for (news, known) in lists {
            prop_assert!(news.iter().all(|name| !known.contains(name)));
        }
    }
}
