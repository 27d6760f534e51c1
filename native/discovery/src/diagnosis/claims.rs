//! What a service account's token says of itself. Nothing is verified here: that is the API server's work.
//!
//! A token is a JSON Web Token, three parts in base64url: header, claims, signature. Only the claims are read.
//! <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens>

use serde_json::Value;

use crate::error::printable;
use crate::server::credentials::Token;

/// The claims that a user can check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// `exp`, in seconds since 1970; a token without it lives as long as its Secret.
    pub expires_at: Option<u64>,
    /// `aud`: for whom the token is meant.
    pub audiences: Vec<String>,
    /// `sub`: `system:serviceaccount:NAMESPACE:NAME`.
    pub subject: Option<String>,
}

impl Claims {
    /// Reads a token; `None` when it is none of this form, as a hand-made one.
    pub(crate) fn of(token: &Token) -> Option<Self> {
        let claims: Value = serde_json::from_slice(&base64url(token.payload()?)?).ok()?;
        let claims = claims.as_object()?;
        let text = |value: &Value| value.as_str().map(printable);
        let audiences = match claims.get("aud") {
            Some(Value::Array(all)) => all.iter().filter_map(text).collect(),
            Some(one) => text(one).into_iter().collect(),
            None => Vec::new(),
        };
        Some(Self {
            expires_at: claims.get("exp").and_then(Value::as_u64),
            audiences,
            subject: claims.get("sub").and_then(text),
        })
    }
}

/// RFC 4648, the alphabet for URLs, with or without padding.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    for group in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for character in group {
            bits = bits << 6 | u32::from(digit(*character)?);
        }
        // One character alone holds no whole byte.
        let whole = group.len().checked_sub(1).filter(|whole| *whole > 0)?;
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..=whole]);
    }
    Some(bytes)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(token: &str) -> Option<Claims> {
        Claims::of(&Token::new(token.to_owned()))
    }

    #[test]
    fn base64url_is_read_with_and_without_padding() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zg", b"f"),
            ("Zm8=", b"fo"),
            ("Zm9v", b"foo"),
            ("Zm9vYg", b"foob"),
            ("-_-_", &[0xfb, 0xff, 0xbf]),
        ] {
            assert_eq!(base64url(text).as_deref(), Some(bytes), "{text}");
        }
        for bad in ["Z", "Zm9vY", "Zm+v", "Zm/v", "Z m9", "Zg=v"] {
            assert_eq!(base64url(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_claims_of_a_bound_token() {
        // {"aud":["https://kubernetes.default.svc"],"exp":1795792686,"sub":"system:serviceaccount:ns1:app"}
        let payload = "eyJhdWQiOlsiaHR0cHM6Ly9rdWJlcm5ldGVzLmRlZmF1bHQuc3ZjIl0sImV4cCI6MTc5NTc5MjY4Niwic3ViIjoic3lz\
                       dGVtOnNlcnZpY2VhY2NvdW50Om5zMTphcHAifQ";
        assert_eq!(
            claims(&format!("e30.{payload}.c2ln")),
            Some(Claims {
                expires_at: Some(1_795_792_686),
                audiences: vec!["https://kubernetes.default.svc".to_owned()],
                subject: Some("system:serviceaccount:ns1:app".to_owned()),
            })
        );
        // {"aud":"api"}: one audience need not be a list.
        assert_eq!(
            claims("e30.eyJhdWQiOiJhcGkifQ.c2ln").unwrap().audiences,
            ["api".to_owned()]
        );
    }

    #[test]
    fn what_is_no_json_web_token_has_no_claims() {
        for token in [
            "secret",
            "a.b",
            "e30.e30.e30.e30",
            "e30.!.e30",
            "e30.W10.e30",
            "..",
            "e30.e3.e30",
        ] {
            assert_eq!(claims(token), None, "{token}");
        }
        assert_eq!(claims("e30.e30.e30"), Some(Claims::default()));
    }
}
