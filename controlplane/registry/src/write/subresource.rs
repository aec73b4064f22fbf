//! Subresources that are created: `pods/binding` and `pods/eviction`.

use serde_json::{Value, json};
use sheave_api::kinds::pod;
use sheave_api::{Status, meta};

use crate::{Action, Identity, Registry, Target, WriteOptions};

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
            Some("eviction") => self.evict(kind, key, &body, options).await?,
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
}
