//! The ConfigMaps and Secrets that this node's pods use, as they last came.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, RwLock};

use sheave_push::v1;

use crate::pod::spec::DataKind;

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DataKey {
    pub(crate) kind: DataKind,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// Read by the pod workers, written by the dispatcher alone.
#[derive(Debug, Default)]
pub(crate) struct DataObjects {
    objects: RwLock<HashMap<DataKey, Arc<v1::DataObject>>>,
}

const POISONED: &str = "nobody panics while holding the map";

impl DataObjects {
    pub(crate) fn get(&self, key: &DataKey) -> Option<Arc<v1::DataObject>> {
        self.objects.read().expect(POISONED).get(key).cloned()
    }

    /// Whether that changed anything.
    pub(crate) fn set(&self, key: DataKey, object: v1::DataObject) -> bool {
        let mut objects = self.objects.write().expect(POISONED);
        let same = objects.get(&key).is_some_and(|old| old.data == object.data);
        objects.insert(key, Arc::new(object));
        !same
    }

    pub(crate) fn remove(&self, key: &DataKey) {
        self.objects.write().expect(POISONED).remove(key);
    }

    /// Drops what was not in a complete state.
    pub(crate) fn retain(&self, seen: &HashSet<DataKey>) {
        self.objects.write().expect(POISONED).retain(|key, _| seen.contains(key));
    }
}
