//! One page of a list, whatever it was read from, and why a list is none.

use std::fmt;
use std::io;

use crate::config::Config;
use crate::error::{Error, Kind, WHO_ANSWERS, printable};
use crate::objects::resource::{Resource, ResourceKind};
use crate::server::failures::body_error;

/// A page: what is kept of its objects by their keys, where they have one, and where the list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page<T> {
    pub(crate) objects: Vec<(Option<String>, T)>,
    /// The position mark of the whole list.
    pub(crate) version: String,
    /// The token of the next page, if this is not the last.
    pub(crate) next: Option<String>,
}

/// Makes what is kept of an object, which is in memory no longer than that.
pub(crate) type Keep<'k, T> = &'k mut dyn FnMut(&dyn Resource<'_>) -> T;

impl<T> Page<T> {
    /// Takes what is kept of an object, and its key, where it has one.
    pub(crate) fn add(&mut self, object: &dyn Resource<'_>, keep: Keep<'_, T>) {
        let kept = keep(object);
        self.objects.push((object.metadata().key(), kept));
    }
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self {
            objects: Vec::new(),
            version: String::new(),
            next: None,
        }
    }
}

/// The objects of a page with a key for each, where so many come before it.
pub(crate) fn keyed<T>(objects: Vec<(Option<String>, T)>, before: usize) -> impl Iterator<Item = (String, T)> {
    objects.into_iter().enumerate().map(move |(index, (key, kept))| {
        // An object without a key, all of which have a `/`, cannot take the place of another.
        (key.unwrap_or_else(|| format!("#{}", before + index)), kept)
    })
}

/// Whether this can be a version: numbers of at most 20 digits are. It is kept, and sent back.
pub(crate) fn is_version(text: &str) -> bool {
    (1..=253).contains(&text.len())
}

pub(crate) fn check_kind<K: ResourceKind>(kind: &str) -> Result<(), Error> {
    let expected = K::LIST_KIND;
    if kind == expected {
        return Ok(());
    }
    let kind = printable(kind);
    Err(malformed(format!("its kind is {kind:?} instead of {expected:?}")))
}

/// Why a body cannot be read to its end.
pub(crate) fn broken(error: io::Error, config: &Config) -> Error {
    body_error(error, config.request_timeout)
}

pub(crate) fn malformed(why: impl fmt::Display) -> Error {
    let why = printable(&why.to_string());
    let why = format!("the answer is not the list that was asked for: {why}");
    Error::new(Kind::Malformed, why).advise(WHO_ANSWERS)
}
