//! Objects become longnames, and all of them a snapshot. Uses `objects`, and of `server` the token, which must not be in what
//! is kept; knows no network.

pub mod entry;
pub mod longname;
pub(crate) mod reflector;
mod remarks;
mod rollout;
mod roster;
pub mod snapshot;
