//! What a server without faults does about a request: lists, watches, access and reviews, in the words of the real server.
//! Uses `state` for what to answer and `protocol` for sending it; what goes wrong on purpose it learns as a `Script`.

pub(crate) mod answer;
pub(crate) mod exchange;
mod field_selector;
mod list;
mod paging;
mod parameters;
mod review;
mod selector;
mod sink;
mod status;
pub(crate) mod stream;
pub(crate) mod target;
pub(crate) mod watch;
