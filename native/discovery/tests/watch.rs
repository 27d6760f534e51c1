//! Watching over real TLS: what is asked, what becomes of what is heard, and what an end of any kind costs.

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::running::{Running, errors, snapshots};
use common::{LIMIT, SOON, assert_complete, config, pod, server, status, wait, wait_up_to, write_token};
use discovery::{Config, Event, Freshness, Kind, Source};
use fake_apiserver::{Action, Authority, Certificate, Fault, Rule, Server};
use serde_json::{Value, json};

/// The names that [`server`] has ready.
const FIRST: [&str; 2] = ["app@10.0.0.1", "app@10.0.0.2"];
const GARBAGE: &str = "<html>no event</html>\n";

/// Adds an Endpoints object with one ready address, or replaces it; gives its version.
fn put(server: &Server, name: &str, ip: &str) -> String {
    let body = json!({
        "metadata": {"labels": {"app": "web"}},
        "subsets": [{"addresses": [{"ip": ip}]}],
    });
    version(&server.put_object("endpoints", "default", name, &body))
}

fn version(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

/// Moves the server's version without touching what is watched; gives it.
fn elsewhere(server: &Server) -> String {
    let before = server.objects("pods").len();
    version(&server.put_object("pods", "default", &format!("other-{before}"), &pod("10.9.9.9")))
}

/// The parameters of each watch so far.
fn watches(server: &Server) -> Vec<Value> {
    let requests = server.journal().into_iter();
    requests
        .filter(|it| it["watch"] == true)
        .map(|it| it["query"].clone())
        .collect()
}

/// A line of a watch, as the server would send it.
fn line(kind: &str, name: &str, ip: &str, version: &str) -> String {
    let metadata = json!({"name": name, "namespace": "default", "resourceVersion": version});
    let object = json!({"metadata": metadata, "subsets": [{"addresses": [{"ip": ip}]}]});
    format!("{}\n", json!({"type": kind, "object": object}))
}

/// The line that ends a watch for this reason.
fn error_line(code: u16) -> String {
    let status =
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "the reason", "code": code});
    format!("{}\n", json!({"type": "ERROR", "object": status}))
}

fn on_watch(action: Action) -> Fault {
    Fault::on_request(action).verb("watch")
}

/// A watch that breaks off now has been heard, once this returns.
#[track_caller]
fn let_it_hear(server: &Server, running: &Running, name: &str) {
    put(server, name, "10.0.0.2");
    // It names nothing new, but it is a new object.
    running.snapshot();
}

/// Fails unless a change still arrives by itself.
#[track_caller]
fn assert_works(server: &Server, running: &Running) {
    put(server, "at-last", "10.7.7.7");
    running.until(
        |event| matches!(event, Event::Snapshot(snapshot) if snapshot.ready.contains(&"app@10.7.7.7".to_owned())),
    );
}

fn lists_only() -> Vec<Rule> {
    vec![Rule::new(&["list"], &["endpoints"], &["default"])]
}

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
    let (running, _) = Running::watching(config(&server));
    for _ in 0..9 {
        // Only a session that was heard is followed by the next at once.
        server.send_bookmarks();
        server.end_watches();
        running.expect_watching();
    }
    let mut seconds: Vec<_> = watches(&server)
        .iter()
        .map(|query| query["timeoutSeconds"].to_string())
        .collect();
    assert_eq!(seconds.len(), 10);
    seconds.sort();
    seconds.dedup();
    assert!(seconds.len() > 3, "{seconds:?}");
    let summary = server.summary();
    assert_eq!((summary.lists, summary.handshakes_completed), (1, 1));
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
fn a_clean_end_is_resumed_from_the_last_event() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    let last = put(&server, "more", "10.0.0.7");
    running.snapshot();
    elsewhere(&server);
    server.end_watches();
    running.expect_watching();
    assert_eq!(watches(&server)[1]["resourceVersion"], json!(last));
    assert_works(&server, &running);
    assert_eq!((server.summary().lists, server.summary().handshakes_completed), (1, 1));
}

#[test]
fn a_clean_end_is_resumed_from_the_last_bookmark() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    put(&server, "more", "10.0.0.7");
    running.snapshot();
    let last = elsewhere(&server);
    server.send_bookmarks();
    server.end_watches();
    running.expect_watching();
    assert_eq!(watches(&server)[1]["resourceVersion"], json!(last));
    assert_eq!(server.summary().lists, 1);
}

/// Nobody has to list because a cluster was quiet for longer than the server remembers.
#[test]
fn a_bookmark_saves_a_quiet_watch_from_compaction() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    elsewhere(&server);
    server.compact();
    server.send_bookmarks();
    server.end_watches();
    running.expect_watching();
    assert_works(&server, &running);
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn a_stream_that_ends_before_it_is_heard_is_resumed_without_a_word() {
    let server = server();
    let (running, first) = Running::watching(config(&server));
    server.end_watches();
    running.expect_watching();
    assert_eq!(watches(&server)[1]["resourceVersion"], json!(first.resource_version));
    assert_works(&server, &running);
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn a_cut_stream_is_resumed_and_nothing_is_lost() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    let_it_hear(&server, &running, "heard");
    server.cut_watches();
    put(&server, "meanwhile", "10.0.0.7");
    let said = running.until_ready(&["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.7"]);
    assert!(errors(&said).is_empty(), "a stream that worked: {said:?}");
    assert_eq!((server.summary().lists, server.summary().watches), (1, 2));
}

#[test]
fn a_stream_that_is_cut_before_it_is_heard_is_an_error() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    server.cut_watches();
    let error = running.error();
    assert_eq!(error.kind, Kind::Connect);
    assert!(error.message.contains("cannot watch endpoints"), "{error}");
    running.expect_watching();
    assert_works(&server, &running);
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn a_line_that_is_cut_short_counts_only_when_it_comes_whole() {
    for bytes in [1, 40, 150] {
        let server = server();
        server.set_faults(vec![on_watch(Action::CutAfterBytes(bytes)).times(1)]);
        let (running, _) = Running::watching(config(&server));
        put(&server, "more", "10.0.0.7");
        let said = running.until_ready(&["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.7"]);
        assert_eq!(errors(&said).len(), 1, "{said:?}");
        assert_eq!(errors(&said)[0].kind, Kind::Connect);
        assert_eq!((server.summary().lists, server.summary().watches), (1, 2));
    }
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
fn what_changed_while_the_server_was_away_arrives_when_it_is_back() {
    let server = server();
    put(&server, "leaving", "10.0.0.6");
    let (running, _) = Running::watching(config(&server));
    let_it_hear(&server, &running, "heard-1");
    server.set_listening(false).unwrap();
    assert_eq!(running.error().kind, Kind::Connect);
    put(&server, "more", "10.0.0.7");
    put(&server, "changing", "10.0.0.8");
    put(&server, "changing", "10.0.0.9");
    server.delete_object("endpoints", "default", "leaving");
    server.set_listening(true).unwrap();
    let said = running.until_ready(&["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.7", "app@10.0.0.9"]);
    assert!(said.iter().any(|event| matches!(event, Event::Watching)));
    assert!(errors(&said).iter().all(|error| error.kind == Kind::Connect));
    for snapshot in snapshots(&said) {
        assert!(
            FIRST
                .iter()
                .all(|&name| snapshot.ready.iter().any(|ready| ready == name))
        );
    }
    assert_eq!(server.summary().lists, 1);
}

/// Loses the history that the watch would go on from; what changed meanwhile is 10.0.0.6 gone and 10.0.0.7 new.
fn expire(server: &Server, running: &Running) {
    put(server, "leaving", "10.0.0.6");
    running.snapshot();
    server.set_watches_silent(true);
    put(server, "more", "10.0.0.7");
    server.delete_object("endpoints", "default", "leaving");
    server.compact();
    server.end_watches();
    server.set_watches_silent(false);
}

#[test]
fn a_version_that_expired_meanwhile_is_listed_anew_and_nobody_is_forgotten() {
    for as_status in [false, true] {
        let server = server();
        server.set_expired_as_status(as_status);
        let (running, _) = Running::watching(config(&server));
        expire(&server, &running);
        let said = running.until_ready(&["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.7"]);
        assert!(errors(&said).is_empty(), "that is no failure: {said:?}");
        for snapshot in snapshots(&said) {
            assert!(
                FIRST
                    .iter()
                    .all(|&name| snapshot.ready.iter().any(|ready| ready == name))
            );
        }
        running.expect_watching();
        assert_works(&server, &running);
        assert_eq!(server.summary().lists, 2);
    }
}

/// No more lists than pauses that grow allow: eight pauses of up to 0.5, 1, 2 and then 4 s fit into this time once in
/// 27,000 runs, and eight of up to 0.5 s nearly always.
#[track_caller]
fn assert_backs_off(server: &Server, running: &Running) {
    let more = server.wait_until(Duration::from_millis(2_500), |summary| summary.lists > 8);
    assert!(more.is_err(), "{:?}", server.summary());
    assert!(server.summary().lists > 1);
    assert_complete(snapshots(&running.events.try_iter().collect::<Vec<_>>())[0]);
}

#[test]
fn a_status_410_in_a_loop_backs_off() {
    let server = server();
    server.set_faults(vec![on_watch(status(410))]);
    let running = Running::start(Config {
        watch: true,
        ..config(&server)
    });
    assert_backs_off(&server, &running);
}

#[test]
fn an_error_event_410_in_a_loop_backs_off() {
    let server = server();
    server.set_faults(vec![on_watch(Action::RawBody(error_line(410)))]);
    let running = Running::start(Config {
        watch: true,
        ..config(&server)
    });
    assert_backs_off(&server, &running);
}

/// As from something in between that ignores `watch=true` and answers with a list, and a line feed after it.
#[test]
fn garbage_in_a_loop_backs_off() {
    let server = server();
    server.set_faults(vec![on_watch(Action::RawBody(GARBAGE.to_owned()))]);
    let running = Running::start(Config {
        watch: true,
        ..config(&server)
    });
    assert_backs_off(&server, &running);
}

#[test]
fn streams_that_end_at_once_back_off() {
    let server = server();
    server.set_faults(vec![on_watch(Action::RawBody(String::new()))]);
    let (_running, _) = Running::watching(config(&server));
    let more = server.wait_until(Duration::from_millis(1_500), |summary| summary.watches > 8);
    assert!(more.is_err(), "{:?}", server.summary());
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn a_line_that_is_no_event_is_an_error_and_listed_anew() {
    let lines = [
        GARBAGE.to_owned(),
        line("RENAMED", "web", "10.0.0.1", "9"),
        line("ADDED", "web", "10.0.0.1", ""),
        "{\"type\":\"ADDED\",\"object\":{}}\n".to_owned(),
        "\0\n".to_owned(),
    ];
    for line in lines {
        let server = server();
        let (running, _) = Running::watching(config(&server));
        server.send_to_watches(&line);
        let error = running.error();
        assert_eq!(error.kind, Kind::Malformed, "{line}");
        assert!(
            error.message.contains("cannot watch endpoints") && !error.message.contains('\n'),
            "{error}"
        );
        running.expect_unchanged();
        running.expect_watching();
        assert_eq!(server.summary().lists, 2);
        wait(&server, |summary| summary.connections_open == 1);
        assert_works(&server, &running);
    }
}

#[test]
fn what_came_before_garbage_is_told_before_it() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    server.send_to_watches(line("ADDED", "more", "10.0.0.7", "99") + GARBAGE);
    assert_eq!(running.snapshot().ready.len(), 3);
    assert_eq!(running.error().kind, Kind::Malformed);
    // The list knows better.
    assert_complete(&running.snapshot());
}

#[test]
fn what_came_before_garbage_is_told_before_it_though_more_follows() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    server.send_to_watches(line("ADDED", "more", "10.0.0.7", "99") + GARBAGE + GARBAGE);
    assert_eq!(running.snapshot().ready.len(), 3);
    assert_eq!(running.error().kind, Kind::Malformed);
}

#[test]
fn what_came_before_the_end_of_history_has_its_version() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    server.send_to_watches(line("ADDED", "more", "10.0.0.7", "99") + &error_line(410));
    let snapshot = running.snapshot();
    assert_eq!((snapshot.ready.len(), &*snapshot.resource_version), (3, "99"));
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
fn a_frame_over_the_limit_is_an_error_and_listed_anew() {
    let server = server();
    server.set_faults(vec![on_watch(Action::HugeFrame(9 * 1024 * 1024)).times(1)]);
    let (running, _) = Running::watching(config(&server));
    assert_eq!(running.error().kind, Kind::TooLarge);
    running.expect_unchanged();
    running.expect_watching();
    assert_works(&server, &running);
    assert_eq!(server.summary().lists, 2);
}

#[test]
fn a_frame_that_repeats_the_token_is_an_error_that_does_not() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    server.send_to_watches(line("ADDED", server.token(), "10.0.0.1", "9"));
    let error = running.error();
    assert_eq!(error.kind, Kind::Malformed);
    assert!(!format!("{error:?}").contains(server.token()));
    running.expect_unchanged();
}

#[test]
fn an_error_event_is_said_and_the_watch_opened_anew_without_a_list() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    for code in [500, 429, 403] {
        let last = put(&server, "counter", &format!("10.0.1.{}", code - 400));
        running.snapshot();
        server.send_to_watches(error_line(code));
        let error = running.error();
        assert_eq!(error.status, Some(code));
        assert!(error.message.contains("the reason"), "{error}");
        running.expect_watching();
        assert_eq!(watches(&server).last().unwrap()["resourceVersion"], json!(last));
    }
    assert_works(&server, &running);
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn a_watch_that_fails_to_open_is_an_error_and_tried_again_without_a_list() {
    let server = server();
    server.set_faults(vec![
        on_watch(status(503)).times(1),
        on_watch(Action::Close).times(1),
        on_watch(Action::RawResponse("no HTTP\r\n\r\n".to_owned())).times(1),
    ]);
    let running = Running::start(Config {
        watch: true,
        ..config(&server)
    });
    assert_complete(&running.snapshot());
    let kinds: Vec<_> = errors(&running.until_watching())
        .iter()
        .map(|error| error.kind)
        .collect();
    assert_eq!(kinds.len(), 3, "{kinds:?}");
    assert_eq!(kinds[0], Kind::Server);
    assert_works(&server, &running);
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn a_watch_that_is_asked_to_wait_waits() {
    let server = server();
    let start = Instant::now();
    server.set_faults(vec![
        on_watch(Action::Status {
            code: 429,
            body: None,
            headers: vec![("retry-after".to_owned(), "1".to_owned())],
        })
        .times(1),
    ]);
    let running = Running::start(Config {
        watch: true,
        ..config(&server)
    });
    assert_complete(&running.snapshot());
    let error = running.error();
    assert_eq!(error.kind, Kind::RateLimited);
    assert!(error.message.contains("cannot watch endpoints"), "{error}");
    running.expect_watching();
    assert!(start.elapsed() >= Duration::from_secs(1), "after {:?}", start.elapsed());
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn a_watch_without_an_answer_times_out_and_is_listed_before_it_is_tried_again() {
    let server = server();
    server.set_faults(vec![on_watch(Action::Hang).times(1)]);
    let running = Running::start(Config {
        watch: true,
        watch_retry: Duration::from_millis(1),
        request_timeout: Duration::from_millis(300),
        ..config(&server)
    });
    assert_complete(&running.snapshot());
    let snapshot = running.snapshot();
    assert_complete(&snapshot);
    assert!(snapshot.warnings[0].contains("no complete answer"), "{snapshot:?}");
    // By then its time has come.
    running.expect_watching();
    assert_works(&server, &running);
}

/// A cache may be older than what the watch has told.
#[test]
fn a_list_that_follows_a_watch_is_not_from_a_cache() {
    let server = server();
    let (running, _) = Running::watching(Config {
        cached: true,
        ..config(&server)
    });
    running.discovery.list();
    running.expect_unchanged();
    running.expect_watching();
    let cached: Vec<_> = server
        .journal()
        .iter()
        .filter(|request| request["watch"] != true)
        .map(|list| list["query"]["resourceVersion"] == "0")
        .collect();
    assert_eq!(cached, [true, false]);
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
fn a_silent_server_that_sent_bookmarks_is_replaced_without_a_word() {
    let server = server();
    let (running, first) = Running::watching(Config {
        watch_silence: Duration::from_millis(300),
        ..config(&server)
    });
    server.set_watches_silent(false);
    server.send_bookmarks();
    server.set_watches_silent(true);
    put(&server, "more", "10.0.0.7");
    running.expect_watching();
    server.set_watches_silent(false);
    let said = running.until_ready(&["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.7"]);
    assert!(errors(&said).is_empty());
    let asked = watches(&server);
    assert_eq!(asked[1]["resourceVersion"], json!(first.resource_version));
    assert_eq!(server.summary().lists, 1);
    wait(&server, |summary| {
        summary.watches_open == 1 && summary.connections_open == 1
    });
}

#[test]
fn a_server_without_bookmarks_is_replaced_once_and_then_borne_with() {
    let server = server();
    server.set_bookmarks(None);
    let (running, _) = Running::watching(Config {
        watch_silence: Duration::from_millis(200),
        ..config(&server)
    });
    running.expect_watching();
    assert!(running.events.recv_timeout(Duration::from_secs(1)).is_err());
    assert_eq!(server.summary().watches, 2);
    assert_works(&server, &running);
}

#[test]
fn a_watch_that_is_forbidden_becomes_polling_with_a_warning_that_names_the_verb() {
    let server = server();
    server.put_token(server.token(), "limited", lists_only());
    let running = Running::start(Config {
        watch: true,
        ..config(&server)
    });
    let first = running.snapshot();
    assert_complete(&first);
    assert!(first.warnings.is_empty());
    let snapshot = running.snapshot();
    assert_complete(&snapshot);
    let [warning] = &snapshot.warnings[..] else {
        panic!("{:?}", snapshot.warnings);
    };
    assert!(
        warning.contains("verb \"watch\"") && warning.contains("\"endpoints\""),
        "{warning}"
    );
    for lists in 3..6 {
        running.refresh();
        running.expect_unchanged();
        assert_eq!(server.summary().lists, lists);
    }
    assert!(errors(&running.events.try_iter().collect::<Vec<_>>()).is_empty());
    assert_eq!(server.summary().watches, 1, "not tried again before its time");
}

#[test]
fn a_watch_that_is_granted_later_is_opened_by_a_later_list() {
    let server = server();
    server.put_token(server.token(), "limited", lists_only());
    let running = Running::start(Config {
        watch: true,
        watch_retry: Duration::from_millis(100),
        ..config(&server)
    });
    let refused = |event: &Event| matches!(event, Event::Snapshot(snapshot) if !snapshot.warnings.is_empty());
    running.until(refused);
    // Refused again, and no error either.
    let deadline = Instant::now() + LIMIT;
    while server.summary().watches < 2 {
        assert!(Instant::now() < deadline, "not tried again");
        running.refresh();
        running.expect_unchanged();
    }
    server.put_token(server.token(), "trusted", vec![Rule::everything()]);
    let mut watching = false;
    while !watching {
        assert!(Instant::now() < deadline, "not tried again");
        running.refresh();
        watching = match running.event() {
            Event::Error(error) => panic!("{error}"),
            event => matches!(event, Event::Watching),
        };
    }
    put(&server, "more", "10.0.0.7");
    let snapshot = running.snapshot();
    assert_eq!((snapshot.ready.len(), snapshot.warnings.len()), (3, 0));
}

#[test]
fn what_knows_no_watches_is_polled() {
    for code in [400, 404, 405, 406, 501] {
        let server = server();
        server.set_faults(vec![on_watch(status(code))]);
        let running = Running::start(Config {
            watch: true,
            ..config(&server)
        });
        assert_complete(&running.snapshot());
        let snapshot = running.snapshot();
        assert_complete(&snapshot);
        assert_eq!(snapshot.warnings.len(), 1, "{code}");
        put(&server, "more", "10.0.0.7");
        running.refresh();
        assert_eq!(running.snapshot().ready.len(), 3);
    }
}

#[test]
fn a_role_that_is_lost_while_watching_becomes_polling() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    let_it_hear(&server, &running, "heard");
    server.put_token(server.token(), "limited", lists_only());
    server.end_watches();
    assert_eq!(running.snapshot().warnings.len(), 1);
    put(&server, "more", "10.0.0.7");
    running.refresh();
    assert_eq!(running.snapshot().ready.len(), 3);
}

#[test]
fn a_rotated_token_is_used_when_the_watch_goes_on() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    let_it_hear(&server, &running, "heard");
    server.put_token("the-rotated-token", "same", vec![Rule::everything()]);
    write_token(&server, "the-rotated-token");
    server.delete_token(server.token());
    server.end_watches();
    running.expect_watching();
    let last = server.journal().pop().unwrap();
    assert_eq!((&last["user"], &last["status"]), (&json!("same"), &json!(200)));
    assert_works(&server, &running);
    assert_eq!((server.summary().lists, server.summary().handshakes_completed), (1, 1));
}

#[test]
fn a_token_that_is_no_longer_accepted_is_an_error_until_there_is_a_new_one() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    let_it_hear(&server, &running, "heard");
    server.delete_token(server.token());
    server.cut_watches();
    let error = running.error();
    assert_eq!(error.kind, Kind::Unauthorized);
    server.put_token("the-rotated-token", "same", vec![Rule::everything()]);
    write_token(&server, "the-rotated-token");
    let said = running.until_watching();
    assert!(errors(&said).iter().all(|error| error.kind == Kind::Unauthorized));
    assert_works(&server, &running);
    assert_eq!(server.summary().lists, 1);
}

#[test]
fn a_rotated_authority_is_believed_when_the_watch_goes_on() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    let_it_hear(&server, &running, "heard");
    server.set_certificate(&Certificate {
        authority: Authority::Other,
        ..Certificate::default()
    });
    fs::copy(server.other_ca_file(), server.service_account().join("ca.crt")).unwrap();
    server.end_watches();
    running.expect_watching();
    assert_works(&server, &running);
    let summary = server.summary();
    assert_eq!((summary.lists, summary.handshakes_completed), (1, 2));
    wait(&server, |summary| summary.connections_open == 1);
}

#[test]
fn a_server_of_another_authority_gets_no_watch() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    let_it_hear(&server, &running, "heard");
    server.set_certificate(&Certificate {
        authority: Authority::Other,
        ..Certificate::default()
    });
    let requests = server.summary().requests;
    server.cut_watches();
    assert_eq!(running.error().kind, Kind::Tls);
    assert_eq!(server.summary().requests, requests);
    server.set_certificate(&Certificate::default());
    running.until_watching();
    assert_works(&server, &running);
}

#[test]
fn a_list_can_be_had_while_a_stream_is_open_which_goes_on_after_it() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    for lists in 2..5 {
        // What the stream alone would not tell.
        server.set_watches_silent(true);
        let last = put(&server, "more", &format!("10.0.1.{lists}"));
        running.discovery.list();
        let snapshot = running.snapshot();
        assert_eq!((snapshot.ready.len(), &snapshot.resource_version), (3, &last));
        running.expect_watching();
        server.set_watches_silent(false);
        assert_eq!((server.summary().lists, server.summary().watches), (lists, lists));
        assert_eq!(watches(&server).last().unwrap()["resourceVersion"], json!(last));
        wait(&server, |summary| {
            summary.connections_open == 1 && summary.watches_open == 1
        });
    }
    assert!(running.events.try_recv().is_err());
    assert_works(&server, &running);
}

#[test]
fn lists_that_are_asked_for_in_a_hurry_end_in_a_stream() {
    let server = server();
    let (running, _) = Running::watching(config(&server));
    for _ in 0..200 {
        running.discovery.list();
    }
    assert_works(&server, &running);
    wait(&server, |summary| {
        summary.watches_open == 1 && summary.connections_open == 1
    });
    let said: Vec<_> = running.events.try_iter().collect();
    assert!(errors(&said).is_empty(), "{said:?}");
}

#[test]
fn a_list_that_is_asked_for_between_two_streams_is_not_forgotten() {
    let server = server();
    let unavailable = Action::Status {
        code: 503,
        body: None,
        headers: vec![("retry-after".to_owned(), "1".to_owned())],
    };
    server.set_faults(vec![on_watch(unavailable).times(1)]);
    let running = Running::start(Config {
        watch: true,
        ..config(&server)
    });
    assert_complete(&running.snapshot());
    running.error();
    running.discovery.list();
    running.expect_unchanged();
    running.expect_watching();
    assert_eq!(server.summary().lists, 2);
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
fn without_watching_no_watch_is_opened() {
    let server = server();
    let running = Running::start(config(&server));
    assert_complete(&running.snapshot());
    running.refresh();
    running.expect_unchanged();
    assert_eq!(server.summary().watches, 0);
}

/// Or else every tick of a strategy that misses somebody would cost a list and a new watch.
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
            running.discovery.refresh(Freshness::Present);
            let event = running.events.recv_timeout(Duration::from_millis(10));
            watching = matches!(event, Ok(Event::Watching));
        }
        put(&server, "more", "10.0.0.7");
        assert_eq!(running.snapshot().ready.len(), 3);
        assert_eq!(server.summary().lists, 1);
    }
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
    assert_eq!(other.events.recv_timeout(Duration::ZERO).ok().map(drop), None);
    wait_up_to(&server, LIMIT, |summary| summary.watches_open == 1);
}
