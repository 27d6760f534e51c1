//! What leaves the crate, and ends up in logs and node names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use discovery::server::credentials::{self, Token};
use discovery::{Basename, Config, Error, Snapshot};

/// The token that every answer is asked for with, and that no text may have.
pub(crate) const SECRET: &str = "eyJhbGciOiJSUzI1NiJ9.c2VjcmV0.Ab-_9Z";

/// No text is longer: it is a line of a log.
const MAX_CHARS: usize = 1_500;

pub(crate) static TOKEN: LazyLock<Token> = LazyLock::new(|| {
    in_folder("answers", |folder| {
        fs::write(folder.join("token"), SECRET).unwrap();
        credentials::token(folder).unwrap()
    })
});

/// With a folder of this process, which is left only where something was found.
pub(crate) fn in_folder<T>(name: &str, work: impl FnOnce(&Path) -> T) -> T {
    let folder = std::env::temp_dir().join(format!("discovery-fuzz-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let result = work(&folder);
    fs::remove_dir_all(&folder).unwrap();
    result
}

#[track_caller]
pub(crate) fn check_text(text: &str) {
    assert!(!text.contains(char::is_control), "a control character in {text:?}");
    assert!(text.chars().count() <= MAX_CHARS, "{} characters", text.chars().count());
    assert!(!text.contains(SECRET), "the token in {text:?}");
}

#[track_caller]
pub(crate) fn check_error(error: &Error) {
    assert!(!error.message.is_empty());
    check_text(&error.message);
    error.advice.iter().for_each(|advice| check_text(advice));
    assert!(error.retry_after.is_none_or(|pause| pause <= Duration::from_mins(5)));
}

#[track_caller]
pub(crate) fn check_snapshot(snapshot: &Snapshot, config: &Config) {
    let mut all = BTreeSet::new();
    for names in [&snapshot.ready, &snapshot.not_ready, &snapshot.draining] {
        assert!(names.is_sorted());
        for name in names {
            assert!(all.insert(name), "{name} twice");
            check_name(name, config);
        }
    }
    // It is sent back, in a URL.
    assert!((1..=253).contains(&snapshot.resource_version.len()));
    for dropped in &snapshot.dropped {
        assert!(dropped.count > 0);
        check_text(&dropped.example);
    }
    for warning in &snapshot.warnings {
        check_text(warning);
    }
}

/// `basename@` and what a host may be made of: an atom of the VM, for ever.
#[track_caller]
pub(crate) fn check_name(name: &str, config: &Config) {
    assert!(name.len() <= 255, "{} characters", name.len());
    let (basename, host) = name.split_once('@').unwrap_or_else(|| panic!("{name:?}"));
    match &config.names.basename {
        Basename::Fixed(fixed) => assert_eq!(basename, fixed),
        Basename::Label(_) => {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            assert!(
                (1..=63).contains(&basename.len()) && basename.bytes().all(allowed),
                "{name:?}"
            );
        }
    }
    let allowed = |byte: u8| byte.is_ascii_hexdigit() || byte.is_ascii_lowercase() || b".:-".contains(&byte);
    assert!(!host.is_empty() && host.bytes().all(allowed), "{name:?}");
    assert!(!name.contains(SECRET));
}
