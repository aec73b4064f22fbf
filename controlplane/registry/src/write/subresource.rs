//! Subresources that are created: `pods/binding` and `pods/eviction`.

use serde_json::{Value, json};
use sheave_api::kinds::{Propagation, pod};
use sheave_api::{Status, meta};

use crate::{Action, DeleteOptions, Identity, Registry, Target, WriteOptions};

impl Registry {
    /// Creates a subresource. The answer is a `v1.Status` of success.
    pub async fn create_subresource(
        &self,
        who: &Identity,
        target: Target<'_>,
        body: Value,
        options: &WriteOptions,
    ) -> Result<Value, Status> {
        let Target { kind, key, subresource } = target;
        let action = Action::on("create", kind, &key.namespace, &key.name).at(subresource);
        self.authorize(who, &action)?;
        let given = meta::name(&body);
        if !given.is_empty() && given != key.name {
            return Err(Status::bad_request(format!(
                "the name of the object ({given}) does not match the name on the URL ({})",
                key.name
            )));
        }
        match subresource.filter(|name| kind.subresource(name).is_some()) {
            Some("binding") => self.bind(target, &body, options).await?,
            Some("eviction") => self.evict(target, &body, options).await?,
            _ => {
                let why = "the server could not find the requested resource";
                return Err(Status::new(404, "NotFound", why));
            }
        }
        Ok(json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
        }))
    }

    async fn bind(
        &self,
        Target { kind, key, .. }: Target<'_>,
        binding: &Value,
        options: &WriteOptions,
    ) -> Result<(), Status> {
        let change = |old: &Value, context: &_| {
            let expected = meta::uid(binding);
            if !expected.is_empty() && expected != meta::uid(old) {
                let why = super::delete::uid_mismatch(expected, meta::uid(old));
                return Err(Status::conflict(&kind.group_resource(), &key.name, &why));
            }
            let mut new = old.clone();
            pod::bind(&mut new, binding, context)?;
            Ok(new)
        };
        self.change(kind, key, &change, &|_, _| Ok(()), options.dry_run).await.map(drop)
    }

    /// Deletes the pod as the eviction's `deleteOptions` say.
    async fn evict(
        &self,
        Target { kind, key, .. }: Target<'_>,
        eviction: &Value,
        options: &WriteOptions,
    ) -> Result<(), Status> {
        let wanted = &eviction["deleteOptions"];
        let text = |field: &Value| field.as_str().map(str::to_owned);
        let options = DeleteOptions {
            dry_run: options.dry_run || wanted["dryRun"] == json!(["All"]),
            grace_period_seconds: wanted["gracePeriodSeconds"].as_i64(),
            uid: text(&wanted["preconditions"]["uid"]),
            resource_version: text(&wanted["preconditions"]["resourceVersion"]),
            propagation: match wanted["propagationPolicy"].as_str() {
                Some("Foreground") => Some(Propagation::Foreground),
                Some("Background") => Some(Propagation::Background),
                Some("Orphan") => Some(Propagation::Orphan),
                _ => None,
            },
        };
        self.remove(kind, key, &options).await.map(drop)
    }
}
