//! Watching over real TLS: what is asked, what becomes of what is heard, and that it can be stopped.

mod common;

use std::time::{Duration, Instant};

use common::running::{Running, errors, snapshots};
use common::watching::{assert_works, line, on_watch, put, version, watches};
use common::{LIMIT, SOON, assert_complete, config, pod, server, status, wait, wait_up_to};
use discovery::{Config, Event, Source};
use fake_apiserver::Action;
use serde_json::json;

#[test]
fn a_list_and_its_watch_are_two_requests_on_one_connection() {
    let server = server();
    let (running, first) = Running::watching(config(&server));
    assert_complete(&first);
    let requests = server.journal();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert_eq!(request["path"], "/api/v1/namespaces/default/endpoints");
        assert_eq!(request["query"]["labelSelector"], "app=web");
        assert_eq!(
            request["headers"]["accept"],
            "application/vnd.kubernetes.protobuf, application/json"
        );
    }
    assert_eq!(requests[0]["query"]["resourceVersion"], "0", "what the list asks for");
    let mut query = requests[1]["query"].clone();
    let seconds: u64 = query["timeoutSeconds"].take().as_str().unwrap().parse().unwrap();
    assert!((240..=300).contains(&seconds), "{seconds}");
    let asked = json!({
        "labelSelector": "app=web", "watch": "true", "allowWatchBookmarks": "true",
        "resourceVersion": first.resource_version, "timeoutSeconds": null,
    });
    assert_eq!(query, asked);
    assert!(running.events.try_recv().is_err());
    assert_eq!(server.summary().handshakes_completed, 1);
}

#[test]
fn sessions_differ_in_length_and_share_the_connection() {
    let server = server();
    let watching: Vec<_> = (0..10).map(|_| Running::watching(config(&server))).collect();
    let mut seconds: Vec<_> = watches(&server)
        .iter()
        .map(|query| query["timeoutSeconds"].to_string())
        .collect();
    assert_eq!(seconds.len(), 10);
    seconds.sort();
    seconds.dedup();
    assert!(seconds.len() > 3, "{seconds:?}");
    server.clear_journal();
    server.send_bookmarks();
    server.end_watches();
    for (running, _) in &watching {
        running.expect_watching();
    }
    let summary = server.summary();
    assert_eq!(
        (summary.watches, summary.lists, summary.connections_accepted),
        (10, 0, 0)
    );
}

#[test]
fn every_change_arrives_as_a_whole_snapshot_without_a_request() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    let added = put(&server, "more", "10.0.0.7");
    let snapshot = running.snapshot();
    assert_eq!(snapshot.ready, ["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.7"]);
    assert_eq!((snapshot.not_ready.len(), snapshot.resource_version), (1, added));
    let modified = put(&server, "more", "10.0.0.8");
    let snapshot = running.snapshot();
    assert_eq!(snapshot.ready, ["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.8"]);
    assert_eq!(snapshot.resource_version, modified);
    let deleted = server.delete_object("endpoints", "default", "web").unwrap();
    let snapshot = running.snapshot();
    assert_eq!(
        (&snapshot.ready[..], snapshot.not_ready.len()),
        (&["app@10.0.0.8".to_owned()][..], 0)
    );
    assert_eq!(snapshot.resource_version, version(&deleted));
    // It no longer matches the selector.
    server.put_object(
        "endpoints",
        "default",
        "more",
        &json!({"metadata": {"labels": {"app": "db"}}}),
    );
    assert!(running.snapshot().ready.is_empty());
    assert_eq!((server.summary().lists, server.summary().watches), (1, 1));
}

#[test]
fn pods_are_watched_too_and_what_changes_no_name_is_not_told() {
    let server = server();
    let pods = Config {
        source: Source::Pods,
        ..config(&server)
    };
    let (running, first) = Running::watching(pods);
    assert_eq!(first.ready, ["app@10.0.0.9"]);
    let mut busy = pod("10.0.0.9");
    let mut last = String::new();
    for restarts in 0..5 {
        busy["status"]["containerStatuses"] = json!([{"name": "web", "restartCount": restarts, "ready": true}]);
        busy["metadata"]["annotations"] = json!({"note": restarts.to_string()});
        last = version(&server.put_object("pods", "default", "web-0", &busy));
    }
    server.end_watches();
    running.expect_watching();
    // It was heard, all of it.
    assert_eq!(watches(&server)[1]["resourceVersion"], json!(last));
    busy["metadata"]["deletionTimestamp"] = json!("2026-08-04T13:00:31Z");
    server.put_object("pods", "default", "web-0", &busy);
    let draining = running.snapshot();
    assert_eq!(
        (draining.ready.len(), draining.draining),
        (0, vec!["app@10.0.0.9".to_owned()])
    );
}

#[test]
fn a_burst_of_changes_ends_in_the_right_snapshot() {
    let server = server();
    server.clear_objects();
    let pods = Config {
        source: Source::Pods,
        ..config(&server)
    };
    let (running, _) = Running::watching(pods);
    for number in 0..400 {
        let ip = format!("10.1.{}.{}", number / 250, number % 250);
        server.put_object("pods", "default", &format!("web-{number:03}"), &pod(&ip));
    }
    let all = running.until(|event| matches!(event, Event::Snapshot(snapshot) if snapshot.ready.len() == 400));
    for pair in snapshots(&all).windows(2) {
        assert!(
            pair[0].ready.iter().all(|name| pair[1].ready.contains(name)),
            "a member was lost in between"
        );
    }
    for number in 0..100 {
        server.delete_object("pods", "default", &format!("web-{number:03}"));
    }
    let rest = running.until(|event| matches!(event, Event::Snapshot(snapshot) if snapshot.ready.len() == 300));
    for pair in snapshots(&rest).windows(2) {
        assert!(
            pair[1].ready.iter().all(|name| pair[0].ready.contains(name)),
            "a member came back in between"
        );
    }
    assert!(errors(&all).is_empty() && errors(&rest).is_empty());
    assert!(running.events.try_recv().is_err());
    assert_eq!((server.summary().lists, server.summary().watches), (1, 1));
}

#[test]
fn changes_that_arrive_together_are_one_snapshot() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    let together: String = (3..50)
        .map(|n| line("ADDED", &format!("web-{n}"), &format!("10.2.0.{n}"), "99"))
        .collect();
    server.send_to_watches(together);
    assert_eq!(running.snapshot().ready.len(), 49);
    assert!(running.events.try_recv().is_err());
}

#[test]
fn a_frame_of_any_length_below_the_limit_is_read() {
    let server = server();
    server.set_faults(vec![on_watch(Action::HugeFrame(2 * 1024 * 1024))]);
    let (running, _) = Running::watching(config(&server));
    assert_works(&server, &running);
    assert_eq!((server.summary().lists, server.summary().watches), (1, 1));
}

#[test]
fn a_stream_that_drips_is_heard() {
    let server = server();
    let slowly = Action::Drip {
        bytes: 40,
        every: Duration::from_millis(1),
    };
    server.set_faults(vec![on_watch(slowly)]);
    let (running, _) = Running::watching(config(&server));
    assert_works(&server, &running);
}

#[test]
fn a_stream_outlives_the_request_timeout() {
    let server = server();
    let (running, _) = Running::watching(Config {
        request_timeout: Duration::from_millis(300),
        ..config(&server)
    });
    assert!(running.events.recv_timeout(Duration::from_millis(700)).is_err());
    assert_works(&server, &running);
    assert_eq!((server.summary().lists, server.summary().watches), (1, 1));
}

#[test]
fn a_refresh_does_nothing_while_a_stream_is_open() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    for _ in 0..50 {
        running.refresh();
    }
    put(&server, "more", "10.0.0.7");
    assert_eq!(running.snapshot().ready.len(), 3);
    for _ in 0..50 {
        running.refresh();
    }
    server.end_watches();
    running.expect_watching();
    assert_works(&server, &running);
    assert!(running.events.try_recv().is_err());
    assert_eq!((server.summary().lists, server.summary().watches), (1, 2));
}

#[test]
fn a_refresh_while_a_watch_is_being_opened_is_served_by_it() {
    for action in [
        // Half a second for the head.
        Action::DripHead {
            bytes: 1,
            every: Duration::from_millis(5),
        },
        // A pause, and another watch.
        status(429),
    ] {
        let server = server();
        server.set_faults(vec![on_watch(action).times(1)]);
        let running = Running::start(Config {
            watch: true,
            ..config(&server)
        });
        running.snapshot();
        wait(&server, |summary| summary.watches == 1);
        let mut watching = false;
        let deadline = Instant::now() + LIMIT;
        while !watching {
            assert!(Instant::now() < deadline, "no watch");
            running.refresh();
            let event = running.events.recv_timeout(Duration::from_millis(10));
            watching = matches!(event, Ok(Event::Watching));
        }
        put(&server, "more", "10.0.0.7");
        assert_eq!(running.snapshot().ready.len(), 3);
        assert_eq!(server.summary().lists, 1);
    }
}

#[test]
fn without_watching_no_watch_is_opened() {
    let server = server();
    let running = Running::start(config(&server));
    assert_complete(&running.snapshot());
    running.refresh();
    running.expect_unchanged();
    assert_eq!(server.summary().watches, 0);
}

#[test]
fn stop_and_drop_end_a_silent_stream() {
    let server = server();
    server.set_watches_silent(true);
    for stop in [Running::assert_stops, Running::assert_ends_when_dropped] {
        let (running, _) = Running::watching(config(&server));
        wait(&server, |summary| summary.watches_open == 1);
        stop(running, &server);
        wait_up_to(&server, SOON, |summary| summary.watches_open == 0);
    }
}

#[test]
fn stop_and_drop_end_a_watch_that_is_not_answered() {
    let server = server();
    server.set_faults(vec![on_watch(Action::Hang)]);
    for stop in [Running::assert_stops, Running::assert_ends_when_dropped] {
        server.clear_journal();
        let running = Running::start(Config {
            watch: true,
            ..config(&server)
        });
        assert_complete(&running.snapshot());
        wait(&server, |summary| summary.watches == 1);
        stop(running, &server);
    }
}

#[test]
fn a_sink_that_has_enough_ends_the_stream() {
    let server = server();
    let watching = Config {
        watch: true,
        ..config(&server)
    };
    let running = Running::start_while(
        watching,
        |event| !matches!(event, Event::Snapshot(snapshot) if snapshot.ready.len() == 3),
    );
    running.until_watching();
    put(&server, "more", "10.0.0.7");
    running.assert_ends();
    wait_up_to(&server, SOON, |summary| summary.connections_open == 0);
}

#[test]
fn two_watches_do_not_disturb_each_other() {
    let server = server();
    let (one, _) = Running::watching(config(&server));
    let (other, _) = Running::watching(config(&server));
    put(&server, "more", "10.0.0.7");
    assert_eq!((one.snapshot().ready.len(), other.snapshot().ready.len()), (3, 3));
    one.discovery.stop();
    one.assert_ends();
    assert_works(&server, &other);
    wait_up_to(&server, LIMIT, |summary| summary.watches_open == 1);
}
