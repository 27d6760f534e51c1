use super::*;
use crate::config::IpFamily;
use crate::error::Kind;
use crate::objects::resource::Resource;
use crate::testing::candidates::candidates_of;
use crate::testing::config;
use serde_json::{Value, json};

mod damaged;
mod protobuf;

const ENDPOINTS: &str = include_str!("../../../tests/fixtures/endpoints.json");
const SLICES: &str = include_str!("../../../tests/fixtures/endpoint_slices.json");
const PODS: &str = include_str!("../../../tests/fixtures/pods.json");

/// What an object says.
#[derive(Debug, PartialEq)]
struct Said {
    candidates: Vec<String>,
    family: Option<IpFamily>,
    truncated: Option<String>,
}

fn said(object: &dyn Resource<'_>) -> Said {
    Said {
        candidates: candidates_of(object, None),
        family: object.family(),
        truncated: object.truncated(),
    }
}

/// Reads a body that is there.
fn parse(body: &[u8], source: Source) -> Result<Page<Said>, Error> {
    let mut buffer = Vec::new();
    let mut window = Window::new(body, &mut buffer);
    let token = Token::new("a-token-that-no-answer-repeats".to_owned());
    read(&mut window, &token, &config(source), &mut said)
}

/// How many candidates a body has as a list of this source.
fn count(body: &[u8], source: Source) -> Result<usize, Error> {
    let page = parse(body, source)?;
    Ok(page.objects.iter().map(|(_, said)| said.candidates.len()).sum())
}

fn endpoints(body: &[u8]) -> Result<usize, Error> {
    count(body, Source::Endpoints)
}

fn pods(body: &[u8]) -> Result<usize, Error> {
    count(body, Source::Pods)
}

/// The fixtures without their white space, as the server sends them.
fn compact(text: &str) -> Vec<u8> {
    let value: Value = serde_json::from_str(text).unwrap();
    value.to_string().into_bytes()
}

#[track_caller]
fn assert_malformed(result: Result<usize, Error>) {
    assert_eq!(result.unwrap_err().kind, Kind::Malformed);
}

#[test]
fn fixtures_are_read_compact_and_indented() {
    assert_eq!(endpoints(ENDPOINTS.as_bytes()).unwrap(), 5);
    assert_eq!(endpoints(&compact(ENDPOINTS)).unwrap(), 5);
    assert_eq!(pods(PODS.as_bytes()).unwrap(), 7);
    assert_eq!(pods(&compact(PODS)).unwrap(), 7);
}

#[test]
fn every_proper_prefix_is_malformed() {
    let (list_of_endpoints, list_of_pods) = (compact(ENDPOINTS), compact(PODS));
    for end in 0..list_of_endpoints.len() {
        assert_malformed(endpoints(&list_of_endpoints[..end]));
    }
    for end in 0..list_of_pods.len() {
        assert_malformed(pods(&list_of_pods[..end]));
    }
}

#[test]
fn what_follows_a_list_is_malformed() {
    for rest in ["x", "{}", ",", "]", "}", "\0"] {
        let body = [&compact(PODS), rest.as_bytes()].concat();
        assert_malformed(pods(&body));
    }
    assert_eq!(pods(&[&compact(PODS), &b" \r\n\t"[..]].concat()).unwrap(), 7);
}

#[test]
fn a_list_of_another_kind_is_malformed() {
    assert_malformed(endpoints(PODS.as_bytes()));
    assert_malformed(pods(ENDPOINTS.as_bytes()));
    for kind in ["Status", "Pod", "podlist", "PodList ", ""] {
        let body = json!({"kind": kind, "metadata": {"resourceVersion": "1"}, "items": []});
        assert_malformed(pods(body.to_string().as_bytes()));
    }
    for kind in ["EndpointsList", "EndpointSlice", "PodList"] {
        let body = json!({"kind": kind, "metadata": {"resourceVersion": "1"}, "items": []});
        assert_malformed(count(body.to_string().as_bytes(), Source::EndpointSlices));
    }
}

#[test]
fn a_missing_part_is_malformed() {
    let whole = json!({"kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": []});
    assert_eq!(pods(whole.to_string().as_bytes()).unwrap(), 0);
    for part in ["kind", "metadata", "items"] {
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(part);
        assert_malformed(pods(body.to_string().as_bytes()));
        body[part.to_uppercase()] = whole[part].clone();
        assert_malformed(pods(body.to_string().as_bytes()));
    }
    let mut body = whole.clone();
    body["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    assert_malformed(pods(body.to_string().as_bytes()));
}

/// Every value that we read, replaced by one of another type.
#[test]
fn a_wrong_type_anywhere_is_malformed() {
    let list = |pointers: &[&str], text: &str, parse: &dyn Fn(&[u8]) -> Result<usize, Error>| {
        for pointer in pointers {
            let mut body: Value = serde_json::from_str(text).unwrap();
            let original = body.pointer(pointer).unwrap_or_else(|| panic!("{pointer}")).clone();
            let strange = [json!(1), json!(true), json!("text"), json!([1]), json!({"a": 1})];
            for value in strange {
                let same_type = value.is_string() && original.is_string() || value.is_object() && original.is_object();
                if !same_type {
                    *body.pointer_mut(pointer).unwrap() = value.clone();
                    let result = parse(body.to_string().as_bytes());
                    assert!(result.is_err(), "{pointer} = {value}");
                }
            }
        }
    };
    list(
        &[
            "",
            "/kind",
            "/metadata",
            "/metadata/resourceVersion",
            "/items",
            "/items/0",
            "/items/0/metadata",
            "/items/0/metadata/namespace",
            "/items/0/subsets",
            "/items/0/subsets/0",
            "/items/0/subsets/0/addresses",
            "/items/0/subsets/0/addresses/0",
            "/items/0/subsets/0/addresses/0/ip",
            "/items/0/subsets/0/addresses/0/hostname",
            "/items/0/subsets/0/addresses/0/targetRef",
            "/items/0/subsets/0/addresses/0/targetRef/namespace",
            "/items/0/subsets/0/notReadyAddresses",
        ],
        ENDPOINTS,
        &endpoints,
    );
    list(
        &[
            "",
            "/items/0/metadata",
            "/items/0/spec",
            "/items/0/spec/hostname",
            "/items/0/status",
            "/items/0/status/phase",
            "/items/0/status/podIP",
            "/items/0/status/podIPs",
            "/items/0/status/podIPs/0",
            "/items/0/status/podIPs/0/ip",
            "/items/0/status/conditions",
            "/items/0/status/conditions/0",
            "/items/0/status/conditions/0/type",
            "/items/0/status/conditions/0/status",
            "/items/6/metadata/deletionTimestamp",
        ],
        PODS,
        &pods,
    );
}

#[test]
fn null_where_an_object_belongs_is_malformed() {
    for body in [
        "null",
        r#"{"kind":null,"metadata":{"resourceVersion":"1"},"items":[]}"#,
        r#"{"kind":"EndpointsList","metadata":null,"items":[]}"#,
        r#"{"kind":"EndpointsList","metadata":{"resourceVersion":null},"items":[]}"#,
        r#"{"kind":"EndpointsList","metadata":{"resourceVersion":"1"},"items":[null]}"#,
        r#"{"kind":"EndpointsList","metadata":{"resourceVersion":"1"},"items":[{"metadata":null}]}"#,
        r#"{"kind":"EndpointsList","metadata":{"resourceVersion":"1"},"items":[{"metadata":{},"subsets":[null]}]}"#,
    ] {
        assert_malformed(endpoints(body.as_bytes()));
    }
}

/// serde would read a struct from an array, too, field by field.
#[test]
fn an_array_in_place_of_an_object_is_malformed() {
    for body in [
        r#"["EndpointsList",{"resourceVersion":"1"},[]]"#,
        r#"["EndpointsList",["1",null],[]]"#,
        r#"{"kind":"EndpointsList","metadata":["1",null],"items":[]}"#,
        r#"{"kind":"EndpointsList","metadata":{"resourceVersion":"1"},"items":[[["n","ns",null],[]]]}"#,
    ] {
        assert!(endpoints(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn a_key_that_comes_twice_is_malformed() {
    for body in [
        r#"{"kind":"EndpointsList","kind":"EndpointsList","metadata":{"resourceVersion":"1"},"items":[]}"#,
        r#"{"kind":"EndpointsList","metadata":{"resourceVersion":"1"},"metadata":{"resourceVersion":"1"},"items":[]}"#,
        r#"{"kind":"EndpointsList","metadata":{"resourceVersion":"1","resourceVersion":"2"},"items":[]}"#,
        r#"{"kind":"EndpointsList","metadata":{"resourceVersion":"1"},"items":[{"metadata":{}}],"items":[]}"#,
        r#"{"kind":"EndpointsList","metadata":{"resourceVersion":"1"},"items":[{"metadata":{},"subsets":[],"subsets":[]}]}"#,
        r#"{"kind":"EndpointsList","metadata":{"resourceVersion":"1"},"items":[],"it\u0065ms":[]}"#,
    ] {
        assert_malformed(endpoints(body.as_bytes()));
    }
}

#[test]
fn broken_strings_are_malformed_where_they_are_read() {
    for text in [
        &b"\xff"[..],
        b"\xc3",
        b"\xed\xa0\x80",
        b"\\ud800",
        b"\\udc00\\ud800",
        b"\\x",
        b"\\u12",
        b"\n",
        b"\0",
    ] {
        let body = [
            br#"{"kind":"EndpointsList","metadata":{"resourceVersion":"1"},"items":[{"metadata":{"namespace":""#,
            text,
            br#""}}]}"#,
        ]
        .concat();
        assert_malformed(endpoints(&body));
    }
}

/// What is not read is skipped without a look at its encoding: it cannot change what is found.
#[test]
fn a_broken_string_that_is_not_read_takes_nothing_away() {
    let text = String::from_utf8(compact(ENDPOINTS)).unwrap();
    let (before, after) = text.split_once("worker-1").unwrap();
    let body = [before.as_bytes(), b"\xff\xfe", after.as_bytes()].concat();
    assert!(endpoints(&body).is_ok_and(|count| count == 5) || endpoints(&body).is_err());
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    const DEPTH: usize = 1_000_000;
    let (open, close) = ("[".repeat(DEPTH), "]".repeat(DEPTH));
    assert_malformed(endpoints(open.as_bytes()));
    assert_malformed(endpoints("{\"a\":".repeat(DEPTH).as_bytes()));
    let whole = |items: &str, other: &str| {
        format!(r#"{{"kind":"EndpointsList","x":{other},"metadata":{{"resourceVersion":"1"}},"items":{items}}}"#)
    };
    assert_malformed(endpoints(whole(&format!("{open}{close}"), "1").as_bytes()));
    assert_malformed(endpoints(whole("[]", &open).as_bytes()));
    assert_eq!(endpoints(whole("[]", &format!("{open}{close}")).as_bytes()).unwrap(), 0);
}

#[test]
fn the_next_page_is_a_token_that_is_not_empty() {
    for (metadata, next) in [
        (r#"{"resourceVersion":"1"}"#, None),
        (r#"{"resourceVersion":"1","continue":null}"#, None),
        (r#"{"resourceVersion":"1","continue":""}"#, None),
        (
            r#"{"resourceVersion":"1","continue":"a\/b\u003d","remainingItemCount":3}"#,
            Some("a/b="),
        ),
    ] {
        let body = format!(r#"{{"kind":"PodList","metadata":{metadata},"items":null}}"#);
        let page = parse(body.as_bytes(), Source::Pods).unwrap();
        assert_eq!(page.next.as_deref(), next);
        assert_eq!(page.version, "1");
    }
}
