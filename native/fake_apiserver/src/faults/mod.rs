//! How the server misbehaves on demand: what goes wrong, when, and doing it. Uses `answers`, for a fault mostly spoils
//! the right one, and what is below them.

pub(crate) mod fault;
mod from_json;
pub(crate) mod in_force;
pub(crate) mod misbehave;
pub(crate) mod struck;
