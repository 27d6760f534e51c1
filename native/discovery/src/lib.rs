//! Finds the Erlang nodes of an application through the Kubernetes API.
//!
//! This crate knows no Erlang terms: the NIF crate turns [`Config`] and [`Event`] into them. The way of the data, and
//! the order to read the modules in:
//!
//! 1. [`config`]: what to ask and how to name what is found; [`api_address`]: which host to ask.
//! 2. [`credentials`]: token, CA and namespace of the service account, read anew for every request.
//! 3. `http` (the only module that knows ureq) over `transport` and `resolver`: one authenticated GET, whatever happens.
//! 4. `list`, and its two resource views `endpoints` and `pods`: an answer becomes [`candidate::Candidate`]s.
//! 5. [`longname`]: a candidate becomes `<basename>@<ip_or_domain>`, or is dropped for a stated reason.
//! 6. [`snapshot`]: all names of one complete answer.
//! 7. [`lister`] does 2 to 6 once; [`discovery`] does it again and again on a thread of its own, with [`backoff`].
//!
//! Whatever fails on the way is one [`Error`]; an error is never an empty snapshot.

pub mod api_address;
pub mod backoff;
pub mod candidate;
pub mod config;
pub mod credentials;
pub mod discovery;
mod endpoints;
pub mod error;
mod http;
mod list;
pub mod lister;
pub mod longname;
mod pods;
mod resolver;
mod signals;
pub mod snapshot;
mod status;
mod transport;

pub use api_address::ApiAddress;
pub use config::{Config, IpFamily, Source};
pub use discovery::{Discovery, Event};
pub use error::{Error, Kind};
pub use longname::{Mode, Names};
pub use snapshot::Snapshot;
