//! A watch: each whole line counts as it is, and nothing else does, however the stream is cut into pieces and wherever
//! it ends.

use std::cell::Cell;
use std::io::{self, Read};

use discovery::fuzzing::{Offline, Stream};
use discovery::{Event, Snapshot};
use serde_json::Value;

use super::input;
use super::printed::{TOKEN, check_error, check_snapshot};
use super::reference::Model;

pub fn check(data: &[u8]) {
    let (options, rest) = input::split(data);
    let config = input::config(&options);
    let (list, stream) = input::first_line(rest);
    let mut offline = Offline::new(&config, &TOKEN);
    let Some(Event::Snapshot(first)) = offline.page(list) else {
        return;
    };
    let mut model = model(list);

    let seed = input::number(&options);
    let stream = &stream[..stream.len() - seed % (stream.len() + 1)];
    let reads = Cell::new(0);
    let pieces = Pieces {
        rest: stream,
        seed,
        reads: &reads,
    };
    let mut watch = offline.watch(pieces);
    let mut before = first;
    for line in whole_lines(stream) {
        let event = read(&mut watch, &reads);
        let now = watch.offline().snapshot();
        check_snapshot(&now, &config);
        if !watch.offline().is_watching() {
            // An error, or garbage: what was known stays, whatever it is.
            assert_eq!(now, before, "a line that does not count changed something");
            if let Some(Event::Error(error)) = event {
                check_error(&error);
            }
            return;
        }
        match event {
            Some(Event::Snapshot(told)) => assert_eq!(told, now),
            None => {
                let resource_version = now.resource_version.clone();
                assert_eq!(
                    now,
                    Snapshot {
                        resource_version,
                        ..before
                    },
                    "changed, and nobody was told"
                );
            }
            other => panic!("{other:?}"),
        }
        model = model.zip(serde_json::from_slice(line).ok()).map(|(mut model, event)| {
            model.event(&event);
            model
        });
        if let Some(model) = &model {
            model.check(&now, &config);
        }
        before = now;
    }
    if let Some(Event::Error(error)) = read(&mut watch, &reads) {
        check_error(&error);
    }
    assert!(
        !offline.is_watching() && !offline.is_listing(),
        "it goes on from the last version"
    );
    assert_eq!(offline.snapshot(), before, "the end of the stream changed something");
}

fn model(list: &[u8]) -> Option<Model> {
    let list: Value = serde_json::from_slice(list).ok()?;
    let mut model = Model::default();
    model.list(&list["items"]);
    Some(model)
}

fn whole_lines(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = stream
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |last| last + 1);
    stream[..end]
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
}

/// Reads the next line; one that is said to be there does not wait for the server.
fn read(watch: &mut Stream<'_, '_, Pieces<'_>>, reads: &Cell<usize>) -> Option<Event> {
    let promised = watch.has_next();
    let before = reads.get();
    let event = watch.read();
    assert!(
        !promised || reads.get() == before,
        "waited for a line that was said to be there"
    );
    event
}

/// Hands out the stream in pieces of sizes that follow from the seed.
struct Pieces<'a> {
    rest: &'a [u8],
    seed: usize,
    reads: &'a Cell<usize>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads.set(self.reads.get() + 1);
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let size = 1 + (self.seed >> 33) % 200;
        let size = size.min(buffer.len()).min(self.rest.len());
        buffer[..size].copy_from_slice(&self.rest[..size]);
        self.rest = &self.rest[size..];
        Ok(size)
    }
}
