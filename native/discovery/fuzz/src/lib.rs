//! What must hold for every input: one module for each fuzz target, each with one `check`, which panics when it does not.
//!
//! An input starts with a line of words, the options, so that it can be read and written by hand:
//!
//! | target | options | what follows |
//! |---|---|---|
//! | `list` | `pods` or `slices`, `dns` or `hostname`, `ipv4` or `ipv6`, `not_ready`, `long`, `by_label` (the basename is the value of `app`) | the pages, with lines `---` between them |
//! | `watch` | these, `protobuf`, and a number that says where the stream is cut | a line with the list before it, and the stream |
//! | `status` | the status code | a line with the headers `retry-after` and, behind `\|`, `date`, or an empty one, and the body |
//! | `credentials` | `token`, `ca.crt` or `namespace` | the file |
//! | `longname` | as for `list`, but for `by_label` | address, hostname and namespace, with `\|` between them; what is left out is missing |
//!
//! `native/discovery/tests/regressions.rs` runs the same checks without libFuzzer, and is why this is not a part of the
//! targets themselves.

#![forbid(unsafe_code)]
#![allow(clippy::missing_panics_doc, reason = "to panic is what a check is for")]
#![allow(
    unreachable_pub,
    missing_docs,
    reason = "a private module in the tests, a crate in the targets"
)]

pub mod credentials;
mod input;
pub mod list;
pub mod longname;
mod printed;
mod protobuf;
mod reference;
pub mod status;
pub mod watch;
