//! The house stays a house: in no crate do modules import each other in a circle, and a room uses only rooms that it may.
//!
//! A room is a folder of `src`, or a file beside `lib.rs`. The compiler minds neither rule, so this reads the sources.
//! What only tests import does not count.

#[path = "layout/imports.rs"]
mod imports;
#[path = "layout/source.rs"]
mod source;
#[path = "layout/tests.rs"]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use crate::imports::Layout;
use crate::source::Module;

/// Rooms and the rooms that each may use, in the order to read them in: only those before it. A new room is a new line.
type Rooms = [(&'static str, &'static str)];

const DISCOVERY: &Rooms = &[
    ("error", ""),
    ("dns_label", ""),
    ("encoding", ""),
    ("config", ""),
    ("server", "error dns_label encoding config"),
    ("objects", "encoding config"),
    ("answers", "error encoding config server objects"),
    ("names", "error dns_label config server objects"),
    ("watch", "error config server objects answers names"),
    ("diagnosis", "error config server names watch"),
    ("fuzzing", "error config server objects answers names watch"),
];

const NIF: &Rooms = &[("options", ""), ("messages", ""), ("facts", "messages")];

const FAKE_APISERVER: &Rooms = &[
    ("generated", ""),
    ("json", ""),
    ("lock", ""),
    ("protocol", "lock"),
    ("state", "generated json lock protocol"),
    ("answers", "lock protocol state"),
    ("faults", "json lock protocol state answers"),
    ("serving", "lock protocol state answers faults"),
    ("control", "generated json lock protocol state answers faults serving"),
];

#[test]
fn discovery_keeps_its_rooms_apart() {
    assert_order("discovery", DISCOVERY);
}

#[test]
fn the_nif_keeps_its_rooms_apart() {
    assert_order("nif", NIF);
}

#[test]
fn the_fake_api_server_keeps_its_rooms_apart() {
    assert_order("fake_apiserver", FAKE_APISERVER);
}

fn assert_order(name: &str, rooms: &Rooms) {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src");
    let mut sources = Vec::new();
    read(&src, &src, &mut sources);
    let sources: Vec<_> = sources.iter().map(|(file, text)| (&**file, &**text)).collect();
    let layout = Layout::of(&sources);
    assert!(!layout.imports.is_empty(), "no import found in {}", src.display());
    let mut findings = circles(&layout);
    findings.extend(trespasses(&layout, rooms));
    assert!(findings.is_empty(), "in native/{name}/src:\n{}", findings.join("\n"));
}

fn read(src: &Path, folder: &Path, sources: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(src, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = path.strip_prefix(src).unwrap().to_str().unwrap();
            // A program beside the library is a crate of its own.
            if file != "main.rs" {
                sources.push((file.to_owned(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
}

/// One shortest circle for each module that is on one, as files.
fn circles(layout: &Layout) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for start in layout.imports.keys() {
        if !seen.contains(start)
            && let Some(circle) = way_back(layout, start)
        {
            let files: Vec<_> = circle.iter().map(|module| layout.file(module)).collect();
            found.push(format!("a circle of imports: {}", files.join(" -> ")));
            seen.extend(circle);
        }
    }
    found
}

/// The shortest way from a module over its imports to itself.
fn way_back(layout: &Layout, start: &Module) -> Option<Vec<Module>> {
    let mut ways = VecDeque::from([vec![start.clone()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for used in layout.imports.get(way.last()?).into_iter().flatten() {
            let further = [&*way, std::slice::from_ref(used)].concat();
            if used == start {
                return Some(further);
            }
            if seen.insert(used) {
                ways.push_back(further);
            }
        }
    }
    None
}

/// What the table of rooms does not allow, and where it does not fit the rooms that there are.
fn trespasses(layout: &Layout, rooms: &Rooms) -> Vec<String> {
    let mut found = Vec::new();
    let there: BTreeSet<_> = layout.files.keys().filter_map(|module| module.first()).collect();
    for (index, (room, may_use)) in rooms.iter().enumerate() {
        if !there.contains(&(*room).to_owned()) {
            found.push(format!("{room} is in the table of rooms, but not there"));
        }
        for used in may_use.split_whitespace() {
            if !rooms[..index].iter().any(|(earlier, _)| *earlier == used) {
                found.push(format!(
                    "{room} may use {used} by the table, which does not stand before it"
                ));
            }
        }
    }
    for room in there {
        if !rooms.iter().any(|(known, _)| known == room) {
            found.push(format!("{room} is not in the table of rooms: say what it may use"));
        }
    }
    for (module, imports) in &layout.imports {
        let known = rooms
            .iter()
            .find(|(room, _)| module.first().is_some_and(|first| first == room));
        // Of all rooms `lib.rs` shows what is public.
        let Some((room, may_use)) = known else { continue };
        for used in imports {
            let other = used.first().map_or("lib.rs", String::as_str);
            if other != *room && !may_use.split_whitespace().any(|allowed| allowed == other) {
                let (file, used) = (layout.file(module), layout.file(used));
                let allowed = if may_use.is_empty() { "no other room" } else { may_use };
                found.push(format!("{file} uses {used}, but {room} may use: {allowed}"));
            }
        }
    }
    found
}
