//! An HTTPS server that answers lists and watches like the Kubernetes API server, with faults on demand.
//!
//! It shares no types with the client: a wrong field name would be wrong on both sides, and every
//! test would pass. Rust tests start a [`Server`]; other tests and the demo start the binary and
//! drive it through the control port, whose reference is `README.md`.
//!
//! The rooms, in the order of a request:
//!
//! 1. `control`: the handle, the control port, and the fake that both of them drive.
//! 2. `serving`: a connection to the API port, from accept to close.
//! 3. `faults`: what goes wrong and when, and doing it.
//! 4. `answers`: what a request is about, and what the real server would answer: a list, a stream of changes, a failure.
//! 5. `state`: what is stored: objects and versions, tokens, open watches, and the journal of what was asked.
//! 6. `protocol`: accepting, TLS, reading and writing HTTP.
//!
//! Each uses only those after it, and the small tools `generated`, `json` and `lock`;
//! `native/discovery/tests/layout.rs` watches over that.

mod answers;
mod control;
mod faults;
mod generated;
mod json;
mod lock;
mod protocol;
mod serving;
mod state;

pub use control::server::{Options, Server};
pub use faults::fault::{Action, Fault};
pub use protocol::certificates::{Authority, Certificate};
pub use state::access::Rule;
pub use state::journal::Summary;
