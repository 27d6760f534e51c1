//! How the server speaks TCP, TLS and HTTP, on both of its ports. Knows nothing of Kubernetes; uses no other room.

pub(crate) mod certificates;
pub(crate) mod connections;
pub(crate) mod http;
pub(crate) mod listener;
pub(crate) mod socket;
pub(crate) mod tls;
