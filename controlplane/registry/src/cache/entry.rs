//! One object as the cache holds it: its bytes, and what selectors ask for, decoded once.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use sheave_api::selector::{FieldSelector, LabelSelector, Labels};
use sheave_api::{Kind, ObjectKey};
use sheave_client::Stored;
use sheave_store::Revision;

use super::splice::{Spliced, splice};

/// An object in the cache.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: ObjectKey,
    pub(crate) revision: Revision,
    spliced: Spliced,
    /// Sorted by key.
    labels: Box<[(Box<str>, Box<str>)]>,
    /// Values of the kind's selectable fields, in the kind's order.
    fields: Box<[Box<str>]>,
}

#[derive(Deserialize)]
struct OnlyLabels {
    metadata: OnlyMetadata,
}

#[derive(Deserialize)]
struct OnlyMetadata {
    #[serde(default)]
    labels: BTreeMap<Box<str>, Box<str>>,
}

impl Entry {
    /// Reads an object as stored, without `resourceVersion`.
    pub(crate) fn decode(
        kind: &Kind,
        key: ObjectKey,
        revision: Revision,
        json: &[u8],
    ) -> Result<Self, serde_json::Error> {
        let names = kind.strategy.field_labels();
        let (labels, fields) = if names.is_empty() {
            (serde_json::from_slice::<OnlyLabels>(json)?.metadata.labels, Box::default())
        } else {
            let object: Value = serde_json::from_slice(json)?;
            let labels = BTreeMap::deserialize(&object["metadata"]["labels"]).unwrap_or_default();
            let field = |name: &&str| kind.field_value(&object, name).into();
            (labels, names.iter().map(field).collect())
        };
        let spliced = splice(json, revision)
            .ok_or_else(|| serde::de::Error::custom("there is no metadata"))?;
        Ok(Self { key, revision, spliced, labels: labels.into_iter().collect(), fields })
    }

    /// The shared bytes.
    pub(crate) fn stored(&self) -> Stored {
        Stored { key: self.key.clone(), revision: self.revision, json: self.spliced.json.clone() }
    }

    /// The same state under the revision of the event that took it away.
    pub(crate) fn stored_at(&self, revision: Revision) -> Stored {
        Stored { key: self.key.clone(), revision, json: self.spliced.at_revision(revision) }
    }

    /// The object.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.spliced.json)
            .expect("the cache holds only what was decoded once")
    }

    /// Bytes of the object.
    pub(crate) fn size_bytes(&self) -> usize {
        self.spliced.json.len()
    }

    /// A selectable field's value; empty if absent.
    pub(crate) fn field(&self, kind: &Kind, name: &str) -> &str {
        match name {
            "metadata.name" => &self.key.name,
            "metadata.namespace" => &self.key.namespace,
            _ => kind
                .strategy
                .field_labels()
                .iter()
                .position(|known| *known == name)
                .map_or("", |index| &self.fields[index]),
        }
    }
}

impl Labels for Entry {
    fn label(&self, key: &str) -> Option<&str> {
        let index = self.labels.binary_search_by(|(name, _)| (**name).cmp(key)).ok()?;
        Some(&self.labels[index].1)
    }
}

/// Which objects a list or a watch is about.
#[derive(Clone)]
pub(crate) struct Filter {
    pub(crate) kind: &'static Kind,
    /// `None`: all namespaces.
    pub(crate) namespace: Option<String>,
    pub(crate) labels: LabelSelector,
    pub(crate) fields: FieldSelector,
}

impl Filter {
    /// Every object of a kind, or of one namespace.
    pub(crate) fn everything(kind: &'static Kind, namespace: Option<&str>) -> Self {
        Self {
            kind,
            namespace: namespace.map(str::to_owned),
            labels: LabelSelector::everything(),
            fields: FieldSelector::everything(),
        }
    }

    /// True if no selector narrows it.
    pub(crate) fn is_unselective(&self) -> bool {
        self.labels.is_everything() && self.fields.is_everything()
    }

    pub(crate) fn matches(&self, entry: &Entry) -> bool {
        self.namespace.as_ref().is_none_or(|namespace| *namespace == entry.key.namespace)
            && self.labels.matches(entry)
            && self.fields.matches(|name| Cow::Borrowed(entry.field(self.kind, name)))
    }
}
