//! A watch: each whole piece, line or block, counts as it is, and nothing else does, however the stream is cut into pieces and wherever
//! it ends.

use std::cell::Cell;
use std::io::{self, Read};

use discovery::fuzzing::{Offline, Stream};
use discovery::{Config, Event, Kind, Snapshot};
use serde_json::Value;

use super::input;
use super::printed::{TOKEN, check_error, check_snapshot};
use super::protobuf;
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
    let in_protobuf = input::has(&options, "protobuf");
    let chunks = Chunks {
        rest: stream,
        seed,
        reads: &reads,
    };
    let mut watch = offline.watch(chunks, in_protobuf);
    let mut before = first.clone();
    let mut owner = first;
    let (pieces, rest) = if in_protobuf { blocks(stream) } else { lines(stream) };
    for piece in &pieces {
        let event = read(&mut watch, &reads);
        let now = watch.offline().snapshot();
        check_snapshot(&now, &config);
        if !watch.offline().is_watching() {
            // An error, or garbage: what was known stays, whatever it is.
            assert_eq!(now, before, "what does not count changed something");
            if let Some(Event::Error(error)) = event {
                check_error(&error);
            }
            return;
        }
        match event {
            Some(Event::Changed(changes)) => {
                owner.update(&changes);
                assert_eq!(owner, now, "the changes do not come to what is known");
            }
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
        model = model
            .zip(event_in(piece, in_protobuf, &config))
            .map(|(mut model, event)| {
                model.event(&event);
                model
            });
        if let Some(model) = &model {
            model.check(&now, &config);
        }
        before = now;
    }
    let end = read(&mut watch, &reads);
    let too_long = in_protobuf
        && rest
            .first_chunk()
            .is_some_and(|length| u32::from_be_bytes(*length) > 8 << 20);
    match end {
        Some(Event::Error(error)) => {
            check_error(&error);
            let expected = if too_long { Kind::TooLarge } else { Kind::Connect };
            assert!(error.kind == expected && !rest.is_empty());
        }
        // A stream that has worked may break.
        None => assert!(!too_long && (rest.is_empty() || !pieces.is_empty())),
        other => panic!("{other:?}"),
    }
    assert!(!offline.is_watching());
    assert_eq!(offline.is_listing(), too_long, "it goes on from the last version");
    assert_eq!(offline.snapshot(), before, "the end of the stream changed something");
}

/// A piece that counts, as JSON.
fn event_in(piece: &[u8], in_protobuf: bool, config: &Config) -> Option<Value> {
    if in_protobuf {
        let event = protobuf::event(piece, config.source);
        assert!(event.is_some(), "this is no protobuf");
        event
    } else {
        serde_json::from_slice(piece).ok()
    }
}

fn model(list: &[u8]) -> Option<Model> {
    let list: Value = serde_json::from_slice(list).ok()?;
    let mut model = Model::default();
    model.list(&list["items"]);
    Some(model)
}

/// The whole lines, but empty ones, and what follows them.
fn lines(stream: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let end = stream
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |last| last + 1);
    let (whole, rest) = stream.split_at(end);
    (
        whole
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .collect(),
        rest,
    )
}

/// The same with blocks, each of which stands behind its length.
fn blocks(mut stream: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut found = Vec::new();
    while let Some((length, rest)) = stream.split_first_chunk() {
        let Some((block, rest)) = rest.split_at_checked(u32::from_be_bytes(*length) as usize) else {
            break;
        };
        stream = rest;
        found.push(block);
    }
    found.retain(|block| !block.is_empty());
    (found, stream)
}

/// Reads the next piece; one that is said to be there does not wait for the server.
fn read(watch: &mut Stream<'_, '_, Chunks<'_>>, reads: &Cell<usize>) -> Option<Event> {
    let promised = watch.has_next();
    let before = reads.get();
    let event = watch.read();
    assert!(
        !promised || reads.get() == before,
        "waited for a piece that was said to be there"
    );
    event
}

/// Hands out the stream in chunks of sizes that follow from the seed.
struct Chunks<'a> {
    rest: &'a [u8],
    seed: usize,
    reads: &'a Cell<usize>,
}

impl Read for Chunks<'_> {
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
