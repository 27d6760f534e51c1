//! An HTTPS server that answers lists and watches like the Kubernetes API server, with faults on demand.
//!
//! It shares no types with the client: a wrong field name would be wrong on both sides, and every
//! test would pass. Rust tests start a [`Server`]; other tests and the demo start the binary and
//! drive it through the control port, whose reference is `README.md`.
//!
//! The modules, in the order of a request:
//!
//! - `listener` accepts, `connections` knows what is open, `connection` serves one of them;
//!   `socket` and `certificates` are below TLS and beside it
//! - `http` reads and writes messages, `api` understands them, with `resources`, `access` (tokens),
//!   `review` (of what a user may do), `list`, `selector`, `paging`, `store` (objects and versions) and `status` (failures)
//! - `watch` is one stream of changes, `watches` knows and wakes all of them
//! - `faults` says what goes wrong and when, `misbehave` does it
//! - `journal` remembers what was asked
//! - `fake` is all that as one thing, `control` drives it over HTTP and [`Server`] from Rust
//! - `json`, `generated` and `sync` are small tools

mod access;
mod api;
mod certificates;
mod connection;
mod connections;
mod control;
mod fake;
mod faults;
mod generated;
mod http;
mod journal;
mod json;
mod list;
mod listener;
mod misbehave;
mod paging;
mod resources;
mod review;
mod selector;
mod server;
mod socket;
mod status;
mod store;
mod sync;
mod watch;
mod watches;

pub use access::Rule;
pub use certificates::{Authority, Certificate};
pub use faults::{Action, Fault};
pub use journal::Summary;
pub use server::{Options, Server};
