//! Versions of one resource are numbers that grow, and may be compared:
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>. Elsewhere they are opaque.

/// Whether this version can come after that one. Where versions are numbers, they grow and stay numbers.
pub(super) fn may_follow(version: &str, last: &str) -> bool {
    match (version.parse::<u64>(), last.parse::<u64>()) {
        (Ok(version), Ok(last)) => version >= last,
        (Err(_), Ok(_)) => false,
        (_, Err(_)) => true,
    }
}
