//! Protobuf as JSON: a second reading of it, from tables instead of types.

use discovery::Source;
use serde_json::{Map, Value, json};

enum Type {
    Text,
    Flag,
    /// Whatever it is: only that it is there counts.
    Any,
    Message(Table),
    Repeated(&'static Type),
}
use Type::{Any, Flag, Message, Repeated, Text};

/// Numbers, names and types of fields.
type Table = &'static [(u64, &'static str, Type)];

const META: Type = Message(&[
    (1, "name", Text),
    (3, "namespace", Text),
    (6, "resourceVersion", Text),
    (9, "deletionTimestamp", Any),
]);
const REFERENCE: Type = Message(&[(2, "namespace", Text)]);
const ADDRESSES: Type = Repeated(&Message(&[
    (1, "ip", Text),
    (2, "targetRef", REFERENCE),
    (3, "hostname", Text),
]));
const SUBSETS: Type = Repeated(&Message(&[
    (1, "addresses", ADDRESSES),
    (2, "notReadyAddresses", ADDRESSES),
]));
const ENDPOINTS: Type = Message(&[(1, "metadata", META), (2, "subsets", SUBSETS)]);

const ENDPOINT: Type = Message(&[
    (1, "addresses", Repeated(&Text)),
    (
        2,
        "conditions",
        Message(&[(1, "ready", Flag), (3, "terminating", Flag)]),
    ),
    (3, "hostname", Text),
    (4, "targetRef", REFERENCE),
]);
const SLICE: Type = Message(&[
    (1, "metadata", META),
    (2, "endpoints", Repeated(&ENDPOINT)),
    (4, "addressType", Text),
]);

const POD_STATUS: Type = Message(&[
    (1, "phase", Text),
    (
        2,
        "conditions",
        Repeated(&Message(&[(1, "type", Text), (2, "status", Text)])),
    ),
    (6, "podIP", Text),
    (12, "podIPs", Repeated(&Message(&[(1, "ip", Text)]))),
]);
const SPEC: Type = Message(&[(16, "hostname", Text)]);
const POD: Type = Message(&[(1, "metadata", META), (2, "spec", SPEC), (3, "status", POD_STATUS)]);

const GONE: Type = Message(&[(1, "metadata", META)]);

const EVENT: Table = &[(1, "type", Text), (2, "object", Message(&[(1, "raw", Any)]))];

/// A list as it would be in JSON, without its kind.
pub(crate) fn list(body: &[u8], source: Source) -> Option<Value> {
    let items: Type = match source {
        Source::Endpoints => Repeated(&ENDPOINTS),
        Source::EndpointSlices => Repeated(&SLICE),
        Source::Pods => Repeated(&POD),
    };
    Some(json!({"items": read(&fields(unwrap(body)?)?, 2, &items)?}))
}

/// An event of a watch as it would be in JSON. Of what is gone, only the metadata is.
pub(crate) fn event(piece: &[u8], source: Source) -> Option<Value> {
    let mut event = message(piece, EVENT)?;
    let object = match source {
        _ if event["type"] != "ADDED" && event["type"] != "MODIFIED" => GONE,
        Source::Endpoints => ENDPOINTS,
        Source::EndpointSlices => SLICE,
        Source::Pods => POD,
    };
    let extension = last_bytes(&fields(piece)?, 2)?;
    let raw = unwrap(last_bytes(&fields(extension)?, 1)?)?;
    event["object"] = read(&[(1, Content::Bytes(raw))], 1, &object)?;
    Some(event)
}

/// The object in an answer: behind the magic number, in an envelope.
fn unwrap(answer: &[u8]) -> Option<&[u8]> {
    let envelope = fields(answer.strip_prefix(b"k8s\0")?)?;
    Some(last_bytes(&envelope, 2).unwrap_or_default())
}

fn message(bytes: &[u8], table: Table) -> Option<Value> {
    let fields = fields(bytes)?;
    let mut object = Map::new();
    for (number, name, kind) in table {
        object.insert((*name).to_owned(), read(&fields, *number, kind)?);
    }
    Some(Value::Object(object))
}

/// The value of a field; `null` where there is none.
fn read(fields: &[(u64, Content<'_>)], number: u64, kind: &Type) -> Option<Value> {
    let mut found = fields
        .iter()
        .filter(|field| field.0 == number)
        .map(|field| field.1)
        .peekable();
    if found.peek().is_none() {
        return Some(Value::Null);
    }
    Some(match kind {
        Any => json!("here"),
        Flag => match found.last()? {
            Content::Number(number) => json!(number != 0),
            _ => return None,
        },
        Text => match std::str::from_utf8(found.last()?.bytes()?).ok()? {
            "" => Value::Null,
            text => json!(text),
        },
        // What comes in two parts is one message.
        Message(table) => message(&found.map(Content::bytes).collect::<Option<Vec<_>>>()?.concat(), table)?,
        Repeated(one) => {
            let values: Option<Vec<_>> = found.map(|content| read(&[(number, content)], number, one)).collect();
            // Empty strings are none.
            Value::Array(values?.into_iter().filter(|value| !value.is_null()).collect())
        }
    })
}

#[derive(Clone, Copy)]
enum Content<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

impl<'a> Content<'a> {
    fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

fn last_bytes<'a>(fields: &[(u64, Content<'a>)], number: u64) -> Option<&'a [u8]> {
    fields.iter().rfind(|field| field.0 == number)?.1.bytes()
}

fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Content<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let content = match tag % 8 {
            0 => Content::Number(varint(&mut bytes)?),
            1 => bytes.split_off(..8).map(|_| Content::Fixed)?,
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                Content::Bytes(bytes.split_off(..length)?)
            }
            5 => bytes.split_off(..4).map(|_| Content::Fixed)?,
            _ => return None,
        };
        found.push((tag / 8, content));
    }
    Some(found)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number: u64 = 0;
    for shift in (0..70).step_by(7) {
        let byte = *bytes.split_off_first()?;
        number |= u64::from(byte % 128).checked_shl(shift).unwrap_or_default();
        if byte < 128 {
            return Some(number);
        }
    }
    None
}
