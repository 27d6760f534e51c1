//! The names that the objects give, each with how many give it which standing, and what of that the owner was told. So an
//! event costs what it changes, however many names there are.

use std::collections::BTreeMap;
use std::mem;

use crate::names::entry::{Entry, Named};
use crate::objects::candidate::Standing;

/// The best first.
const STANDINGS: [Standing; 3] = [Standing::Ready, Standing::NotReady, Standing::Draining];

/// The names of all objects that count.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    names: BTreeMap<String, Place>,
    /// Whose standing may not be what was told.
    touched: Vec<String>,
}

/// One that nobody gives any more stays until that is told.
#[derive(Debug, Default)]
struct Place {
    /// How many objects give each standing, as `STANDINGS` has them.
    given: [u32; 3],
    /// The best of them.
    standing: Option<Standing>,
    told: Option<Standing>,
}

impl Place {
    /// Finds the best standing; whether it is another one than before.
    fn stand(&mut self) -> bool {
        let mut given = STANDINGS.into_iter().zip(self.given);
        let best = given.find(|(_, times)| *times > 0).map(|(standing, _)| standing);
        mem::replace(&mut self.standing, best) != best
    }

    fn is_needed(&self) -> bool {
        self.standing.or(self.told).is_some()
    }
}

impl Roster {
    /// An object gives other names than before, of which those at the beginning and the end are mostly the same. Whether
    /// anybody stands otherwise now.
    pub(crate) fn exchange(&mut self, mut before: &[Named], mut after: &[Named]) -> bool {
        while let ([one, others @ ..], [other, rest @ ..]) = (before, after)
            && one == other
        {
            (before, after) = (others, rest);
        }
        while let ([others @ .., one], [rest @ .., other]) = (before, after)
            && one == other
        {
            (before, after) = (others, rest);
        }
        let mut changed = false;
        for named in after {
            changed |= self.count(named, |times| times + 1);
        }
        for named in before {
            changed |= self.count(named, |times| times - 1);
        }
        changed
    }

    /// Counts all anew: these are the objects that count. Whether anybody stands otherwise now.
    pub(crate) fn recount<'e>(&mut self, entries: impl Iterator<Item = &'e Entry>) -> bool {
        for place in self.names.values_mut() {
            place.given = [0; 3];
        }
        for named in entries.flat_map(|entry| &entry.named) {
            self.names.entry(named.name.clone()).or_default().given[named.standing as usize] += 1;
        }
        let before = self.touched.len();
        self.names.retain(|name, place| {
            if place.stand() {
                self.touched.push(name.clone());
            }
            place.is_needed()
        });
        self.touched.len() > before
    }

    /// Every name with its standing, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Standing)> {
        let names = self.names.iter();
        names.filter_map(|(name, place)| Some((name.as_str(), place.standing?)))
    }

    /// How many there are, once all is told.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// Takes everything as told.
    pub(crate) fn tell_all(&mut self) {
        self.touched.clear();
        self.names.retain(|_, place| {
            place.told = place.standing;
            place.is_needed()
        });
    }

    /// Whose standing is not what was told, by name, and takes that as told. Nobody gives those that have none.
    pub(crate) fn tell_changes(&mut self) -> Vec<(String, Option<Standing>)> {
        let mut touched = mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        let mut changes = Vec::new();
        for name in touched {
            let Some(place) = self.names.get_mut(&name) else {
                continue;
            };
            let standing = place.standing;
            let news = mem::replace(&mut place.told, standing) != standing;
            if standing.is_none() {
                self.names.remove(&name);
            }
            if news {
                changes.push((name, standing));
            }
        }
        changes
    }

    fn count(&mut self, named: &Named, times: impl FnOnce(u32) -> u32) -> bool {
        let place = self.names.entry(named.name.clone()).or_default();
        let given = &mut place.given[named.standing as usize];
        *given = times(*given);
        let changed = place.stand();
        if changed {
            self.touched.push(named.name.clone());
        }
        if !place.is_needed() {
            self.names.remove(&named.name);
        }
        changed
    }
}
