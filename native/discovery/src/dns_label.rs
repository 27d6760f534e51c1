//! What Kubernetes calls a DNS label, which names of namespaces and hostnames are.

/// RFC 1123: at most 63 of `a-z0-9-`, no `-` at either end.
pub fn is_dns_label(text: &str) -> bool {
    let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.first().is_some_and(inner)
        && bytes.last().is_some_and(inner)
        && bytes.iter().all(|byte| inner(byte) || *byte == b'-')
}
