//! Objects in protobuf, from their JSON: what is not in the schema is left out.

use serde_json::Value;

/// The type of a field: a string, a flag, or a message with these.
enum Type {
    Text,
    Flag,
    Message(Schema),
    /// A map of strings.
    Map,
    /// A time, of which only the presence counts.
    Time,
}
use Type::{Flag, Map, Message, Text, Time};

type Schema = &'static [(&'static str, u32, Type)];

const META: Schema = &[
    ("name", 1, Text),
    ("namespace", 3, Text),
    ("uid", 5, Text),
    ("resourceVersion", 6, Text),
    ("creationTimestamp", 8, Time),
    ("deletionTimestamp", 9, Time),
    ("labels", 11, Map),
    ("labels", 11, Map),
    ("annotations", 12, Map),
];
const REFERENCE: Schema = &[("kind", 1, Text), ("namespace", 2, Text), ("name", 3, Text)];
const ADDRESS: Schema = &[
    ("ip", 1, Text),
    ("targetRef", 2, Message(REFERENCE)),
    ("hostname", 3, Text),
    ("nodeName", 4, Text),
];
const SUBSET: Schema = &[
    ("addresses", 1, Message(ADDRESS)),
    ("notReadyAddresses", 2, Message(ADDRESS)),
];
const ENDPOINTS: Schema = &[("metadata", 1, Message(META)), ("subsets", 2, Message(SUBSET))];
const CONDITIONS: Schema = &[("ready", 1, Flag), ("serving", 2, Flag), ("terminating", 3, Flag)];
const ENDPOINT: Schema = &[
    ("addresses", 1, Text),
    ("conditions", 2, Message(CONDITIONS)),
    ("hostname", 3, Text),
    ("targetRef", 4, Message(REFERENCE)),
    ("nodeName", 6, Text),
];
const SLICE: Schema = &[
    ("metadata", 1, Message(META)),
    ("endpoints", 2, Message(ENDPOINT)),
    ("addressType", 4, Text),
];
const CONDITION: Schema = &[("type", 1, Text), ("status", 2, Text), ("reason", 5, Text)];
const SPEC: Schema = &[("nodeName", 10, Text), ("hostname", 16, Text), ("subdomain", 17, Text)];
const STATUS: Schema = &[
    ("phase", 1, Text),
    ("conditions", 2, Message(CONDITION)),
    ("hostIP", 5, Text),
    ("podIP", 6, Text),
    ("podIPs", 12, Message(&[("ip", 1, Text)])),
];
const POD: Schema = &[
    ("metadata", 1, Message(META)),
    ("spec", 2, Message(SPEC)),
    ("status", 3, Message(STATUS)),
];
const LIST_META: Schema = &[("resourceVersion", 2, Text), ("continue", 3, Text)];

/// A list as the server sends it.
pub(crate) fn list(json: &Value) -> Vec<u8> {
    let schema: Schema = match json["kind"].as_str().unwrap() {
        "EndpointsList" => &[("metadata", 1, Message(LIST_META)), ("items", 2, Message(ENDPOINTS))],
        "EndpointSliceList" => &[("metadata", 1, Message(LIST_META)), ("items", 2, Message(SLICE))],
        "PodList" => &[("metadata", 1, Message(LIST_META)), ("items", 2, Message(POD))],
        other => panic!("{other}"),
    };
    answer(json["kind"].as_str().unwrap(), &message(json, schema))
}

/// An event of a watch of pods, without its length.
pub(crate) fn pod_event(kind: &str, pod: &Value) -> Vec<u8> {
    event(kind, &answer("Pod", &message(pod, POD)))
}

/// An event of a watch, without its length.
pub(crate) fn event(kind: &str, object: &[u8]) -> Vec<u8> {
    [text(1, kind), bytes(2, &bytes(1, object))].concat()
}

/// An object with its envelope and the magic number.
pub(crate) fn answer(kind: &str, object: &[u8]) -> Vec<u8> {
    [
        b"k8s\0",
        &bytes(1, &[text(1, "v1"), text(2, kind)].concat())[..],
        &bytes(2, object),
        &text(4, ""),
    ]
    .concat()
}

fn message(json: &Value, schema: Schema) -> Vec<u8> {
    let fields = schema.iter().flat_map(|(name, number, kind)| {
        let values = match &json[*name] {
            Value::Null => &[],
            Value::Array(values) => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        values.iter().flat_map(|value| field(value, *number, kind))
    });
    fields.collect()
}

fn field(value: &Value, field: u32, kind: &Type) -> Vec<u8> {
    match kind {
        Text => text(field, value.as_str().unwrap()),
        Flag => number(field, value.as_bool().unwrap().into()),
        Message(schema) => bytes(field, &message(value, schema)),
        Map => {
            let entries = value.as_object().unwrap().iter();
            entries
                .flat_map(|(key, value)| bytes(field, &[text(1, key), text(2, value.as_str().unwrap())].concat()))
                .collect()
        }
        Time => bytes(field, &number(1, 1_600_000_000)),
    }
}

pub(crate) fn text(field: u32, text: &str) -> Vec<u8> {
    bytes(field, text.as_bytes())
}

pub(crate) fn bytes(field: u32, content: &[u8]) -> Vec<u8> {
    let mut encoded = varint(u64::from(field) << 3 | 2);
    encoded.extend(varint(content.len() as u64));
    encoded.extend(content);
    encoded
}

pub(crate) fn number(field: u32, number: u64) -> Vec<u8> {
    let mut encoded = varint(u64::from(field) << 3);
    encoded.extend(varint(number));
    encoded
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut encoded = Vec::new();
    while number >= 0x80 {
        encoded.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    encoded.push(number.to_le_bytes()[0]);
    encoded
}
