//! The bytes of an answer become objects: a list, read as it arrives, or the events of a watch. Uses `server` and `objects`.

pub(crate) mod frame;
pub(crate) mod list;
mod list_stream;
pub(crate) mod pieces;
pub(crate) mod window;
