//! Finds the Erlang nodes of an application through the Kubernetes API.
//!
//! This crate knows no Erlang terms: the NIF crate turns [`Config`] and [`Event`] into them. The way of the data, and
//! the order to read the rooms in; each uses only those before it:
//!
//! 1. [`config`]: what to ask and how to name what is found. [`error`]: whatever fails on the way is one [`Error`]; an
//!    error is never an empty snapshot.
//! 2. [`server`]: one authenticated request.
//! 3. [`objects`]: what an object of the API says.
//! 4. [`answers`]: the bytes of a list or a watch become objects.
//! 5. [`names`]: objects become longnames, and these a [`Snapshot`].
//! 6. [`watch`]: the thread that lists, watches and tells its owner.
//! 7. [`diagnosis`]: the same way step by step, for `diagnose`.

pub mod answers;
pub mod config;
pub mod diagnosis;
pub mod error;
mod freshness;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod names;
pub mod objects;
pub mod server;
#[cfg(test)]
mod testing;
pub mod watch;

pub use config::{Config, IpFamily, Source};
pub use error::{Error, Kind};
pub use freshness::Freshness;
pub use names::longname::{Mode, Names};
pub use names::rollout::Rollout;
pub use names::snapshot::Snapshot;
pub use server::address::ApiAddress;
pub use watch::discovery::{Discovery, Event};
pub use watch::report::Report;
