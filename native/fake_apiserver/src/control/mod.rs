//! Driving the fake: from Rust by its handle, from anything else by the control port; both do it by `fake`. Uses all rooms.

pub(crate) mod fake;
pub(crate) mod port;
pub(crate) mod server;
