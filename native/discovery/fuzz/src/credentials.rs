//! A file of the service account: what can be used, or an error that does not repeat it.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use discovery::dns_label::is_dns_label;
use discovery::fuzzing::bearer;
use discovery::server::credentials;
use discovery::{Error, Kind};
use rustls::RootCertStore;

use super::input;
use super::printed::{check_error, in_folder};

/// There is one folder, and tests run side by side.
static IN_USE: Mutex<()> = Mutex::new(());

pub fn check(data: &[u8]) {
    let _in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    in_folder("files", |folder| check_in(folder, data));
}

fn check_in(folder: &Path, data: &[u8]) {
    let (options, content) = input::split(data);
    let file = |name| fs::write(folder.join(name), content).unwrap();
    match options.as_str() {
        "token" => {
            file("token");
            match credentials::token(folder) {
                Ok(token) => {
                    let header = bearer(&token);
                    let secret = header.strip_prefix("Bearer ").unwrap();
                    assert!(!secret.is_empty() && secret.bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
                    assert_eq!(secret, String::from_utf8_lossy(content).trim());
                    assert_eq!(format!("{token:?}"), "Token(..)");
                }
                Err(error) => check_refused(folder, &error),
            }
        }
        "ca.crt" => {
            file("ca.crt");
            match credentials::certificate_authority(folder) {
                Ok(usable) => {
                    let mut roots = RootCertStore::empty();
                    assert_eq!(roots.add_parsable_certificates(usable.clone()), (usable.len(), 0));
                    assert!(!roots.is_empty());
                }
                Err(error) => check_refused(folder, &error),
            }
        }
        "namespace" => {
            file("namespace");
            match credentials::namespace(folder) {
                Ok(namespace) => {
                    assert!(is_dns_label(&namespace));
                    assert_eq!(namespace, String::from_utf8_lossy(content).trim());
                }
                Err(error) => check_refused(folder, &error),
            }
        }
        _ => {}
    }
}

/// What is said of a file that is empty, or no text: a refusal says no more of any other.
static REFUSALS: OnceLock<Vec<Error>> = OnceLock::new();

fn check_refused(folder: &Path, error: &Error) {
    assert_eq!(error.kind, Kind::Credentials);
    check_error(error);
    let refusals = REFUSALS.get_or_init(|| refusals(folder));
    assert!(refusals.contains(error), "{error}");
}

fn refusals(folder: &Path) -> Vec<Error> {
    let contents: [&[u8]; 2] = [b"", b"\xff"];
    let refusals = contents.iter().flat_map(|content| {
        for file in ["token", "ca.crt", "namespace"] {
            fs::write(folder.join(file), content).unwrap();
        }
        [
            credentials::token(folder).unwrap_err(),
            credentials::certificate_authority(folder).unwrap_err(),
            credentials::namespace(folder).unwrap_err(),
        ]
    });
    refusals.collect()
}
