//! What happens when the files of the service account change, or a token is refused that may have changed.

mod common;

use std::fs;
use std::time::Duration;

use common::{assert_complete, list, lister, server, wait, write_token};
use discovery::{Error, Kind};
use fake_apiserver::{Action, Authority, Certificate, Fault, Rule, Server};
use serde_json::json;

#[test]
fn a_kept_connection_is_not_used_without_a_ca_file() {
    let server = server();
    let mut lister = lister(&server);
    assert_complete(&lister.list().unwrap());
    fs::remove_file(server.service_account().join("ca.crt")).unwrap();
    assert_eq!(lister.list().unwrap_err().kind, Kind::Credentials);
    assert_eq!(server.summary().requests, 1);
}

#[test]
fn a_replaced_ca_is_believed_at_once_and_ends_the_old_connection() {
    let server = server();
    let ca = server.service_account().join("ca.crt");
    let (own, other) = (fs::read(&ca).unwrap(), fs::read(server.other_ca_file()).unwrap());
    let mut lister = lister(&server);
    assert_complete(&lister.list().unwrap());
    fs::write(&ca, &other).unwrap();
    assert_refused_after_one(&server, lister.list());
    server.set_certificate(&Certificate {
        authority: Authority::Other,
        ..Certificate::default()
    });
    assert_complete(&lister.list().unwrap());
    wait(&server, |summary| summary.connections_open == 1);
    // While authorities rotate, the file holds both; what is no certificate in it does no harm.
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
    fs::write(&ca, [broken, own, other].concat()).unwrap();
    assert_complete(&lister.list().unwrap());
    wait(&server, |summary| summary.connections_open == 1);
    server.set_certificate(&Certificate::default());
    server.set_listening(false).unwrap();
    server.set_listening(true).unwrap();
    assert_complete(&lister.list().unwrap());
}

#[track_caller]
fn assert_refused_after_one(server: &Server, result: Result<discovery::Snapshot, Error>) {
    assert_eq!(result.unwrap_err().kind, Kind::Tls);
    assert_eq!(server.summary().requests, 1);
}

#[test]
fn a_token_rotated_between_two_lists_is_used_on_the_same_connection() {
    let server = server();
    let mut lister = lister(&server);
    assert_complete(&lister.list().unwrap());
    server.put_token(
        "rotated",
        "system:serviceaccount:default:rotated",
        vec![Rule::everything()],
    );
    server.delete_token(server.token());
    write_token(&server, "rotated\n");
    assert_complete(&lister.list().unwrap());
    assert_eq!(server.journal()[1]["user"], "system:serviceaccount:default:rotated");
    assert_eq!(server.summary().handshakes_completed, 1);
}

#[test]
fn a_refused_token_that_did_not_change_is_unauthorized_after_one_request() {
    let server = server();
    server.delete_token(server.token());
    let error = list(&server).unwrap_err();
    assert_eq!((error.kind, error.status), (Kind::Unauthorized, Some(401)));
    assert_eq!(server.summary().requests, 1);
}

/// The file changes while the request with the old token is under way.
#[test]
fn a_refused_token_whose_file_changed_meanwhile_is_tried_anew_at_once() {
    let server = server();
    let token = server.token().to_owned();
    write_token(&server, "stale");
    server.set_faults(vec![
        Fault::on_request(Action::Drip {
            bytes: 40,
            every: Duration::from_millis(100),
        })
        .times(1),
    ]);
    std::thread::scope(|scope| {
        let listing = scope.spawn(|| list(&server));
        wait(&server, |summary| summary.requests == 1);
        write_token(&server, &token);
        assert_complete(&listing.join().unwrap().unwrap());
    });
    let journal = server.journal();
    assert_eq!(
        (&journal[0]["status"], &journal[1]["status"]),
        (&json!(401), &json!(200))
    );
    assert_eq!(journal.len(), 2);
}

#[test]
fn a_token_that_keeps_being_refused_while_it_changes_is_tried_twice_only() {
    let server = server();
    write_token(&server, "stale");
    server.set_faults(vec![Fault::on_request(Action::Drip {
        bytes: 40,
        every: Duration::from_millis(100),
    })]);
    std::thread::scope(|scope| {
        let listing = scope.spawn(|| list(&server));
        wait(&server, |summary| summary.requests == 1);
        write_token(&server, "stale as well");
        write_token(&server, "stale-as-well");
        wait(&server, |summary| summary.requests == 2);
        write_token(&server, "the-third");
        assert_eq!(listing.join().unwrap().unwrap_err().kind, Kind::Unauthorized);
    });
    assert_eq!(server.summary().requests, 2);
}

#[test]
fn a_service_account_that_is_replaced_by_a_symlink_is_read_anew() {
    let server = server();
    let folder = server.service_account();
    // As the kubelet does: files are links into `..data`, which is a link to a folder with a date.
    let (old, new) = (folder.join("..1"), folder.join("..2"));
    for (target, token) in [(&old, server.token()), (&new, "rotated")] {
        fs::create_dir(target).unwrap();
        fs::copy(folder.join("ca.crt"), target.join("ca.crt")).unwrap();
        fs::write(target.join("token"), token).unwrap();
    }
    let data = folder.join("..data");
    std::os::unix::fs::symlink(&old, &data).unwrap();
    for file in ["token", "ca.crt"] {
        fs::remove_file(folder.join(file)).unwrap();
        std::os::unix::fs::symlink(data.join(file), folder.join(file)).unwrap();
    }
    let mut lister = lister(&server);
    assert_complete(&lister.list().unwrap());
    server.delete_token(server.token());
    server.put_token("rotated", "rotated", vec![Rule::everything()]);
    std::os::unix::fs::symlink(&new, folder.join("..tmp")).unwrap();
    fs::rename(folder.join("..tmp"), &data).unwrap();
    assert_complete(&lister.list().unwrap());
    assert_eq!(server.summary().handshakes_completed, 1);
}
