//! Objects become longnames, and all of them a snapshot. Uses `objects`; knows no network.

pub mod longname;
pub(crate) mod reflector;
pub mod rollout;
pub mod snapshot;
