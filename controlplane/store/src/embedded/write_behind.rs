//! Relaxed writes that are visible and not yet in the file.
//!
//! They stay here until a commit that contains them has succeeded, so that an engine that fails and
//! is opened again loses none of them. A key written ten times is written to the file once.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::Revision;

/// A key's state: the value, or its absence, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) revision: Revision,
    /// `None`: deleted.
    pub(super) value: Option<Bytes>,
}

/// Versions by key.
#[derive(Debug, Default)]
pub(super) struct WriteBehind {
    versions: BTreeMap<Bytes, Version>,
    bytes: usize,
}

impl WriteBehind {
    pub(super) fn get(&self, key: &[u8]) -> Option<&Version> {
        self.versions.get(key)
    }

    pub(super) fn insert(&mut self, key: Bytes, version: Version) {
        self.bytes += size_bytes(&key, &version);
        if let Some(old) = self.versions.insert(key.clone(), version) {
            self.bytes -= size_bytes(&key, &old);
        }
    }

    /// Puts newer versions over these.
    pub(super) fn extend(&mut self, newer: Self) {
        for (key, version) in newer.versions {
            self.insert(key, version);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Bytes, &Version)> {
        self.versions.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn size_bytes(key: &Bytes, version: &Version) -> usize {
    key.len() + version.value.as_ref().map_or(0, Bytes::len)
}
