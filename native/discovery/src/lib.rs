//! Finds the Erlang nodes of an application through the Kubernetes API.
//!
//! This crate knows no Erlang terms: the NIF crate turns [`Config`] and [`Event`] into them. The way of the data, and
//! the order to read the rooms in; each uses only those before it:
//!
//! 1. [`config`]: what to ask and how to name what is found, plain data. [`error`]: whatever fails on the way is one
//!    [`Error`]; an error is never an empty snapshot. [`dns_label`]: what a namespace and a hostname can be.
//!    `encoding`: JSON and protobuf, whatever is written in them.
//! 2. [`server`]: one authenticated request.
//! 3. [`objects`]: what an object of the API says. It knows nothing of `server`, nor that of it.
//! 4. [`answers`]: the bytes of a list or a watch become objects.
//! 5. [`names`]: objects become longnames, and these a [`Snapshot`]. It knows nothing of `answers`, nor that of it: `watch`
//!    has names made of an object while an answer is read, so that no more than one is in memory.
//! 6. [`watch`]: the thread that lists, watches and tells its owner.
//! 7. [`diagnosis`]: the same way step by step, for `diagnose`.

pub mod answers;
pub mod config;
pub mod diagnosis;
pub mod dns_label;
mod encoding;
pub mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod names;
pub mod objects;
pub mod server;
#[cfg(test)]
mod testing;
pub mod watch;

pub use config::{ApiAddress, Basename, Config, IpFamily, Mode, Names, Namespace, Rollout, Source};
pub use error::{Error, Kind};
pub use names::snapshot::{Changes, Snapshot};
pub use watch::discovery::{Discovery, Event};
pub use watch::report::Report;
