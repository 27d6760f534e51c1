//! What lists and watches are said to have cost.

mod common;

use std::time::Duration;

use common::running::Running;
use common::{config, server, status};
use discovery::watch::report::Ending;
use discovery::{Config, Kind, Report};
use fake_apiserver::Fault;

#[test]
fn each_list_is_reported_with_its_size_and_all_requests_so_far() {
    let server = server();
    let running = Running::start(config(&server));
    for expected in 1..=3 {
        let Report::Listed {
            bytes,
            pages: 1,
            failure: None,
            requests,
            duration,
        } = running.report()
        else {
            panic!("no list");
        };
        assert_eq!(requests, expected);
        assert!((100..10_000).contains(&bytes), "{bytes}");
        assert!(duration > Duration::ZERO);
        running.refresh();
    }
}

#[test]
fn a_list_that_fails_is_reported_with_its_kind() {
    let server = server();
    server.set_faults(vec![Fault::on_request(status(403)).times(1)]);
    let running = Running::start(config(&server));
    let report = running.report();
    assert!(
        matches!(
            report,
            Report::Listed {
                failure: Some(Kind::Forbidden),
                pages: 1,
                ..
            }
        ),
        "{report:?}"
    );
    let report = running.report();
    assert!(
        matches!(
            report,
            Report::Listed {
                failure: None,
                requests: 2,
                ..
            }
        ),
        "{report:?}"
    );
}

#[test]
fn a_watch_is_reported_when_it_ends() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    assert!(matches!(running.report(), Report::Listed { failure: None, .. }));
    server.delete_object("endpoints", "default", "web");
    running.snapshot();
    server.end_watches();
    let report = running.report();
    let Report::Watched {
        ended,
        bytes,
        requests: 2,
    } = report
    else {
        panic!("{report:?}");
    };
    assert_eq!((ended.events, ended.ending), (1, Ending::Ended));
    assert!(bytes > 100, "{bytes}");
}

#[test]
fn a_watch_that_is_refused_was_none() {
    let server = server();
    server.set_faults(vec![Fault::on_request(status(403)).verb("watch")]);
    let running = Running::start(Config {
        watch: true,
        ..config(&server)
    });
    let (first, second) = (running.report(), running.report());
    assert!(matches!(first, Report::Listed { requests: 1, .. }), "{first:?}");
    assert!(matches!(second, Report::Listed { requests: 3, .. }), "{second:?}");
}
