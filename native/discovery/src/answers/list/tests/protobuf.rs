//! What protobuf says, and where it is not whole.

use super::*;
use crate::testing::protobuf;

#[test]
fn protobuf_says_the_same_as_json() {
    for (text, source) in [
        (ENDPOINTS, Source::Endpoints),
        (SLICES, Source::EndpointSlices),
        (PODS, Source::Pods),
    ] {
        let json: Value = serde_json::from_str(text).unwrap();
        let page = parse(&protobuf::list(&json), source).unwrap();
        assert_eq!(page, parse(text.as_bytes(), source).unwrap());
        assert!(page.objects.iter().any(|(_, said)| !said.candidates.is_empty()));
    }
    let json = json!({"kind": "PodList", "metadata": {"resourceVersion": "7", "continue": "more"}});
    let page = parse(&protobuf::list(&json), Source::Pods).unwrap();
    assert_eq!((page.version.as_str(), page.next.as_deref()), ("7", Some("more")));
}

#[test]
fn protobuf_that_is_not_the_whole_list_is_malformed() {
    let body = protobuf::list(&serde_json::from_str(PODS).unwrap());
    assert_eq!(pods(&body).unwrap(), 7);
    // The last field is the content type, which does not count.
    for end in 0..body.len() - 2 {
        assert_malformed(pods(&body[..end]));
    }
    assert_malformed(endpoints(&body));
    let version = |version| protobuf::list(&json!({"kind": "PodList", "metadata": {"resourceVersion": version}}));
    assert_eq!(pods(&version("1")).unwrap(), 0);
    assert_malformed(pods(&version("")));
    assert_malformed(pods(&version(&"1".repeat(254))));
    assert_malformed(pods(&protobuf::answer("PodList", b"")));
    assert_malformed(pods(&protobuf::answer("Status", b"")));
    assert_malformed(pods(b"k8s\0"));
}
