//! Who has which frontend. Where several want one, the first in order has it, whenever each came: what is
//! served does not depend on the order of events.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sheave_abi::service::FrontendKey;

use crate::plan::{Conflict, PortKey};

/// All claims.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    holders: HashMap<FrontendKey, Arc<PortKey>>,
    /// Those who want one that another has.
    waiting: BTreeMap<FrontendKey, BTreeSet<Arc<PortKey>>>,
}

impl Claims {
    /// True when `port` has `key`.
    pub(crate) fn holds(&self, port: &Arc<PortKey>, key: &FrontendKey) -> bool {
        self.holders.get(key).is_some_and(|holder| holder == port)
    }

    /// True when anybody has `key`.
    pub(crate) fn is_held(&self, key: &FrontendKey) -> bool {
        self.holders.contains_key(key)
    }

    /// `port` wants `key`; the port that loses it to `port`, if one does.
    pub(crate) fn claim(&mut self, port: &Arc<PortKey>, key: FrontendKey) -> Option<Arc<PortKey>> {
        let Some(holder) = self.holders.get_mut(&key) else {
            self.holders.insert(key, Arc::clone(port));
            return None;
        };
        let waiting = self.waiting.entry(key).or_default();
        if *port < *holder {
            let loser = std::mem::replace(holder, Arc::clone(port));
            waiting.insert(Arc::clone(&loser));
            Some(loser)
        } else {
            waiting.insert(Arc::clone(port));
            None
        }
    }

    /// `port` does not want `key` any more; the port that has it now instead, if one does.
    pub(crate) fn release(
        &mut self,
        port: &Arc<PortKey>,
        key: &FrontendKey,
    ) -> Option<Arc<PortKey>> {
        let heir = match self.waiting.get_mut(key) {
            Some(waiting) if self.holders.get(key).is_none_or(|holder| holder != port) => {
                waiting.remove(port);
                None
            }
            Some(waiting) => waiting.pop_first(),
            None => None,
        };
        if self.waiting.get(key).is_some_and(BTreeSet::is_empty) {
            self.waiting.remove(key);
        }
        match &heir {
            Some(heir) => drop(self.holders.insert(*key, Arc::clone(heir))),
            None if self.holds(port, key) => drop(self.holders.remove(key)),
            None => {}
        }
        heir
    }

    /// All frontends that more than one wants.
    pub(crate) fn conflicts(&self) -> Vec<Conflict> {
        let of_key = |(key, waiting): (&FrontendKey, &BTreeSet<Arc<PortKey>>)| {
            let kept = self.holders.get(key).cloned();
            let conflict = |refused: &Arc<PortKey>| {
                let kept = PortKey::clone(kept.as_ref()?);
                Some(Conflict { key: *key, kept, refused: PortKey::clone(refused) })
            };
            waiting.iter().filter_map(conflict).collect::<Vec<_>>()
        };
        self.waiting.iter().flat_map(of_key).collect()
    }
}
