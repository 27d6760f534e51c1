//! A string of an answer, in either encoding.

use std::borrow::Cow;

use serde::Deserialize;

/// A string of the answer: borrowed, unless it has escapes. (serde borrows a `Cow` only when it stands by itself.)
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Text<'a> {
    pub(crate) fn borrowed(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text of an optional string.
pub(crate) fn text<'t>(text: Option<&'t Text<'_>>) -> Option<&'t str> {
    text.map(Text::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_what_its_escapes_mean() {
        let text: Text<'_> = serde_json::from_str(r#""a\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00""#).unwrap();
        assert_eq!(text.as_str(), "a\"\\/\u{8}\u{c}\n\r\tä😀");
    }
}
