//! Lives of discoveries, many and short, for bin/memcheck to watch: several threads start them, ask them for lists, have
//! their API fail in every phase of a request, and stop them while they are at it.
//!
//! It ends with 0 when every thread of theirs is gone; valgrind or a sanitizer adds what it has seen.
//!
//!     cargo run -p discovery --example worker_churn [ROUNDS]

#[path = "../tests/common/mod.rs"]
mod common;

use std::fs;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use common::{config, only, pod, server, status, wait_up_to};
use discovery::watch::lister::Lister;
use discovery::{Config, Discovery, Event, Source};
use fake_apiserver::{Action, Fault, Server};

/// Under valgrind everything takes 50 times as long.
const PATIENCE: Duration = Duration::from_mins(2);

const LIVES: [fn(&Server); 10] = [
    polling,
    watching,
    asked_once,
    by_name,
    stopped_at_once,
    stopped_in_a_pause,
    stopped_while_it_hangs,
    asked_from_many_threads,
    not_listened_to,
    without_trust,
];

fn main() {
    let rounds = std::env::args()
        .nth(1)
        .map_or(10, |rounds| rounds.parse().expect("a number"));
    thread::scope(|scope| {
        for first in 0..4 {
            scope.spawn(move || {
                let server = server();
                for life in LIVES.iter().cycle().skip(first * 2).take(rounds * LIVES.len()) {
                    life(&server);
                    server.clear_faults();
                    wait_up_to(&server, PATIENCE, |summary| summary.connections_open == 0);
                }
            });
        }
    });
    let left = threads_left();
    assert!(left.is_empty(), "still there: {left:?}");
    println!("{} discoveries came and went", rounds * LIVES.len() * 4);
}

/// The threads of discoveries, once those that are ending have had their time.
fn threads_left() -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        let ours: Vec<_> = names.filter(|name| name.starts_with("k8s-")).collect();
        if ours.is_empty() || Instant::now() > deadline {
            return ours;
        }
        thread::yield_now();
    }
}

/// A discovery that is awaited to its end.
struct Life {
    discovery: Discovery,
    events: Receiver<Event>,
}

impl Life {
    fn start(config: Config) -> Self {
        let (sender, events) = channel();
        let discovery = Discovery::start(config, sink(sender)).expect("a thread");
        Self { discovery, events }
    }

    fn until(&self, wanted: impl Fn(&Event) -> bool) {
        while !wanted(&self.events.recv_timeout(PATIENCE).expect("an event in time")) {}
    }

    fn until_answer(&self) {
        self.until(|event| matches!(event, Event::Snapshot(_) | Event::Unchanged));
    }

    fn until_watching(&self) {
        self.until(|event| matches!(event, Event::Watching));
    }

    fn until_error(&self) {
        self.until(|event| matches!(event, Event::Error(_)));
    }

    /// Drops it, and waits until its thread has dropped the sink.
    fn end(self) {
        drop(self.discovery);
        let deadline = Instant::now() + PATIENCE;
        while self.events.recv_timeout(PATIENCE).is_ok() {
            assert!(Instant::now() < deadline, "it goes on");
        }
    }
}

fn sink(sender: Sender<Event>) -> impl FnMut(Event) -> bool {
    move |event| sender.send(event).is_ok()
}

fn patient(server: &Server) -> Config {
    Config {
        request_timeout: PATIENCE,
        ..config(server)
    }
}

fn to_watch(server: &Server) -> Config {
    Config {
        watch: true,
        ..patient(server)
    }
}

fn polling(server: &Server) {
    let life = Life::start(patient(server));
    for _ in 0..3 {
        life.until_answer();
        life.discovery.refresh();
    }
    life.end();
}

fn watching(server: &Server) {
    let source = Source::Pods;
    let life = Life::start(Config {
        source,
        ..to_watch(server)
    });
    life.until_watching();
    server.put_object("pods", "default", "web-1", &pod("10.0.0.8"));
    life.until_answer();
    server.end_watches();
    life.until_watching();
    server.delete_object("pods", "default", "web-1");
    life.until_answer();
    server.cut_watches();
    life.until_watching();
    server.send_to_watches("garbage\n");
    life.until_error();
    life.until_answer();
    // The next stream is to tell something before it is told of.
    server.put_object("pods", "default", "web-1", &pod("10.0.0.8"));
    life.until_watching();
    life.end();
    server.delete_object("pods", "default", "web-1");
}

/// On threads of their own: one is awaited, one dropped while it hangs, and one has nobody who listens.
fn asked_once(server: &Server) {
    let (sender, answers) = channel();
    let answered = |config| {
        let sender = sender.clone();
        Lister::start(config, move |answer| {
            let _ = sender.send(answer.is_ok());
        })
        .expect("a thread")
    };
    let once = answered(patient(server));
    assert!(answers.recv_timeout(PATIENCE).expect("an answer in time"));
    drop(once);
    drop(Lister::start(patient(server), drop).expect("a thread"));
    server.set_faults(vec![Fault::on_request(Action::Hang)]);
    let lists = server.summary().lists;
    let once = answered(patient(server));
    wait_up_to(server, PATIENCE, |summary| summary.lists > lists);
    drop(once);
    assert!(!answers.recv_timeout(PATIENCE).expect("an answer in time"));
}

/// With the thread that resolves names.
fn by_name(server: &Server) {
    let url = format!("https://localhost:{}", server.address().port());
    let lives: Vec<_> = (0..3)
        .map(|_| {
            let api = only(url.clone());
            Life::start(Config { api, ..patient(server) })
        })
        .collect();
    for life in lives {
        life.until_answer();
        life.end();
    }
}

fn stopped_at_once(server: &Server) {
    for _ in 0..5 {
        Life::start(to_watch(server)).end();
    }
}

fn stopped_in_a_pause(server: &Server) {
    server.set_faults(vec![Fault::on_request(status(503))]);
    let life = Life::start(to_watch(server));
    life.until_error();
    life.end();
}

fn stopped_while_it_hangs(server: &Server) {
    let truncated = Action::TruncateBody(10);
    for (fault, hangs) in [
        (Fault::on_accept(Action::Hang), true),
        (Fault::on_request(Action::Hang), true),
        (Fault::on_request(Action::HeadersThenHang), true),
        (Fault::on_accept(Action::Reset), false),
        (Fault::on_request(truncated), false),
    ] {
        server.set_faults(vec![fault]);
        let accepted = server.summary().connections_accepted;
        let life = Life::start(patient(server));
        if hangs {
            wait_up_to(server, PATIENCE, |summary| summary.connections_accepted > accepted);
        } else {
            life.until_error();
        }
        life.end();
    }
}

fn asked_from_many_threads(server: &Server) {
    let life = Life::start(to_watch(server));
    life.until_watching();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..20 {
                    life.discovery.refresh();
                }
                life.discovery.stop();
            });
        }
        scope.spawn(|| server.put_object("pods", "default", "web-2", &pod("10.0.0.7")));
    });
    life.end();
}

/// By an owner that is gone.
fn not_listened_to(server: &Server) {
    let (sender, events) = channel();
    let (told, ended) = channel::<()>();
    drop(events);
    let mut sink = sink(sender);
    let discovery = Discovery::start(to_watch(server), move |event| {
        let _ = &told;
        sink(event)
    });
    assert!(ended.recv_timeout(PATIENCE).is_err());
    drop(discovery);
}

/// In the server's certificate, until the CA is replaced.
fn without_trust(server: &Server) {
    let ca = server.service_account().join("ca.crt");
    let own = fs::read(&ca).expect("the server's CA");
    fs::copy(server.other_ca_file(), &ca).expect("another CA");
    let life = Life::start(patient(server));
    life.until_error();
    fs::write(&ca, own).expect("the server's CA");
    life.until_answer();
    life.end();
}
