use super::*;
use crate::answers::pieces::Pieces;
use crate::testing::candidates::candidates_of;
use crate::testing::portions::Portions;
use crate::testing::protobuf;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Of each object its candidates are kept.
type Seen = Result<Frame<Vec<String>>, Error>;

fn parse(line: &str) -> Seen {
    parse_json(line.as_bytes(), Source::Endpoints)
}

fn parse_json(line: &[u8], source: Source) -> Seen {
    Frame::parse(line, Delimiter::LineFeed, source, |object| candidates_of(object, None))
}

#[test]
fn each_type_is_read() {
    let object = r#"{"kind":"Endpoints","metadata":{"name":"app","namespace":"ns","resourceVersion":"7"},
        "subsets":[{"addresses":[{"ip":"10.0.0.1"}]}]}"#;
    for kind in ["ADDED", "MODIFIED"] {
        match parse(&format!(r#"{{"type":"{kind}","object":{object}}}"#)).unwrap() {
            Frame::Upsert { key, kept, version } => {
                assert_eq!((key.as_str(), version.as_str()), ("ns/app", "7"));
                assert_eq!(kept, ["10.0.0.1 - ns Ready"]);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        parse(&format!(r#"{{"type":"DELETED","object":{object}}}"#)).unwrap(),
        Frame::Delete {
            key: "ns/app".to_owned(),
            version: "7".to_owned()
        }
    );
    let bookmark = r#"{"type":"BOOKMARK","object":{"kind":"Endpoints","metadata":{"resourceVersion":"9","creationTimestamp":null},"subsets":null}}"#;
    assert_eq!(
        parse(bookmark).unwrap(),
        Frame::Bookmark {
            version: "9".to_owned()
        }
    );
    let gone = r#"{"type":"ERROR","object":{"kind":"Status","message":"too old resource version: 1 (5)","reason":"Expired","code":410}}"#;
    let error = parse(gone).unwrap_err();
    assert_eq!(error.status, Some(410));
    assert!(error.message.contains("too old resource version: 1 (5)"), "{error}");
}

#[test]
fn what_is_no_frame_is_an_error() {
    for line in [
        "",
        "garbage",
        "{}",
        "[]",
        r#"{"type":"ADDED"}"#,
        r#"{"type":"ADDED","object":null}"#,
        r#"{"type":"ADDED","object":{}}"#,
        r#"{"type":"ADDED","object":{"metadata":{"name":"a"}}}"#,
        r#"{"type":"ADDED","object":{"metadata":{"resourceVersion":"1"}}}"#,
        r#"{"type":"ADDED","object":{"metadata":{"name":"","namespace":"ns","resourceVersion":"1"}}}"#,
        r#"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"1"},"subsets":7}}"#,
        r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":""}}}"#,
        r#"{"type":"RENAMED","object":{"metadata":{"name":"a","resourceVersion":"1"}}}"#,
        r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"1"}}} trailing"#,
    ] {
        assert_eq!(parse(line).unwrap_err().kind, Kind::Malformed, "{line}");
    }
}

/// The frames of a stream that arrives in pieces of these sizes, to its end.
fn frames(stream: &[u8], sizes: &[usize]) -> Vec<Seen> {
    let mut lines = Pieces::new(Portions::new(stream, sizes), Delimiter::LineFeed);
    let mut found = Vec::new();
    while let Ok(line) = lines.next() {
        found.push(parse_json(line, Source::Endpoints));
    }
    found
}

fn line() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(vec!["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "RENAMED"]);
    let event = (kind, 0_u8..4, "[a-zä\"\\\\\n😀]{0,8}", 0_u32..999).prop_map(|(kind, name, text, version)| {
        let metadata = json!({"name": format!("web-{name}"), "resourceVersion": version.to_string()});
        let addresses = json!([{"ip": format!("10.0.0.{name}"), "hostname": text}]);
        json!({"type": kind, "object": {"metadata": metadata, "subsets": [{"addresses": addresses}]}}).to_string()
    });
    let error = (any::<u16>(), ".{0,8}")
        .prop_map(|(code, text)| json!({"type": "ERROR", "object": {"code": code, "message": text}}).to_string());
    prop_oneof![6 => event, 1 => error, 1 => "[^\n]{0,30}", 1 => Just(String::new())]
}

proptest! {
    #[test]
    fn any_cut_of_the_stream_gives_the_same_frames(
        lines in prop::collection::vec(line(), 0..8),
        sizes in prop::collection::vec(1_usize..60, 0..80),
        tail in "[^\n]{0,9}",
    ) {
        let expected: Vec<_> = lines.iter().filter(|line| !line.is_empty()).map(|line| parse(line)).collect();
        let stream = [lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect(), tail].concat();
        prop_assert_eq!(&frames(stream.as_bytes(), &sizes), &expected);
        prop_assert_eq!(&frames(stream.as_bytes(), &[]), &expected);
    }

    #[test]
    fn arbitrary_bytes_are_no_frame(line in prop::collection::vec(any::<u8>(), 0..100)) {
        for source in [Source::Endpoints, Source::EndpointSlices, Source::Pods] {
            prop_assert!(parse_json(&line, source).is_err());
        }
    }
}

#[test]
fn each_source_reads_its_own_objects() {
    let line = |object: Value| json!({"type": "ADDED", "object": object}).to_string();
    let metadata = json!({"name": "web", "resourceVersion": "7"});
    for (source, object) in [
        (
            Source::Endpoints,
            json!({"metadata": metadata, "subsets": [{"addresses": [{"ip": "10.0.0.1"}]}]}),
        ),
        (
            Source::EndpointSlices,
            json!({"metadata": metadata, "endpoints": [{"addresses": ["10.0.0.1"]}]}),
        ),
        (
            Source::Pods,
            json!({"metadata": metadata, "status": {"podIP": "10.0.0.1"}}),
        ),
    ] {
        match parse_json(line(object).as_bytes(), source).unwrap() {
            Frame::Upsert { kept, .. } => assert_eq!(kept, ["10.0.0.1 - - Ready"]),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_error_frame_is_read_whatever_it_lacks() {
    let bare = parse(r#"{"type":"ERROR","object":{}}"#).unwrap_err();
    assert_eq!((bare.kind, bare.status, bare.retry_after), (Kind::Server, None, None));
    let lines = r#"{"type":"ERROR","object":{"code":429,"message":"one\ntwo","details":{"retryAfterSeconds":2}}}"#;
    let error = parse(lines).unwrap_err();
    assert_eq!((error.kind, error.status), (Kind::RateLimited, Some(429)));
    assert_eq!(error.retry_after, Some(std::time::Duration::from_secs(2)));
    assert_eq!(error.message, "the server ended the watch with 429: one\\ntwo");
    for line in [
        r#"{"type":"ERROR","object":null}"#,
        r#"{"type":"ERROR","object":{"code":"410"}}"#,
        r#"{"type":"ERROR","object":{"code":-1}}"#,
        r#"{"type":"ERROR","object":{"code":70000}}"#,
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!((error.kind, error.status), (Kind::Malformed, None), "{line}");
    }
}

#[test]
fn a_name_that_is_too_long_to_be_one_is_not_kept() {
    let line = |length| {
        let metadata = json!({"name": "x".repeat(length), "resourceVersion": "1"});
        json!({"type": "ADDED", "object": {"metadata": metadata}}).to_string()
    };
    assert!(parse(&line(253)).is_ok());
    assert_eq!(parse(&line(254)).unwrap_err().kind, Kind::Malformed);
}

fn parse_protobuf(event: &[u8]) -> Seen {
    Frame::parse(event, Delimiter::Length, Source::Pods, |pod| candidates_of(pod, None))
}

#[test]
fn protobuf_says_the_same_as_json() {
    let pod = json!({
        "metadata": {"name": "web-1", "namespace": "default", "resourceVersion": "7"},
        "status": {"phase": "Running", "podIP": "10.0.0.1"},
    });
    for kind in ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"] {
        let json = json!({"type": kind, "object": pod}).to_string();
        let expected = parse_json(json.as_bytes(), Source::Pods).unwrap();
        assert_eq!(parse_protobuf(&protobuf::pod_event(kind, &pod)).unwrap(), expected);
    }
    let bare = json!({"metadata": {"resourceVersion": "7"}});
    assert!(parse_protobuf(&protobuf::pod_event("BOOKMARK", &bare)).is_ok());
    for (kind, object) in [
        ("ADDED", &bare),
        ("DELETED", &bare),
        ("RENAMED", &pod),
        ("", &pod),
        ("BOOKMARK", &json!({})),
    ] {
        let error = parse_protobuf(&protobuf::pod_event(kind, object)).unwrap_err();
        assert_eq!((error.kind, error.status), (Kind::Malformed, None), "{kind} {object}");
    }
}

#[test]
fn a_protobuf_error_is_an_error_with_its_status() {
    let details = protobuf::bytes(5, &protobuf::number(5, 3));
    let status = [protobuf::text(3, "too old"), details, protobuf::number(6, 410)].concat();
    let error = parse_protobuf(&protobuf::event("ERROR", &protobuf::answer("Status", &status))).unwrap_err();
    assert_eq!(error.status, Some(410));
    assert_eq!(error.retry_after, Some(std::time::Duration::from_secs(3)));
    assert!(error.message.contains("too old"), "{error}");
}

#[test]
fn every_cut_of_a_protobuf_event_is_malformed() {
    let pod = json!({"metadata": {"name": "web-1", "resourceVersion": "7"}, "status": {"podIP": "10.0.0.1"}});
    let event = protobuf::pod_event("ADDED", &pod);
    for end in 0..event.len() {
        assert_eq!(parse_protobuf(&event[..end]).unwrap_err().kind, Kind::Malformed);
    }
}

#[test]
fn the_order_of_the_fields_does_not_count() {
    let line = r#"{"object":{"subsets":null,"metadata":{"resourceVersion":"9","name":"a"}},"type":"DELETED"}"#;
    let deleted = Frame::Delete {
        key: "/a".to_owned(),
        version: "9".to_owned(),
    };
    assert_eq!(parse(line).unwrap(), deleted);
}
