//! What every kind of object is asked for.

use serde::Deserialize;

use crate::config::IpFamily;
use crate::encoding::protobuf::Message;
use crate::objects::candidate::Candidate;
use crate::objects::metadata::Metadata;

/// An object that carries candidates, borrowed from the answer.
pub(crate) trait Resource<'a> {
    /// The object's `metadata`.
    fn metadata(&self) -> &Metadata<'a>;

    /// Calls `found` with each candidate of this object.
    fn candidates(&self, family: Option<IpFamily>, found: &mut dyn FnMut(Candidate<'_>));

    /// The one family of all its addresses, where the object says so.
    fn family(&self) -> Option<IpFamily> {
        None
    }

    /// Says that the server has cut this object short, if it has.
    fn truncated(&self) -> Option<String> {
        None
    }
}

/// Names the object type of a source for any lifetime of the body it borrows from.
pub(crate) trait ResourceKind {
    /// The `kind` of a list of these.
    const LIST_KIND: &'static str;

    type Object<'a>: Resource<'a> + Deserialize<'a> + Message<'a>;
}
