//! create.

use serde_json::Value;
use sheave_api::kinds::write;
use sheave_api::{Kind, Status, meta};
use sheave_client::Stored;
use sheave_store::{CommitError, Expectation};

use super::{ATTEMPTS_MAX, encode, not_written, refused, stored};
use crate::{Action, Identity, Registry, WriteOptions, admission, keys};

/// How many names are tried for `generateName`.
const NAMES_MAX: usize = 8;

impl Registry {
    /// Creates an object. `namespace` is the request's, empty for cluster-scoped kinds.
    pub async fn create(
        &self,
        who: &Identity,
        kind: &'static Kind,
        namespace: &str,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Stored, Status> {
        let action = Action::on("create", kind, namespace, meta::name(&object));
        self.authorize(who, &action)?;
        if !meta::resource_version(&object).is_empty() {
            return Err(Status::bad_request(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        let is_generated = meta::name(&object).is_empty();
        let mut names = 0;
        for _ in 0..ATTEMPTS_MAX {
            let context = self.context();
            let mut new = object.clone();
            write::prepare_create(kind, namespace, &mut new, &context)?;
            let terms =
                admission::create(&self.sink, &self.ranges, kind, &mut new, context.name_random)?;
            write::validate_create(kind, &new)?;
            let key = meta::key(&new);
            let stored_key = keys::object(kind, &key);
            let exists = self.cache().get(kind, &key).is_some();
            if options.dry_run && !exists {
                return Ok(not_written(key, 0, new));
            }
            let taken = if exists {
                true
            } else {
                let json = encode(new);
                let transaction = terms
                    .transaction(&key)
                    .expect(stored_key.clone(), Expectation::Absent)
                    .put(stored_key.clone(), json.clone());
                match self.commit(kind, transaction).await {
                    Ok(revision) => return Ok(stored(key, revision, &json)),
                    Err(CommitError::Unexpected { key, current }) => {
                        self.catch_up(current).await;
                        key == stored_key
                    }
                    Err(error) => return Err(refused(&error)),
                }
            };
            if taken && !is_generated {
                return Err(Status::already_exists(&kind.group_resource(), &key.name));
            }
            names += usize::from(taken);
            if names >= NAMES_MAX {
                return Err(no_name_left(kind, &key.name));
            }
        }
        Err(Status::new(409, "Conflict", super::MODIFIED))
    }
}

fn no_name_left(kind: &Kind, name: &str) -> Status {
    let resource = kind.group_resource();
    let mut status = Status::already_exists(&resource, name);
    status.message = format!(
        "{resource} \"{name}\" already exists, the server was not able to generate a unique name for the \
         object"
    );
    status
}
