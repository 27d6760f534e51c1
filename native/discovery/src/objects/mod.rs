//! What an object of the API says, read from JSON or protobuf: the candidates of Endpoints, EndpointSlices and Pods. Knows
//! neither lists nor node names; uses only `config` and `encoding`.

pub mod candidate;
pub(crate) mod endpoint_slices;
pub(crate) mod endpoints;
pub(crate) mod metadata;
pub(crate) mod pods;
pub(crate) mod resource;
