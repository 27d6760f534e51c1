//! For `diagnose`: goes the way of the data step by step, and reads what else helps to see what is wrong.

mod asking;
pub mod certificate;
pub mod claims;
mod handshake;
pub mod overview;
pub mod probe;
