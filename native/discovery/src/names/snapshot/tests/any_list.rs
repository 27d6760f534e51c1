//! Whatever a list says, its names are those of the reference.

use super::{Options, reference, snapshot};
use crate::config::{Basename, IpFamily, Mode, Names, Source};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A field that is absent, null or has a value.
type Field = Option<Value>;

fn object(fields: Vec<(&str, Field)>) -> Value {
    let fields = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn field(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Field> {
    prop_oneof![1 => Just(None), 1 => Just(Some(Value::Null)), 6 => value.prop_map(Some)]
}

/// Three items at most: what can go wrong between two can go wrong between three.
fn array(item: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    proptest::collection::vec(item, 0..=3).prop_map(Value::Array)
}

/// Few addresses, so that some are the same; some that do not parse; anything at all.
fn ip() -> impl Strategy<Value = Value> {
    const KNOWN: &[&str] = &[
        "10.0.0.1",
        "10.0.0.2",
        "fd00::1",
        "fd00::2",
        "::ffff:10.0.0.1",
        "010.0.0.1",
        "10.0.0.1 ",
        "1.2.3",
        "",
        "fe80::1%eth0",
        "[::1]",
    ];
    prop_oneof![8 => prop::sample::select(KNOWN).prop_map(Value::from), 1 => any_text()]
}

fn name() -> impl Strategy<Value = Value> {
    const KNOWN: &[&str] = &[
        "web-0", "web-1", "prod", "-a", "a-", "A", "a.b", "a@b", "ä", "", "a\n", "'", "\0",
    ];
    prop_oneof![
        8 => prop::sample::select(KNOWN).prop_map(Value::from),
        1 => "[a-z0-9]{62,64}".prop_map(Value::from),
        1 => any_text(),
    ]
}

fn any_text() -> impl Strategy<Value = Value> {
    any::<String>().prop_map(Value::from)
}

/// What the server writes beside the fields that are read.
fn other() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any_text()
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            proptest::collection::btree_map("f:[a-z]{1,4}|ip|items|kind|status", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn address() -> impl Strategy<Value = Value> {
    let target = (field(name()), other())
        .prop_map(|(namespace, other)| object(vec![("namespace", namespace), ("uid", Some(other))]));
    (field(ip()), field(name()), field(target), other()).prop_map(|(ip, hostname, target, other)| {
        object(vec![
            ("ip", ip),
            ("hostname", hostname),
            ("targetRef", target),
            ("nodeName", Some(other)),
        ])
    })
}

fn endpoints() -> impl Strategy<Value = Value> {
    let subset = (field(array(address())), field(array(address())), other()).prop_map(|(ready, not_ready, other)| {
        object(vec![
            ("addresses", ready),
            ("notReadyAddresses", not_ready),
            ("ports", Some(other)),
        ])
    });
    (field(name()), field(array(subset)), other()).prop_map(|(namespace, subsets, other)| {
        let metadata = object(vec![("managedFields", Some(other)), ("namespace", namespace)]);
        object(vec![("metadata", Some(metadata)), ("subsets", subsets)])
    })
}

fn pod() -> impl Strategy<Value = Value> {
    let words = |words: &'static [&'static str]| prop::sample::select(words).prop_map(Value::from);
    let pod_ip = field(ip()).prop_map(|ip| object(vec![("ip", ip)]));
    let condition = (
        field(words(&["Ready", "Initialized", "ready"])),
        field(words(&["True", "False", "Unknown"])),
        other(),
    )
        .prop_map(|(kind, status, other)| object(vec![("message", Some(other)), ("type", kind), ("status", status)]));
    let status = (
        field(words(&["Running", "Pending", "Succeeded", "Failed", "Unknown"])),
        field(ip()),
        field(array(pod_ip)),
        field(array(condition)),
        other(),
    )
        .prop_map(|(phase, ip, ips, conditions, other)| {
            object(vec![
                ("phase", phase),
                ("podIP", ip),
                ("podIPs", ips),
                ("conditions", conditions),
                ("hostIPs", Some(other)),
            ])
        });
    let spec = (field(name()), other())
        .prop_map(|(hostname, other)| object(vec![("containers", Some(other)), ("hostname", hostname)]));
    let deleted =
        prop_oneof![2 => Just(None), 1 => Just(Some(json!("2026-08-04T13:00:31Z"))), 1 => Just(Some(Value::Null))];
    let labels =
        prop::option::of(words(&["web", "Shop_1", "a.b", "", "ä", "a@b"])).prop_map(|app| object(vec![("app", app)]));
    (field(name()), deleted, field(labels), field(spec), field(status)).prop_map(
        |(namespace, deleted, labels, spec, status)| {
            let metadata = object(vec![
                ("namespace", namespace),
                ("deletionTimestamp", deleted),
                ("labels", labels),
            ]);
            object(vec![("metadata", Some(metadata)), ("spec", spec), ("status", status)])
        },
    )
}

fn options() -> impl Strategy<Value = Options> {
    let mode = prop_oneof![
        Just(Mode::Ip),
        Just(Mode::Dns),
        Just(Mode::Hostname {
            service: "headless".to_owned()
        })
    ];
    let family = prop_oneof![Just(None), Just(Some(IpFamily::V4)), Just(Some(IpFamily::V6))];
    let domain = prop_oneof![4 => Just("cluster.local".to_owned()), 1 => Just("d".repeat(220))];
    let basename = prop_oneof![
        Just(Basename::Fixed("app".to_owned())),
        Just(Basename::Label("app".to_owned()))
    ];
    (basename, mode, family, domain, any::<bool>()).prop_map(|(basename, mode, family, domain, include_not_ready)| {
        Options {
            names: Names { basename, mode, domain },
            family,
            include_not_ready,
        }
    })
}

fn list_of(kind: &'static str, item: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    (field(array(item)), other()).prop_map(move |(items, other)| {
        let items = items.unwrap_or(Value::Null);
        json!({"apiVersion": other, "items": items, "kind": kind, "metadata": {"resourceVersion": "1", "selfLink": other}})
    })
}

/// The same JSON with each character of each string as an escape.
fn escaped(value: &Value) -> String {
    let text = |text: &str| {
        let escapes: Vec<_> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        format!("\"{}\"", escapes.concat())
    };
    match value {
        Value::String(string) => text(string),
        Value::Array(items) => format!("[{}]", items.iter().map(escaped).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| format!("{} : {}", text(key), escaped(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join("\n,"))
        }
        other => other.to_string(),
    }
}

fn check(body: &str, source: Source, list: &Value, options: &Options) -> Result<(), TestCaseError> {
    let snapshot = snapshot(body, source, options);
    let (names, dropped) = reference::found(list, options);
    for (ours, theirs) in [&snapshot.ready, &snapshot.not_ready, &snapshot.draining]
        .into_iter()
        .zip(names)
    {
        // Sorted and without duplicates.
        prop_assert_eq!(ours, &theirs.into_iter().collect::<Vec<_>>());
        for name in ours {
            prop_assert!(name.len() <= 255);
            let (basename, host) = name.split_once('@').unwrap();
            prop_assert!(["app", "web", "Shop_1"].contains(&basename), "{}", name);
            prop_assert!(
                host.bytes()
                    .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b':')),
                "{}",
                name
            );
        }
    }
    prop_assert_eq!(snapshot.dropped.iter().map(|it| it.count).sum::<usize>(), dropped);
    for dropped in &snapshot.dropped {
        prop_assert!(!dropped.example.contains(char::is_control));
    }
    Ok(())
}

proptest! {
    #[test]
    fn endpoints_give_the_names_of_the_reference(list in list_of("EndpointsList", endpoints()), options in options()) {
        for body in [list.to_string(), escaped(&list)] {
            check(&body, Source::Endpoints, &list, &options)?;
        }
    }

    #[test]
    fn pods_give_the_names_of_the_reference(list in list_of("PodList", pod()), options in options()) {
        for body in [list.to_string(), escaped(&list)] {
            check(&body, Source::Pods, &list, &options)?;
        }
    }
}
