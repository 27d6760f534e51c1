//! The hot functions, on answers as big as those of real clusters: their instructions are counted by `bench/instructions`,
//! and `cargo bench` here takes their times.

use std::hint::black_box;
use std::time::Duration;

use discovery::fuzzing::Offline;
use discovery::objects::candidate::{Candidate, Standing};
use discovery::server::credentials::{self, Token};
use discovery::{ApiAddress, Basename, Config, Event, Mode, Names, Namespace, Source};

/// How many members an answer has.
pub const MEMBERS: usize = 1_000;

/// A hot function with its input, to be called again and again.
pub type Run = Box<dyn FnMut()>;

/// A name, and what makes the input.
pub type Workload = (&'static str, fn() -> Run);

/// Every workload.
pub fn all() -> [Workload; 6] {
    [
        ("list_pods", list_pods),
        ("list_endpoints", list_endpoints),
        ("list_endpoints_json", list_endpoints_json),
        ("watch_pods", watch_pods),
        ("change_among_5000", change_among_5000),
        ("longnames", longnames),
    ]
}

/// 1,000 pods of 6 KB in protobuf: read, named, compared with what is known.
fn list_pods() -> Run {
    list(Source::Pods, protobuf::pod_list(MEMBERS))
}

/// One Endpoints object with 1,000 addresses in protobuf, the same.
fn list_endpoints() -> Run {
    list(Source::Endpoints, protobuf::endpoints_list())
}

/// The same in JSON.
fn list_endpoints_json() -> Run {
    list(Source::Endpoints, endpoints_json())
}

fn list(source: Source, body: Vec<u8>) -> Run {
    let (config, token) = (leak(config(source, false)), leak(token()));
    let mut offline = Offline::new(config, token);
    assert!(matches!(offline.page(&body), Some(Event::Snapshot(snapshot)) if snapshot.ready.len() == MEMBERS));
    Box::new(move || {
        offline.tick();
        assert!(matches!(offline.page(black_box(&body)), Some(Event::Unchanged)));
    })
}

/// 100 events of pods that change between ready and not ready, in protobuf, each told by itself.
fn watch_pods() -> Run {
    const EVENTS: usize = 100;
    let (config, token) = (leak(config(Source::Pods, true)), leak(token()));
    let list = protobuf::pod_list(MEMBERS);
    let mut version = MEMBERS;
    let mut ready = false;
    let mut offline = Offline::new(config, token);
    offline.page(&list);
    Box::new(move || {
        let events = (0..EVENTS).map(|number| protobuf::pod_event("MODIFIED", number, version + number, ready));
        let stream = events.collect::<Vec<_>>().concat();
        version += EVENTS;
        ready = !ready;
        let mut watch = offline.watch(&stream[..], true);
        for _ in 0..EVENTS {
            assert!(matches!(watch.read(), Some(Event::Changed(changes)) if changes.size == MEMBERS));
        }
        watch.read();
    })
}

/// A pod that comes and goes among 5,000, 50 times, in protobuf, each time told by itself.
fn change_among_5000() -> Run {
    const MANY: usize = 5_000;
    let (config, token) = (leak(config(Source::Pods, true)), leak(token()));
    let mut version = MANY;
    let mut offline = Offline::new(config, token);
    assert!(matches!(
        offline.page(&protobuf::pod_list(MANY)),
        Some(Event::Snapshot(_))
    ));
    Box::new(move || {
        let events = ["ADDED", "DELETED"].into_iter().cycle().zip(version..version + 100);
        let events = events.map(|(event, version)| protobuf::pod_event(event, MANY, version, true));
        let stream = events.collect::<Vec<_>>().concat();
        version += 100;
        let mut watch = offline.watch(&stream[..], true);
        for _ in 0..50 {
            assert!(matches!(watch.read(), Some(Event::Changed(changes)) if changes.size == MANY + 1));
            assert!(matches!(watch.read(), Some(Event::Changed(changes)) if changes.gone.len() == 1));
        }
        watch.read();
    })
}

/// 1,000 addresses in each mode.
fn longnames() -> Run {
    let addresses: Vec<_> = (0..MEMBERS).map(ip).collect();
    let modes = [
        Mode::Ip,
        Mode::Dns,
        Mode::Hostname {
            service: "web-headless".to_owned(),
        },
    ];
    let names = modes.map(|mode| Names {
        basename: Basename::Fixed("app".to_owned()),
        mode,
        domain: "cluster.local".to_owned(),
    });
    Box::new(move || {
        for names in &names {
            for ip in &addresses {
                let candidate = Candidate {
                    ip: Some(ip),
                    hostname: Some("web-17"),
                    namespace: Some("production"),
                    standing: Standing::Ready,
                };
                assert!(names.longname(black_box("app"), black_box(&candidate), None).is_ok());
            }
        }
    })
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn config(source: Source, watch: bool) -> Config {
    Config {
        source,
        namespace: Namespace::Named("production".to_owned()),
        selector: "app=app".to_owned(),
        field_selector: None,
        cached: false,
        include_not_ready: false,
        ip_family: None,
        rollout: None,
        names: Names {
            basename: Basename::Fixed("app".to_owned()),
            mode: Mode::Ip,
            domain: "cluster.local".to_owned(),
        },
        api: ApiAddress {
            primary: "https://127.0.0.1:1".to_owned(),
            fallback: None,
        },
        service_account: "/nonexistent".into(),
        request_timeout: Duration::from_secs(1),
        watch,
        watch_retry: Duration::from_mins(1),
        watch_silence: Duration::from_secs(90),
    }
}

/// As long as those of service accounts are.
fn token() -> Token {
    let folder = std::env::temp_dir().join(format!("discovery-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("token"), "eyJhbGciOiJSUzI1NiIsImtpZCI6Ijk".repeat(30)).unwrap();
    let token = credentials::token(&folder).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    token
}

fn ip(number: usize) -> String {
    format!("10.{}.{}.{}", number >> 16, (number >> 8) & 0xff, number & 0xff)
}

fn endpoints_json() -> Vec<u8> {
    let addresses: Vec<_> = (0..MEMBERS)
        .map(|number| {
            format!(
                r#"{{"ip":"{}","nodeName":"worker-{}.example.internal","targetRef":{{"kind":"Pod","namespace":"production","name":"web-6d4cf56db6-{number}","uid":"0a7f6a3c-5f0e-4b6a-9d0e-{number:012}","resourceVersion":"{number}"}}}}"#,
                ip(number),
                number % 100
            )
        })
        .collect();
    format!(
        r#"{{"kind":"EndpointsList","apiVersion":"v1","metadata":{{"resourceVersion":"7"}},"items":[{{"metadata":{{"name":"web","namespace":"production","resourceVersion":"6"}},"subsets":[{{"addresses":[{}],"ports":[{{"port":4369,"protocol":"TCP"}}]}}]}}]}}"#,
        addresses.join(",")
    )
    .into_bytes()
}

/// Objects as the server encodes them, with fillers where it says what does not count.
mod protobuf {
    use super::{MEMBERS, ip};

    pub(super) fn endpoints_list() -> Vec<u8> {
        let addresses = (0..MEMBERS).flat_map(|number| {
            let target = [
                text(1, "Pod"),
                text(2, "production"),
                text(3, &format!("web-6d4cf56db6-{number}")),
                text(4, &format!("0a7f6a3c-5f0e-4b6a-9d0e-{number:012}")),
                text(5, ""),
                text(6, &number.to_string()),
                text(7, ""),
            ];
            let address = [
                text(1, &ip(number)),
                bytes(2, &target.concat()),
                text(3, ""),
                text(4, &format!("worker-{}.example.internal", number % 100)),
            ];
            bytes(1, &address.concat())
        });
        let port = [text(1, "epmd"), vec![16, 145, 34], text(3, "TCP")].concat();
        let subset: Vec<_> = addresses.chain(bytes(3, &port)).collect();
        let metadata = [text(1, "web"), text(3, "production"), text(6, "6")].concat();
        let object = [bytes(1, &metadata), bytes(2, &subset)].concat();
        answer("EndpointsList", &[bytes(1, &text(2, "7")), bytes(2, &object)].concat())
    }

    pub(super) fn pod_list(members: usize) -> Vec<u8> {
        let items = (0..members).flat_map(|number| bytes(2, &pod(number, number, true)));
        let list: Vec<_> = bytes(1, &text(2, "1000")).into_iter().chain(items).collect();
        answer("PodList", &list)
    }

    /// With its length before it, as in a stream.
    pub(super) fn pod_event(kind: &str, number: usize, version: usize, ready: bool) -> Vec<u8> {
        let object = answer("Pod", &pod(number, version, ready));
        let event = [text(1, kind), bytes(2, &bytes(1, &object))].concat();
        [&u32::try_from(event.len()).unwrap().to_be_bytes()[..], &event].concat()
    }

    fn pod(number: usize, version: usize, ready: bool) -> Vec<u8> {
        let label = |key, value: &str| bytes(11, &[text(1, key), text(2, value)].concat());
        let managed = |bytes_of: usize| bytes(17, &text(7, &"f".repeat(bytes_of)));
        let metadata = [
            text(1, &format!("web-6d4cf56db6-{number}")),
            text(3, "production"),
            text(5, "0a7f6a3c-5f0e-4b6a-9d0e-2f6d8a1b7c3e"),
            text(6, &version.to_string()),
            label("app", "app"),
            label("app.kubernetes.io/managed-by", "Helm"),
            label("pod-template-hash", "6d4cf56db6"),
            managed(600),
            managed(1_200),
        ];
        let container = text(1, &"c".repeat(1_200));
        let spec = [
            bytes(1, &text(1, "kube-api-access")),
            bytes(2, &container),
            bytes(2, &container),
            text(10, "worker-17.example.internal"),
        ];
        let condition = |kind, status| bytes(2, &[text(1, kind), text(2, status), bytes(4, &[8, 1])].concat());
        let ready = if ready { "True" } else { "False" };
        let status = [
            text(1, "Running"),
            condition("Initialized", "True"),
            condition("Ready", ready),
            condition("ContainersReady", ready),
            condition("PodScheduled", "True"),
            text(6, &ip(number)),
            bytes(8, &text(1, &"s".repeat(600))),
            bytes(8, &text(1, &"s".repeat(600))),
            bytes(12, &text(1, &ip(number))),
        ];
        [
            bytes(1, &metadata.concat()),
            bytes(2, &spec.concat()),
            bytes(3, &status.concat()),
        ]
        .concat()
    }

    fn answer(kind: &str, object: &[u8]) -> Vec<u8> {
        let meta = bytes(1, &[text(1, "v1"), text(2, kind)].concat());
        [b"k8s\0", &meta[..], &bytes(2, object), &text(3, ""), &text(4, "")].concat()
    }

    fn text(field: u8, text: &str) -> Vec<u8> {
        bytes(field, text.as_bytes())
    }

    fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
        let mut encoded = varint(usize::from(field) << 3 | 2);
        encoded.extend(varint(content.len()));
        encoded.extend(content);
        encoded
    }

    fn varint(mut number: usize) -> Vec<u8> {
        let mut encoded = Vec::new();
        while number >= 0x80 {
            encoded.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        encoded.push(number.to_le_bytes()[0]);
        encoded
    }
}
