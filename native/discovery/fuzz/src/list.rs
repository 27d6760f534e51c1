//! A list: complete, or an error.

use discovery::fuzzing::Offline;
use discovery::{Config, Event, Snapshot};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::input;
use super::printed::{TOKEN, check_error, check_snapshot};
use super::protobuf;
use super::reference::Model;

pub fn check(data: &[u8]) {
    let (options, rest) = input::split(data);
    let config = input::config(&options);
    let mut offline = Offline::new(&config, &TOKEN);
    let mut model = Some(Model::default());
    for body in pages(rest) {
        match offline.page(body) {
            Some(Event::Error(error)) => {
                check_error(&error);
                assert!(offline.is_listing());
                assert_eq!(offline.snapshot(), Snapshot::default(), "a part of a list counts");
                return;
            }
            told => {
                assert_whole(body, &config);
                model = model.zip(read(body, &config)).map(|(mut model, list)| {
                    assert!(list.is_object() && (list["items"].is_array() || list["items"].is_null()));
                    model.list(&list["items"]);
                    model
                });
                if let Some(Event::Snapshot(snapshot)) = told {
                    check_snapshot(&snapshot, &config);
                    if let Some(model) = model {
                        model.check(&snapshot, &config);
                    }
                    assert!(!offline.is_listing());
                    return;
                }
            }
        }
    }
    assert_eq!(offline.snapshot(), Snapshot::default(), "a part of a list counts");
}

/// The answer as JSON. What is not read of it may be what `Value` refuses, such as a number that no float can hold.
fn read(body: &[u8], config: &Config) -> Option<Value> {
    if is_protobuf(body) {
        let list = protobuf::list(body, config.source);
        assert!(list.is_some(), "this is no protobuf");
        list
    } else {
        serde_json::from_slice(body).ok()
    }
}

fn is_protobuf(body: &[u8]) -> bool {
    body.starts_with(b"k8s\0")
}

/// Of an answer that counts, no beginning may count as another.
fn assert_whole(body: &[u8], config: &Config) {
    let page = |body: &[u8]| {
        let mut offline = Offline::new(config, &TOKEN);
        match offline.page(body) {
            Some(Event::Error(_)) => None,
            _ => Some(offline.snapshot()),
        }
    };
    let end = if is_protobuf(body) {
        body.len() - 1
    } else {
        assert!(
            serde_json::from_slice::<IgnoredAny>(body).is_ok(),
            "more or less than one value"
        );
        body.iter().rposition(|byte| *byte == b'}').unwrap_or_default()
    };
    for cut in [0, end / 3, end / 2, end] {
        // Protobuf may have something behind its object, JSON has not.
        let allowed = if is_protobuf(body) { page(body) } else { None };
        let found = page(&body[..cut]);
        assert!(found.is_none() || found == allowed, "cut at {cut}");
    }
}

fn pages(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    const BETWEEN: &[u8] = b"\n---\n";
    let mut rest = Some(data);
    std::iter::from_fn(move || {
        let data = rest?;
        let end = data.windows(BETWEEN.len()).position(|it| it == BETWEEN);
        rest = end.map(|end| &data[end + BETWEEN.len()..]);
        Some(&data[..end.unwrap_or(data.len())])
    })
}
