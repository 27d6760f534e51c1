//! The bytes of an answer become objects: a list, read as it arrives, or the events of a watch. What is kept of an object
//! is for the caller to say, while it is in memory. Uses `server` and `objects`.

pub(crate) mod frame;
pub(crate) mod list;
mod list_stream;
pub(crate) mod page;
pub(crate) mod pieces;
pub(crate) mod window;
