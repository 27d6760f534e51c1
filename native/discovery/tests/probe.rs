//! Each step has its own result, and a step that fails keeps those after it from being tried.

mod common;

use std::fs;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::{LIMIT, config, only, server};
use discovery::diagnosis::probe::{self, Facts, Step};
use discovery::{Config, Kind, Namespace};
use fake_apiserver::{Action, Fault, Rule, Server};
use serde_json::json;

fn run(config: Config) -> Facts {
    let (sender, facts) = mpsc::channel();
    let _probe = probe::start(config, move |facts| sender.send(facts).expect("a test that waits")).expect("a thread");
    facts.recv().expect("facts")
}

#[track_caller]
fn kind<T>(step: Step<T>) -> Kind {
    match step {
        Some(Err(error)) => error.kind,
        Some(Ok(_)) => panic!("the step succeeded"),
        None => panic!("the step was not reached"),
    }
}

/// A user with these rules, whose token is in the service account.
fn limit_to(server: &Server, rules: Vec<Rule>) {
    server.put_token("limited", "system:serviceaccount:default:app", rules);
    common::write_token(server, "limited");
}

#[test]
fn all_is_found_where_nothing_is_wrong() {
    let server = server();
    let facts = run(config(&server));
    assert_eq!(facts.token.unwrap(), None, "the fake's token is no JSON Web Token");
    assert_eq!(facts.authorities.unwrap().len(), 1);
    assert_eq!(facts.namespace.unwrap().as_deref(), Some("default"));
    let address = facts.address.unwrap();
    assert_eq!((address.server, address.instead_of), (server.url(), None));
    assert_eq!(address.addresses, [server.address()]);
    assert_eq!(facts.tcp.unwrap().unwrap(), server.address());
    facts.tls.unwrap().unwrap();
    assert!(facts.shown.unwrap().issuer.starts_with("CN="));
    assert_eq!(facts.version.unwrap().unwrap(), "v1.33.0-fake");
    assert!(facts.may_list.unwrap().unwrap().allowed);
    assert!(facts.may_watch.unwrap().unwrap().allowed);
    common::assert_complete(&facts.snapshot.unwrap().unwrap());
    let matching = facts.matching.unwrap().unwrap();
    assert_eq!((matching[0].ready, matching[0].not_ready), (2, 1));
    assert!(facts.others.is_none());
}

#[test]
fn all_namespaces_are_one_question_and_objects_are_named_with_theirs() {
    let server = server();
    let all = Config {
        namespace: Namespace::All,
        ..config(&server)
    };
    let facts = run(all.clone());
    assert_eq!(facts.namespace.unwrap(), None);
    assert!(facts.may_list.unwrap().unwrap().allowed);
    assert_eq!(facts.matching.unwrap().unwrap()[0].name, "default/web");

    limit_to(
        &server,
        vec![Rule::new(&["list", "watch"], &["endpoints"], &["default"])],
    );
    let facts = run(all);
    assert!(!facts.may_list.unwrap().unwrap().allowed);
    assert!(!facts.may_watch.unwrap().unwrap().allowed);
    assert_eq!(kind(facts.snapshot), Kind::Forbidden);
}

#[test]
fn what_the_field_selector_leaves_out_is_among_the_others() {
    let server = server();
    let facts = run(Config {
        field_selector: Some("metadata.name=db".to_owned()),
        ..config(&server)
    });
    assert!(facts.matching.unwrap().unwrap().is_empty());
    assert_eq!(facts.others.unwrap().unwrap()[0].name, "web");
}

/// Connecting is to its host.
#[test]
fn a_server_with_a_path_is_connected_to() {
    let server = server();
    let url = format!("{}/k8s/clusters/c-1", server.url());
    let facts = run(Config {
        api: only(url.clone()),
        ..config(&server)
    });
    assert_eq!(facts.address.unwrap().server, url);
    facts.tls.unwrap().unwrap();
    assert_eq!(server.journal()[0]["path"], "/k8s/clusters/c-1/version");
}

#[test]
fn a_role_that_lacks_a_verb_says_so_itself() {
    let server = server();
    limit_to(&server, vec![Rule::new(&["list"], &["endpoints"], &["default"])]);
    let facts = run(config(&server));
    let list = facts.may_list.unwrap().unwrap();
    assert!(list.allowed && list.reason.unwrap().contains("system:serviceaccount:default:app"));
    assert!(!facts.may_watch.unwrap().unwrap().allowed);
    facts.snapshot.unwrap().unwrap();

    limit_to(&server, Vec::new());
    let facts = run(config(&server));
    assert!(!facts.may_list.unwrap().unwrap().allowed);
    assert_eq!(kind(facts.snapshot), Kind::Forbidden);
    assert!(facts.matching.is_none());
}

#[test]
fn a_watch_is_opened_where_one_is_wanted_and_must_not_end_at_once() {
    let server = server();
    let to_watch = || Config {
        watch: true,
        ..config(&server)
    };
    assert!(run(config(&server)).watch.is_none());
    run(to_watch()).watch.unwrap().unwrap();
    for (action, kind) in [
        (Action::RawBody(String::new()), Kind::Malformed),
        (Action::CutAfterBytes(0), Kind::Connect),
        (common::status(403), Kind::Forbidden),
    ] {
        server.set_faults(vec![Fault::on_request(action).verb("watch")]);
        let facts = run(to_watch());
        assert_eq!(facts.watch.unwrap().unwrap_err().kind, kind);
        assert_eq!(
            facts.matching.unwrap().unwrap().len(),
            1,
            "what comes after it is asked all the same"
        );
    }
}

#[test]
fn it_answers_on_a_thread_of_its_own_and_can_be_stopped() {
    let server = server();
    let (sender, answers) = std::sync::mpsc::channel();
    let start = || {
        let sender = sender.clone();
        probe::start(config(&server), move |facts| sender.send(facts.version).unwrap()).unwrap()
    };
    let once = start();
    assert!(answers.recv_timeout(LIMIT).unwrap().unwrap().is_ok());
    drop(once);
    server.set_faults(vec![Fault::on_request(Action::Hang)]);
    server.clear_journal();
    let once = start();
    common::wait(&server, |summary| summary.requests == 1);
    drop(once);
    common::wait_up_to(&server, common::SOON, |summary| summary.connections_open == 0);
}

#[test]
fn where_reviews_are_refused_the_list_is_tried_all_the_same() {
    let server = server();
    server.set_faults(vec![Fault::on_request(common::status(403)).verb("create")]);
    let facts = run(config(&server));
    assert_eq!(kind(facts.may_list), Kind::Forbidden);
    common::assert_complete(&facts.snapshot.unwrap().unwrap());
}

#[test]
fn a_version_that_may_not_be_told_stops_nothing_and_a_refused_token_everything() {
    let server = server();
    for (code, reached) in [(403, true), (404, true), (401, false)] {
        server.set_faults(vec![Fault::on_request(common::status(code)).verb("get")]);
        let facts = run(config(&server));
        assert!(facts.version.unwrap().is_err());
        assert_eq!(facts.snapshot.is_some(), reached, "{code}");
    }
}

#[test]
fn where_the_selector_matches_nothing_the_others_are_shown() {
    let server = server();
    let facts = run(Config {
        selector: "app=wep".to_owned(),
        ..config(&server)
    });
    assert!(facts.matching.unwrap().unwrap().is_empty());
    let others = facts.others.unwrap().unwrap();
    assert_eq!(
        (others[0].name.as_str(), &others[0].labels),
        ("web", &vec!["app=web".to_owned()])
    );
}

#[test]
fn a_certificate_that_is_not_accepted_is_shown() {
    let server = server();
    fs::copy(server.other_ca_file(), server.service_account().join("ca.crt")).unwrap();
    let facts = run(config(&server));
    assert_eq!(kind(facts.tls), Kind::Tls);
    assert_ne!(facts.shown.unwrap().issuer, facts.authorities.unwrap()[0].subject);
    assert!(facts.version.is_none());
    assert_eq!(server.summary().requests, 0, "the token stays home");
}

#[test]
fn a_certificate_for_another_name_says_for_which() {
    let server = server();
    let certificate = fake_apiserver::Certificate {
        sans: vec!["other.example".to_owned()],
        ..fake_apiserver::Certificate::default()
    };
    server.set_certificate(&certificate);
    let facts = run(config(&server));
    let error = facts.tls.unwrap().unwrap_err();
    assert!(error.message.contains("other.example"), "{error}");
}

#[test]
fn what_is_missing_stops_only_what_needs_it() {
    let server = server();
    fs::remove_file(server.service_account().join("ca.crt")).unwrap();
    let facts = run(config(&server));
    assert_eq!(facts.authorities.unwrap_err().kind, Kind::Credentials);
    facts.tcp.unwrap().unwrap();
    assert!(facts.tls.is_none() && facts.version.is_none());

    let server = common::server();
    fs::remove_file(server.service_account().join("token")).unwrap();
    let facts = run(config(&server));
    assert_eq!(facts.token.unwrap_err().kind, Kind::Credentials);
    facts.tls.unwrap().unwrap();
    assert!(facts.version.is_none());
}

#[test]
fn a_name_that_does_not_resolve_falls_back_and_says_so() {
    let server = server();
    let mut api = only("https://nobody.invalid".to_owned());
    let facts = run(Config {
        api: api.clone(),
        ..config(&server)
    });
    let error = facts.address.unwrap_err();
    assert_eq!(error.kind, Kind::Dns);
    assert!(error.message.starts_with("cannot resolve nobody.invalid: "), "{error}");
    assert!(facts.tcp.is_none());

    api.fallback = Some(server.url());
    let facts = run(Config { api, ..config(&server) });
    let address = facts.address.unwrap();
    assert!(
        address
            .instead_of
            .unwrap()
            .starts_with("cannot resolve nobody.invalid: ")
    );
    common::assert_complete(&facts.snapshot.unwrap().unwrap());
}

#[test]
fn a_server_that_is_silent_costs_one_timeout() {
    for fault in [
        Fault::on_accept(Action::HangInHandshake),
        Fault::on_request(Action::Hang),
    ] {
        let server = server();
        server.set_faults(vec![fault]);
        let started = Instant::now();
        let facts = run(Config {
            request_timeout: Duration::from_millis(400),
            ..config(&server)
        });
        let silent = facts
            .version
            .map_or_else(|| kind(facts.tls), |version| version.unwrap_err().kind);
        assert_eq!(silent, Kind::Timeout);
        assert!(started.elapsed() < LIMIT);
    }
}

#[test]
fn an_answer_that_repeats_part_of_the_token_does_not_show_it() {
    let server = server();
    let part = &server.token()[..30];
    let echo = json!({"gitVersion": part}).to_string();
    server.set_faults(vec![Fault::on_request(Action::RawBody(echo))]);
    let facts = run(config(&server));
    assert_eq!(facts.version.unwrap().unwrap(), "[token]");
}
