//! update and patch, of objects and of their subresources.

use serde_json::Value;
use sheave_api::kinds::{namespace, scale, write};
use sheave_api::{Kind, ObjectKey, Status, meta, resource};
use sheave_client::Stored;
use sheave_store::{CommitError, Expectation, Transaction};

use super::{ATTEMPTS_MAX, MODIFIED, encode, not_written, refused, stored};
use crate::cache::Entry;
use crate::{Action, Identity, Registry, Target, WriteOptions, admission, keys};

/// Makes the wanted state of what a client sees out of the newest one.
pub(crate) type Wish<'a> = &'a (dyn Fn(&Value) -> Result<Value, Status> + Send + Sync);

/// Which part of an object a write is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Status,
    Scale,
    /// `spec.finalizers` of a namespace.
    Finalize,
}

impl Registry {
    /// Replaces an object, or the part that the subresource owns.
    pub async fn update(
        &self,
        who: &Identity,
        target: Target<'_>,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Stored, Status> {
        self.authorize_write("update", who, target)?;
        self.change_part(target, &|_| Ok(object.clone()), options).await
    }

    /// Changes an object, or what the subresource shows of it. `wish` may run several times.
    pub async fn patch(
        &self,
        who: &Identity,
        target: Target<'_>,
        wish: Wish<'_>,
        options: &WriteOptions,
    ) -> Result<Stored, Status> {
        self.authorize_write("patch", who, target)?;
        self.change_part(target, wish, options).await
    }

    fn authorize_write(
        &self,
        verb: &'static str,
        who: &Identity,
        Target { kind, key, subresource }: Target<'_>,
    ) -> Result<(), Status> {
        self.authorize(who, &Action::on(verb, kind, &key.namespace, &key.name).at(subresource))
    }

    async fn change_part(
        &self,
        Target { kind, key, subresource }: Target<'_>,
        wish: Wish<'_>,
        options: &WriteOptions,
    ) -> Result<Stored, Status> {
        let part = Part::of(kind, subresource)?;
        let change = |old: &Value, context: &_| -> Result<Value, Status> {
            let seen = part.view(kind, old)?;
            let new = part.apply(kind, old, wish(&seen)?, context)?;
            check_revision(kind, &new, old)?;
            Ok(new)
        };
        let validate = |new: &Value, old: &Value| part.validate(kind, new, old);
        let changed = self.change(kind, key, &change, &validate, options.dry_run).await?;
        part.show(kind, changed)
    }

    /// Reads, changes and writes an object until nobody came in between.
    pub(super) async fn change(
        &self,
        kind: &'static Kind,
        key: &ObjectKey,
        change: &(
             dyn Fn(&Value, &sheave_api::kinds::Context) -> Result<Value, Status> + Send + Sync
         ),
        validate: &(dyn Fn(&Value, &Value) -> Result<(), Status> + Send + Sync),
        dry_run: bool,
    ) -> Result<Stored, Status> {
        let resource = kind.group_resource();
        for _ in 0..ATTEMPTS_MAX {
            let entry = self
                .cache()
                .get(kind, key)
                .ok_or_else(|| Status::not_found(&resource, &key.name))?;
            let old = entry.value();
            let context = self.context();
            let mut new = change(&old, &context)?;
            let random = context.name_random;
            let terms = admission::update(&self.sink, &self.ranges, kind, &mut new, &old, random)?;
            validate(&new, &old)?;
            if write::is_unchanged(&new, &old) {
                return Ok(entry.stored());
            }
            let ends = is_end(kind, &new, &old);
            if dry_run {
                return Ok(not_written(key.clone(), entry.revision, new));
            }
            let json = encode(new);
            let transaction = match ends {
                true => self.removal(kind, &entry, &old),
                false => replacement(kind, &entry, terms.transaction(key), &json),
            };
            match self.commit(kind, transaction).await {
                Ok(revision) => return Ok(stored(key.clone(), revision, &json)),
                Err(CommitError::Unexpected { current, .. }) => self.catch_up(current).await,
                Err(error) => return Err(refused(&error)),
            }
        }
        Err(Status::conflict(&resource, &key.name, MODIFIED))
    }

    /// The transaction that takes an object away, with all that it holds.
    pub(super) fn removal(&self, kind: &Kind, entry: &Entry, old: &Value) -> Transaction {
        let key = keys::object(kind, &entry.key);
        admission::remove(&self.sink, &self.ranges, kind, old)
            .transaction(&entry.key)
            .expect(key.clone(), Expectation::Revision(entry.revision))
            .delete(key)
    }
}

fn replacement(kind: &Kind, entry: &Entry, terms: Transaction, json: &[u8]) -> Transaction {
    let key = keys::object(kind, &entry.key);
    terms.expect(key.clone(), Expectation::Revision(entry.revision)).put(key, json.to_vec())
}

/// True if a write takes away the last thing that kept a terminating object.
fn is_end(kind: &Kind, new: &Value, old: &Value) -> bool {
    if !meta::is_terminating(new) || meta::finalizers(new).next().is_some() {
        return false;
    }
    if kind.group_resource() == resource::NAMESPACES {
        return namespace::is_finalized(new);
    }
    meta::finalizers(old).next().is_some()
        && meta::deletion_grace_period_seconds(new).unwrap_or(0) == 0
}

/// 409 unless the new state was made from the old one, or does not say what it was made from.
fn check_revision(kind: &Kind, new: &Value, old: &Value) -> Result<(), Status> {
    let given = meta::resource_version(new);
    if given.is_empty() || given == "0" || given == meta::resource_version(old) {
        return Ok(());
    }
    Err(Status::conflict(&kind.group_resource(), meta::name(old), MODIFIED))
}

impl Part {
    fn of(kind: &Kind, subresource: Option<&str>) -> Result<Self, Status> {
        let Some(name) = subresource else { return Ok(Self::Whole) };
        let exists = kind.subresource(name).is_some();
        match name {
            "status" if exists => Ok(Self::Status),
            "scale" if exists => Ok(Self::Scale),
            "finalize" if exists => Ok(Self::Finalize),
            _ => Err(Status::new(
                404,
                "NotFound",
                "the server could not find the requested resource",
            )),
        }
    }

    /// What a client sees of the object through this part.
    fn view(self, kind: &Kind, object: &Value) -> Result<Value, Status> {
        match self {
            Self::Scale => scale::of(kind, object)
                .ok_or_else(|| Status::not_found(&kind.group_resource(), meta::name(object))),
            Self::Whole | Self::Status | Self::Finalize => Ok(object.clone()),
        }
    }

    /// The whole object with this part as the client wants it.
    fn apply(
        self,
        kind: &Kind,
        old: &Value,
        wanted: Value,
        context: &sheave_api::kinds::Context,
    ) -> Result<Value, Status> {
        let mut new = match self {
            Self::Scale => scale::applied(old, &wanted)?,
            Self::Finalize => {
                let mut new = old.clone();
                new["spec"]["finalizers"] = wanted["spec"]["finalizers"].clone();
                let given = meta::resource_version(&wanted).to_owned();
                meta::set(&mut new, "resourceVersion", given);
                return Ok(new);
            }
            Self::Whole | Self::Status => wanted,
        };
        match self {
            Self::Status => write::prepare_status_update(kind, &mut new, old, context)?,
            _ => write::prepare_update(kind, &mut new, old, context)?,
        }
        Ok(new)
    }

    fn validate(self, kind: &Kind, new: &Value, old: &Value) -> Result<(), Status> {
        match self {
            Self::Status => write::validate_status_update(kind, new, old),
            Self::Whole | Self::Scale | Self::Finalize => write::validate_update(kind, new, old),
        }
    }

    /// The answer to a write.
    fn show(self, kind: &Kind, written: Stored) -> Result<Stored, Status> {
        if self != Self::Scale {
            return Ok(written);
        }
        let object = serde_json::from_slice(&written.json)
            .map_err(|error| Status::internal(error.to_string()))?;
        let shown = self.view(kind, &object)?;
        Ok(Stored { json: shown.to_string().into(), ..written })
    }
}
