//! Every input of the fuzz targets' seeds, and every one that has found something, without libFuzzer.
//!
//! `open` holds what is not repaired yet: `cargo test -p discovery --test regressions -- --ignored`. Once it is, its
//! input moves to `regressions`.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use fuzz::{credentials, list, longname, status, watch};

type Check = fn(&[u8]);

const TARGETS: [(&str, Check); 5] = [
    ("credentials", credentials::check),
    ("list", list::check),
    ("longname", longname::check),
    ("status", status::check),
    ("watch", watch::check),
];

/// Runs each input in the target's part of this folder; which there are, and which fail.
fn run(folder: &str) -> (usize, Vec<String>) {
    let mut count = 0;
    let mut failed = Vec::new();
    for (target, check) in TARGETS {
        let inputs = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz")
            .join(folder)
            .join(target);
        for input in fs::read_dir(inputs).into_iter().flatten() {
            let path = input.unwrap().path();
            let data = fs::read(&path).unwrap();
            count += 1;
            if catch_unwind(|| check(&data)).is_err() {
                failed.push(path.display().to_string());
            }
        }
    }
    (count, failed)
}

#[test]
fn what_was_found_stays_repaired() {
    assert_eq!(run("regressions").1, [""; 0]);
}

#[test]
fn the_seeds_hold() {
    let (count, failed) = run("corpus");
    assert_eq!(failed, [""; 0]);
    assert!(count > 20);
}
