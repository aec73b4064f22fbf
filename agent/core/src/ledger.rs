//! Keeps the [`Model`] true while a source sends changes.
//!
//! Absence means something only once a complete state has been sent: until [`Update::InitDone`] what was
//! known stays, whether the source has named it yet or not.

use std::collections::BTreeSet;

use crate::model::{Model, ObjectKey, Update};

/// The model, and how complete it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    model: Model,
    /// What the complete state under way has named so far.
    named: Option<Named>,
    complete: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Named {
    services: BTreeSet<ObjectKey>,
    slices: BTreeSet<ObjectKey>,
}

impl Ledger {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What should be, as far as it is known.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// True from the first complete state on: only then may the difference to the kernel's maps be
    /// applied, for only then is what is not in the model gone.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Takes note of a change. A new [`Update::Init`] before [`Update::InitDone`] starts over, as a
    /// source does that lost its connection.
    pub fn note(&mut self, update: Update) {
        match update {
            Update::Init => self.named = Some(Named::default()),
            Update::InitDone => {
                if let Some(named) = self.named.take() {
                    self.model.services.retain(|key, _| named.services.contains(key));
                    self.model.slices.retain(|key, _| named.slices.contains(key));
                    self.complete = true;
                }
            }
            Update::Node(node) => self.model.node = node,
            Update::HostPorts(host_ports) => self.model.host_ports = host_ports,
            Update::Service(service) => {
                if let Some(named) = &mut self.named {
                    named.services.insert(service.key.clone());
                }
                self.model.services.insert(service.key.clone(), service);
            }
            Update::ServiceGone(key) => {
                if let Some(named) = &mut self.named {
                    named.services.remove(&key);
                }
                self.model.services.remove(&key);
            }
            Update::EndpointSlice(slice) => {
                if let Some(named) = &mut self.named {
                    named.slices.insert(slice.key.clone());
                }
                self.model.slices.insert(slice.key.clone(), slice);
            }
            Update::EndpointSliceGone(key) => {
                if let Some(named) = &mut self.named {
                    named.slices.remove(&key);
                }
                self.model.slices.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EndpointSlice;

    fn slice(name: &str) -> EndpointSlice {
        EndpointSlice {
            key: ObjectKey { namespace: "default".into(), name: name.into() },
            service_name: "web".into(),
            ports: vec![],
            endpoints: vec![],
        }
    }

    fn names(ledger: &Ledger) -> Vec<&str> {
        ledger.model().slices.keys().map(|key| key.name.as_str()).collect()
    }

    #[test]
    fn what_a_new_complete_state_does_not_name_is_gone_only_when_it_is_complete() {
        let mut ledger = Ledger::new();
        ledger.note(Update::Init);
        ledger.note(Update::EndpointSlice(slice("a")));
        ledger.note(Update::EndpointSlice(slice("b")));
        assert!(!ledger.is_complete());
        ledger.note(Update::InitDone);
        assert!(ledger.is_complete());

        ledger.note(Update::Init);
        ledger.note(Update::EndpointSlice(slice("b")));
        assert_eq!(names(&ledger), ["a", "b"], "nothing is missing before the state is complete");
        ledger.note(Update::InitDone);
        assert_eq!(names(&ledger), ["b"]);
    }

    #[test]
    fn a_state_that_is_started_over_counts_from_its_second_start() {
        let mut ledger = Ledger::new();
        ledger.note(Update::Init);
        ledger.note(Update::EndpointSlice(slice("a")));
        ledger.note(Update::Init);
        ledger.note(Update::EndpointSlice(slice("b")));
        ledger.note(Update::InitDone);
        assert_eq!(names(&ledger), ["b"]);
    }

    #[test]
    fn an_end_without_a_start_says_nothing() {
        let mut ledger = Ledger::new();
        ledger.note(Update::EndpointSlice(slice("a")));
        ledger.note(Update::InitDone);
        assert!(!ledger.is_complete());
        assert_eq!(names(&ledger), ["a"]);
    }
}
