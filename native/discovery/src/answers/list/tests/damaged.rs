//! Any bytes, and lists with damage.

use super::*;
use proptest::prelude::*;

/// Whether a body is a list to a parser that takes any JSON.
fn is_list(body: &[u8], kind: &str) -> bool {
    match serde_json::from_str::<Value>(&String::from_utf8_lossy(body)) {
        Ok(list) => {
            list["kind"] == kind
                && list["metadata"]["resourceVersion"].is_string()
                && list
                    .get("items")
                    .is_some_and(|items| items.is_array() || items.is_null())
        }
        // A number that is not read may be any.
        Err(error) => error.to_string().contains("number out of range"),
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_no_list(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(endpoints(&body).is_err());
        prop_assert!(pods(&body).is_err());
    }

    #[test]
    fn arbitrary_json_like_text_is_no_list(body in r#"[\[\]{}",:0-9a-z\\ ]{0,60}"#) {
        prop_assert!(endpoints(body.as_bytes()).is_err());
    }

    #[test]
    fn a_damaged_list_is_an_error_or_still_a_list(
        index: prop::sample::Index,
        removed in 0_usize..40,
        inserted in proptest::collection::vec(any::<u8>(), 0..3),
    ) {
        let mut body = compact(PODS);
        let start = index.index(body.len());
        let end = body.len().min(start + removed);
        body.splice(start..end, inserted);
        match pods(&body) {
            Ok(_) => prop_assert!(is_list(&body, "PodList")),
            Err(error) => prop_assert_eq!(error.kind, Kind::Malformed),
        }
    }
}
