//! One authenticated request over HTTPS: where to, as whom, and what an answer other than 200 says. Knows neither objects
//! nor lists; uses only `config`, `dns_label`, `encoding` and `error`.
//!
//! `watch` sends the `signals`, but they lie here, below `transport`: a stop cuts the socket that the thread waits for, so
//! `transport` makes each one known to them.

mod address;
pub mod credentials;
pub(crate) mod failures;
mod gathering;
pub(crate) mod http;
pub(crate) mod resolver;
pub(crate) mod signals;
pub(crate) mod status;
pub(crate) mod transport;
