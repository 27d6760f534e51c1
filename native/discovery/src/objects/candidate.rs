//! An address with namespace and hostname, before it is a node name.

/// One address of an answer, borrowed from it. Nothing here is validated yet: that is done where it
/// becomes a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The IP address as the API wrote it.
    pub ip: Option<&'a str>,
    /// The pod's hostname, which StatefulSets set.
    pub hostname: Option<&'a str>,
    /// The pod's namespace.
    pub namespace: Option<&'a str>,
    /// Whether to connect to it.
    pub standing: Standing,
}

/// What the API says of a candidate; the best first, so that of two entries for one name the lesser counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Connect to it.
    Ready,
    /// Not ready: it keeps the connection that it has and gets no new one.
    NotReady,
    /// Terminating: as above, and its own node connects to nobody new.
    Draining,
}
