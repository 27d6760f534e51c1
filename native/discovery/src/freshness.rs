//! How new an answer is, or is to be.

/// Compares by age: the newer is the greater.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// Not older than what was known: a server may answer from its cache. It decides about no disconnect.
    Known,
    /// What is true now, or what the configuration takes for it.
    #[default]
    Present,
}

impl Freshness {
    /// Its word, which Elixir sees as an atom.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Present => "present",
        }
    }
}
