//! Finds the Erlang nodes of an application through the Kubernetes API.
//!
//! This crate knows no Erlang terms: the NIF crate turns [`Config`] and [`Event`] into them. The way of the data, and
//! the order to read the modules in:
//!
//! 1. [`config`]: what to ask and how to name what is found; [`api_address`]: which host to ask.
//! 2. [`credentials`]: token, CA and namespace of the service account, read anew for every request.
//! 3. `http` (the only module that knows ureq) over `transport` and `resolver`: one authenticated request; `status`: what
//!    an answer other than 200 says; `api`: the two calls, list a page and open a watch.
//! 4. `list` (and `list_stream`, in protobuf, through a `window`) and `frame` (an event of a watch, cut out by `pieces`)
//!    read the three kinds of `resource` from JSON or `protobuf`: `endpoints`, `endpoint_slices` and `pods` give
//!    [`candidate::Candidate`]s.
//! 5. [`longname`]: a candidate becomes `<basename>@<ip_or_domain>`, or is dropped for a stated reason.
//! 6. `reflector`: the objects with every event applied; [`snapshot`]: all their names, or those of one [`rollout`].
//! 7. `watcher`: list and watch as a pure state machine. [`discovery`] drives it on a thread of its own, with
//!    [`backoff`] and `signals`; [`lister`] drives it to the end of one list. [`outbox`] keeps a slow owner from being
//!    flooded; [`report`] says what lists and watches have cost.
//!
//! Beside that way, for `diagnose`: [`probe`] goes it step by step, with `handshake` for TLS, and reads what else helps to
//! see what is wrong: [`claims`] of the token, names of a [`certificate`], and an [`overview`] of the objects.
//!
//! Whatever fails on the way is one [`Error`]; an error is never an empty snapshot.

mod api;
pub mod api_address;
pub mod backoff;
pub mod candidate;
pub mod certificate;
pub mod claims;
pub mod config;
pub mod credentials;
pub mod discovery;
mod endpoint_slices;
mod endpoints;
pub mod error;
mod frame;
mod freshness;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod handshake;
mod http;
mod list;
mod list_stream;
pub mod lister;
pub mod longname;
pub mod outbox;
pub mod overview;
mod pieces;
mod pods;
pub mod probe;
mod protobuf;
mod reflector;
pub mod report;
mod resolver;
mod resource;
pub mod rollout;
mod signals;
pub mod snapshot;
mod status;
#[cfg(test)]
mod testing;
mod transport;
mod watcher;
mod window;

pub use api_address::ApiAddress;
pub use config::{Config, IpFamily, Source};
pub use discovery::{Discovery, Event};
pub use error::{Error, Kind};
pub use freshness::Freshness;
pub use longname::{Mode, Names};
pub use report::Report;
pub use rollout::Rollout;
pub use snapshot::Snapshot;
