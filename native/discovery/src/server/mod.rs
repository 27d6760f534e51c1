//! One authenticated request over HTTPS: where to, as whom, and what an answer other than 200 says. Knows neither objects
//! nor lists; uses only `config`, `encoding` and `error`.

mod address;
pub mod credentials;
pub(crate) mod failures;
pub(crate) mod http;
pub(crate) mod resolver;
pub(crate) mod signals;
pub(crate) mod status;
pub(crate) mod transport;
