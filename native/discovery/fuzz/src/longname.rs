//! A name, or the reason why there is none: as the reference says.

use discovery::names::longname::Unnameable;
use discovery::objects::candidate::{self, Standing};

use super::input;
use super::printed::check_name;
use super::reference::Candidate;

pub fn check(data: &[u8]) {
    let (options, rest) = input::split(data);
    let config = input::config(&options);
    let Ok(parts) = std::str::from_utf8(rest) else { return };
    let mut parts = parts.split('|');
    let (ip, hostname, namespace) = (parts.next(), parts.next(), parts.next());
    let standing = Standing::Ready;
    let expected = Candidate {
        ip,
        hostname,
        namespace,
        standing,
    }
    .name("app", &config);
    let found = config.names.longname(
        "app",
        &candidate::Candidate {
            ip,
            hostname,
            namespace,
            standing,
        },
        config.ip_family,
    );
    if let Ok(name) = &found {
        check_name(name, &config);
    }
    let found = found.map_err(|reason| match reason {
        Unnameable::Basename => "basename",
        Unnameable::Address => "address",
        Unnameable::Family => "family",
        Unnameable::Hostname | Unnameable::Namespace => "label",
        Unnameable::TooLong => "long",
    });
    assert_eq!(found, expected);
}
