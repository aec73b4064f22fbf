//! What a write must agree with beyond its own object: the namespace, what the cluster gives to
//! every pod, and what Services hold exclusively.
//!
//! Admission looks at the cache and returns [`Terms`]: what must still be true when the write is
//! made, and what else the same transaction writes. So nothing that it saw can change in between.

mod claims;
mod pod;
mod service;

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::{Value, json};
use sheave_api::{Kind, ObjectKey, Status, kinds, meta, resource};
use sheave_store::{Expectation, Revision, Transaction};

pub(crate) use claims::{Claim, Claims};
pub(crate) use service::Ranges;

use crate::cache::feed::Sink;
use crate::keys;

/// What a write's transaction holds beside the object.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    unchanged: Vec<(Bytes, Revision)>,
    take: Vec<Claim>,
    release: Vec<Claim>,
}

impl Terms {
    /// A transaction with these terms; the caller adds the object. Claims name their owner.
    pub(crate) fn transaction(&self, owner: &ObjectKey) -> Transaction {
        let mut transaction = Transaction::new();
        for (key, revision) in &self.unchanged {
            transaction = transaction.expect(key.clone(), Expectation::Revision(*revision));
        }
        for claim in &self.take {
            transaction = transaction
                .expect(claim.key(), Expectation::Absent)
                .put(claim.key(), owner.to_string());
        }
        for claim in &self.release {
            transaction = transaction.delete(claim.key());
        }
        transaction
    }
}

/// Completes and judges a new object.
pub(crate) fn create(
    sink: &Sink,
    ranges: &Ranges,
    kind: &Kind,
    object: &mut Value,
    random: u64,
) -> Result<Terms, Status> {
    let mut terms = Terms::default();
    if kind.namespaced {
        terms.unchanged.push(namespace(sink, kind, object)?);
    }
    let resource = kind.group_resource();
    if resource == resource::PODS {
        pod::complete(sink, object)?;
    }
    if resource == resource::SERVICES {
        service::assign(object, None, ranges, &sink.claims, random)?;
        terms.take = ranges.claims_of(object).into_iter().collect();
    }
    Ok(terms)
}

/// Completes and judges a changed object.
pub(crate) fn update(
    sink: &Sink,
    ranges: &Ranges,
    kind: &Kind,
    object: &mut Value,
    old: &Value,
    random: u64,
) -> Result<Terms, Status> {
    let mut terms = Terms::default();
    if kind.group_resource() == resource::SERVICES {
        service::assign(object, Some(old), ranges, &sink.claims, random)?;
        let (before, after) = (ranges.claims_of(old), ranges.claims_of(object));
        terms.take = after.difference(&before).copied().collect();
        terms.release = released(sink, before.difference(&after), &meta::key(old));
    }
    Ok(terms)
}

/// What an object's removal gives back.
pub(crate) fn remove(sink: &Sink, ranges: &Ranges, kind: &Kind, old: &Value) -> Terms {
    let held = match kind.group_resource() == resource::SERVICES {
        true => ranges.claims_of(old),
        false => BTreeSet::new(),
    };
    Terms { release: released(sink, held.iter(), &meta::key(old)), ..Terms::default() }
}

fn released<'a>(
    sink: &Sink,
    claims: impl Iterator<Item = &'a Claim>,
    owner: &ObjectKey,
) -> Vec<Claim> {
    claims.copied().filter(|claim| sink.claims.may_release(*claim, owner)).collect()
}

/// The object's namespace must be there, stay there, and not be on its way out.
fn namespace(sink: &Sink, kind: &Kind, object: &Value) -> Result<(Bytes, Revision), Status> {
    let name = meta::namespace(object);
    let namespaces =
        kinds::by_group_resource(&resource::NAMESPACES).expect("in the table of kinds");
    let key = ObjectKey::cluster(name);
    let entry = sink
        .cache
        .get(namespaces, &key)
        .ok_or_else(|| Status::not_found(&resource::NAMESPACES, name))?;
    if meta::is_terminating(&entry.value()) {
        let why = format!(
            "unable to create new content in namespace {name} because it is being terminated"
        );
        let resource = kind.group_resource();
        let object_name = meta::name(object);
        let mut status =
            Status::forbidden(format!("{resource} \"{object_name}\" is forbidden: {why}"))
                .about(&resource, object_name);
        status.details["causes"] = json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {name} is being terminated"),
            "field": "metadata.namespace",
        }]);
        return Err(status);
    }
    Ok((keys::object(namespaces, &key), entry.revision))
}
