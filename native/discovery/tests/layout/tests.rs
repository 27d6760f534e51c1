//! The check on small texts: what it finds and what it does not.

use crate::imports::{Layout, module_of};
use crate::{circles, trespasses};

/// What `a.rs` with this text imports, of a crate that has more modules.
fn imports_of_a(text: &str) -> Vec<String> {
    let lib = "mod a; mod b; mod c; pub use b::thing::{Thing as Other}; pub use c::*;";
    let b = "mod thing; mod x { pub struct Y; }";
    let sources = [
        ("lib.rs", lib),
        ("a.rs", text),
        ("b/mod.rs", b),
        ("b/thing.rs", ""),
        ("c.rs", ""),
        ("a/d.rs", ""),
    ];
    let layout = Layout::of(&sources);
    let imports = layout.imports.get(&module_of("a.rs")).into_iter().flatten();
    imports.map(|module| layout.file(module).to_owned()).collect()
}

#[test]
fn an_import_is_seen_however_it_is_written() {
    for (text, files) in [
        ("use crate::b::thing::Thing;", vec!["b/thing.rs"]),
        (
            "use crate::{b::{self, thing::{A, B}}, c::C as D};",
            vec!["b/mod.rs", "b/thing.rs", "c.rs"],
        ),
        ("use std::fmt; use super::c; fn f() -> c::C { fmt::x() }", vec!["c.rs"]),
        (
            "fn f() { let x = <T as crate::b::thing::Thing>::new(); }",
            vec!["b/thing.rs"],
        ),
        ("mod d; fn f() { d::g() }", vec!["a/d.rs"]),
        ("mod inner { use super::super::c::C; use super::f; }", vec!["c.rs"]),
        (
            "use crate::b; fn f() { b::thing::g::<T>() }",
            vec!["b/mod.rs", "b/thing.rs"],
        ),
        ("fn f() { crate::b::x::Y }", vec!["b/mod.rs"]),
        ("#[serde(with = \"crate::c::text\")] struct S;", vec!["c.rs"]),
        // A name is imported from where it is defined, unless it comes with a star.
        ("use crate::Other;", vec!["b/thing.rs"]),
        ("use crate::C;", vec!["lib.rs"]),
        ("fn f<'c>(c: &'c u8) -> char { '\\'' } use crate::c::C;", vec!["c.rs"]),
    ] {
        assert_eq!(imports_of_a(text), files, "{text}");
    }
}

#[test]
fn what_only_looks_like_an_import_is_none() {
    for text in [
        "//! [`crate::c::C`]\n/* use crate::c; */",
        "const A: &str = \"use crate::c::C;\"; const B: &str = r#\"\"use crate::c;\"#; const C: char = '\"';",
        "pub(in crate::c) struct S;",
        "use c::C; use ::b::thing; use self::S; fn f() { a::c::d() }",
        "use crate::a::S; mod inner { use super::S; }",
    ] {
        assert_eq!(imports_of_a(text), [""; 0], "{text}");
    }
}

#[test]
fn what_only_tests_import_does_not_count_and_what_follows_does() {
    for test in [
        "mod tests { use crate::b::B; fn f() { crate::b::g() } }",
        "use crate::{b::B, b::thing};",
        "#[allow(unused)] pub(crate) fn f<A, B>(b: [crate::b::B; 2]) -> crate::b::B { crate::b::g() }",
        "const B: crate::b::B = crate::b::B { x: 1 };",
        "const fn f() { crate::b::g() }",
    ] {
        let text = format!("#[cfg(test)]\n{test}\nuse crate::c::C;");
        assert_eq!(imports_of_a(&text), ["c.rs"], "{text}");
    }
    let fields = "struct S { #[cfg(test)] b: Vec<crate::b::B>, c: crate::c::C }";
    assert_eq!(imports_of_a(fields), ["c.rs"]);
    let sources = [
        ("lib.rs", "mod a; #[cfg(test)] mod testing;"),
        ("a.rs", "#[cfg(test)]\npub(crate) mod tests;"),
        ("a/tests.rs", "mod more; use crate::testing::x;"),
        ("a/tests/more.rs", "use crate::testing::x;"),
        ("testing.rs", "use crate::a::A;"),
    ];
    assert!(Layout::of(&sources).imports.is_empty());
}

#[test]
fn a_circle_is_found_and_its_files_named() {
    let mut sources = vec![
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "use crate::b::B;"),
        ("b.rs", "use std::fmt; use crate::{c::C, d};"),
        ("c/mod.rs", "fn f() { super::a::f() }"),
        ("d.rs", "use crate::c::C;"),
    ];
    assert_eq!(
        circles(&Layout::of(&sources)),
        [
            "a circle of imports: a.rs -> b.rs -> c/mod.rs -> a.rs",
            "a circle of imports: d.rs -> c/mod.rs -> a.rs -> b.rs -> d.rs"
        ]
    );
    sources[3].1 = "#[cfg(test)] mod tests { use crate::a; }";
    assert_eq!(circles(&Layout::of(&sources)), [""; 0]);
    let between_folder_and_file = [
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod b; use b::B; struct A;"),
        ("a/b.rs", "use super::A;"),
    ];
    assert_eq!(
        circles(&Layout::of(&between_folder_and_file)),
        ["a circle of imports: a/mod.rs -> a/b.rs -> a/mod.rs"]
    );
}

#[test]
fn a_room_that_uses_what_it_may_not_is_named() {
    let sources = [
        ("lib.rs", "mod low; mod high; pub use high::one::One;"),
        ("low.rs", "use crate::One;"),
        ("high/mod.rs", "mod one; mod two;"),
        ("high/one.rs", "use crate::high::two::Two;"),
        ("high/two.rs", "use crate::low::Low; use crate::Version;"),
    ];
    let layout = Layout::of(&sources);
    assert_eq!(
        trespasses(&layout, &[("low", ""), ("high", "low")]),
        [
            "high/two.rs uses lib.rs, but high may use: low",
            "low.rs uses high/one.rs, but low may use: no other room"
        ]
    );
}

#[test]
fn a_table_that_does_not_fit_is_refused() {
    let layout = Layout::of(&[
        ("lib.rs", "mod low; mod high;"),
        ("low.rs", ""),
        ("high/mod.rs", "use crate::low::Low;"),
    ]);
    assert_eq!(trespasses(&layout, &[("low", ""), ("high", "low")]), [""; 0]);
    assert_eq!(
        trespasses(&layout, &[("high", "low"), ("cellar", ""), ("low", "")]),
        [
            "high may use low by the table, which does not stand before it",
            "cellar is in the table of rooms, but not there"
        ]
    );
    assert_eq!(
        trespasses(&layout, &[("high", "")]),
        [
            "low is not in the table of rooms: say what it may use",
            "high/mod.rs uses low.rs, but high may use: no other room"
        ]
    );
}
