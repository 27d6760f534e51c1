//! One connection to the API port, from accept to close: where state, faults and right answers meet. Uses all of them;
//! knows nothing of who controls the fake.

pub(crate) mod api;
mod connection;
pub(crate) mod port;
