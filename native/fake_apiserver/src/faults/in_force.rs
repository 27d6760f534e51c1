//! The faults in force, and which of them strikes next.

use std::sync::Mutex;

use crate::answers::target::Target;
use crate::faults::fault::{Action, Fault};
use crate::lock::lock;

/// The faults in force.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<InForce>);

#[derive(Debug, Default)]
struct InForce {
    list: Vec<Fault>,
    generation: u64,
}

/// A fault that strikes, and the generation of faults it is from.
#[derive(Debug)]
pub(crate) struct Strike {
    pub(crate) action: Action,
    pub(crate) generation: u64,
}

impl Faults {
    /// Replaces all faults.
    pub(crate) fn replace(&self, list: Vec<Fault>) {
        let mut in_force = lock(&self.0);
        in_force.list = list;
        in_force.generation += 1;
    }

    /// Whether the faults are still those of this generation.
    pub(crate) fn unchanged_since(&self, generation: u64) -> bool {
        lock(&self.0).generation == generation
    }

    pub(crate) fn on_accept(&self) -> Option<Strike> {
        self.strike(Fault::is_at_accept)
    }

    pub(crate) fn on_request(&self, target: &Target) -> Option<Strike> {
        self.strike(|fault| fault.fits(target))
    }

    /// The first fault that fits and is not used up.
    fn strike(&self, fits: impl Fn(&Fault) -> bool) -> Option<Strike> {
        let mut in_force = lock(&self.0);
        let generation = in_force.generation;
        let fault = in_force
            .list
            .iter_mut()
            .find(|fault| fault.times != Some(0) && fits(fault))?;
        fault.times = fault.times.map(|times| times - 1);
        let action = fault.action.clone();
        Some(Strike { action, generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::resources::Resource;

    #[test]
    fn a_fault_strikes_as_often_as_it_says() {
        let faults = Faults::default();
        let close = Fault::on_request(Action::Close).times(2);
        faults.replace(vec![close, Fault::on_accept(Action::Hang)]);
        let next = || faults.on_request(&Target::Version).map(|s| s.action);
        assert_eq!(next(), Some(Action::Close));
        assert_eq!(next(), Some(Action::Close));
        assert_eq!(next(), None);
        assert!(faults.on_accept().is_some());
    }

    #[test]
    fn filters_choose_resource_and_verb() {
        let faults = Faults::default();
        let hang = Fault::on_request(Action::Hang);
        faults.replace(vec![hang.clone().resource("pods"), hang.verb("get")]);
        assert!(faults.on_request(&Target::Version).is_some());
        let endpoints = Target::Collection {
            resource: Resource::named("endpoints").unwrap(),
            namespace: None,
            watch: false,
        };
        assert!(faults.on_request(&endpoints).is_none());
    }
}
