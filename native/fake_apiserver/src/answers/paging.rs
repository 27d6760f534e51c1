//! Lists in pages: the continue token, and cutting a page out of a list.

use serde_json::{Value, json};

/// Where the next page starts; opaque to clients, as the real server's is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Continue {
    /// The version that all pages show; 0 for "whatever is current", which the real server offers
    /// after the first version expired.
    pub(crate) version: u64,
    /// The last key of the page before.
    pub(crate) after: String,
}

impl Continue {
    /// Writes the token, with characters that need no escaping in a query.
    pub(crate) fn encode(&self) -> String {
        let text = json!({"v": "meta.k8s.io/v1", "rv": self.version, "start": self.after});
        text.to_string()
            .bytes()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| char::from_digit(u32::from(digit), 16))
            .collect()
    }

    /// Reads a token that this server wrote.
    pub(crate) fn decode(token: &str) -> Option<Self> {
        let digits: Vec<u8> = token
            .chars()
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect::<Option<_>>()?;
        let (pairs, []) = digits.as_chunks::<2>() else {
            return None;
        };
        let text: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        let value: Value = serde_json::from_slice(&text).ok()?;
        Some(Self {
            version: value["rv"].as_u64()?,
            after: value["start"].as_str()?.to_owned(),
        })
    }
}

/// One page of a list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// The key of the last item and how many come after it, when any do.
    pub(crate) rest: Option<(String, usize)>,
}

/// Cuts the page after a key out of a list in the order of its keys; limit 0 is no limit.
pub(crate) fn cut<T>(list: Vec<(String, T)>, after: Option<&str>, limit: usize) -> Page<T> {
    let start = after.map_or(0, |after| list.partition_point(|(key, _)| key.as_str() <= after));
    let total = list.len() - start;
    let limit = if limit == 0 { total } else { limit };
    let mut end = None;
    let items = list
        .into_iter()
        .skip(start)
        .take(limit)
        .map(|(key, item)| {
            end = Some(key);
            item
        })
        .collect();
    let rest = end.filter(|_| total > limit).map(|key| (key, total - limit));
    Page { items, rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(keys: &[&str]) -> Vec<(String, String)> {
        let pair = |key: &&str| ((*key).to_owned(), (*key).to_owned());
        keys.iter().map(pair).collect()
    }

    #[test]
    fn tokens_round_trip_and_others_are_refused() {
        let token = Continue {
            version: 42,
            after: "default/ä b&c".to_owned(),
        };
        let text = token.encode();
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(Continue::decode(&text), Some(token));
        for bad in ["", "x", "7b7", "7b7d", "ff", "é"] {
            assert_eq!(Continue::decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn pages_cover_the_list_once() {
        let first = cut(list(&["a", "b", "c"]), None, 2);
        assert_eq!(first.items, ["a", "b"]);
        assert_eq!(first.rest, Some(("b".to_owned(), 1)));
        let second = cut(list(&["a", "b", "c"]), Some("b"), 2);
        assert_eq!(second.items, ["c"]);
        assert_eq!(second.rest, None);
    }

    #[test]
    fn a_limit_that_is_enough_or_none_leaves_no_rest() {
        assert_eq!(cut(list(&["a", "b"]), None, 2).rest, None);
        assert_eq!(cut(list(&["a", "b"]), None, 0).items, ["a", "b"]);
        assert_eq!(cut(list(&[]), Some("x"), 1).items.len(), 0);
    }
}
