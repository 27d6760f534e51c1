//! The two encodings of the API, JSON and protobuf, whatever is written in them. Uses no other room.

pub(crate) mod json;
pub(crate) mod protobuf;
pub(crate) mod text;
