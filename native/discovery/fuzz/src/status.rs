//! An answer other than 200: its code decides, whatever else it says.

use discovery::{Kind, fuzzing};

use super::input;
use super::printed::{TOKEN, check_error};

pub fn check(data: &[u8]) {
    let (options, rest) = input::split(data);
    let (header, body) = input::first_line(rest);
    let header = std::str::from_utf8(header).ok().filter(|value| !value.is_empty());
    let (value, now) = header.map(|it| it.split_once('|').unwrap_or((it, ""))).unzip();
    let retry_after = value.and_then(|value| fuzzing::retry_after(value, now));
    if let Some(seconds) = value.and_then(|value| value.trim().parse::<u64>().ok()) {
        assert_eq!(retry_after.map(|pause| pause.as_secs()), Some(seconds.min(300)));
    }

    let code = u16::try_from(input::number(&options) % 1000).unwrap();
    let error = fuzzing::refused(&input::config(&options), &TOKEN, code, retry_after, body);
    check_error(&error);
    assert_eq!(error.status, Some(code));
    let kind = match code {
        401 => Kind::Unauthorized,
        403 => Kind::Forbidden,
        404 => Kind::NotFound,
        429 => Kind::RateLimited,
        _ => Kind::Server,
    };
    assert_eq!(error.kind, kind);
    assert!(
        retry_after.is_none() || error.retry_after == retry_after,
        "the header counts"
    );
}
