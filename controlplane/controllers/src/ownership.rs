//! Which objects are whose, by their controlling owner; how one that has none is taken, and how one is let go.
//!
//! Which objects an owner wants is each controller's own matter.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sheave_api::{GroupResource, ObjectKey, Status};
use sheave_client::Patch;

use crate::own_pods::Owner;
use crate::{Context, controller_reference};

/// Keys by uid of the controlling owner; under the empty uid those that have none.
#[derive(Debug, Default)]
pub(crate) struct Ownership(BTreeMap<String, BTreeSet<ObjectKey>>);

impl Ownership {
    pub(crate) fn insert(&mut self, owner_uid: &str, key: ObjectKey) {
        self.0.entry(owner_uid.to_owned()).or_default().insert(key);
    }

    pub(crate) fn remove(&mut self, owner_uid: &str, key: &ObjectKey) {
        if let Some(owned) = self.0.get_mut(owner_uid) {
            owned.remove(key);
            if owned.is_empty() {
                self.0.remove(owner_uid);
            }
        }
    }

    pub(crate) fn of(&self, owner_uid: &str) -> impl Iterator<Item = &ObjectKey> {
        self.0.get(owner_uid).into_iter().flatten()
    }

    pub(crate) fn orphans(&self) -> impl Iterator<Item = &ObjectKey> {
        self.of("")
    }
}

impl Owner<'_> {
    /// Takes objects that have no controlling owner, and lets others go, each by key and uid. True when something was
    /// written, and the picture must catch up first.
    pub(crate) async fn claim(
        &self,
        context: &Context,
        resource: &GroupResource,
        taken: &[(&ObjectKey, &str)],
        released: &[(&ObjectKey, &str)],
    ) -> Result<bool, Status> {
        let reference = controller_reference("apps/v1", self.kind, &self.key.name, self.uid);
        for (key, uid) in taken {
            write_owners(context, resource, key, uid, json!([reference])).await?;
        }
        for (key, uid) in released {
            let without = json!([{ "$patch": "delete", "uid": self.uid }]);
            write_owners(context, resource, key, uid, without).await?;
        }
        Ok(!taken.is_empty() || !released.is_empty())
    }
}

/// An object of this name that is another one by now stays as it is.
async fn write_owners(
    context: &Context,
    resource: &GroupResource,
    key: &ObjectKey,
    uid: &str,
    owners: Value,
) -> Result<(), Status> {
    let patch = json!({ "metadata": { "uid": uid, "ownerReferences": owners } });
    match context.client.patch(resource, key, None, Patch::Strategic(patch)).await {
        Err(status) if status.is_not_found() || status.is_conflict() => Ok(()),
        result => result.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_let_go_is_nobodys() {
        let mut ownership = Ownership::default();
        let key = |name: &str| ObjectKey::new("default", name);
        ownership.insert("a", key("one"));
        ownership.insert("a", key("two"));
        ownership.insert("", key("three"));
        assert_eq!(ownership.of("a").count(), 2);
        ownership.remove("a", &key("one"));
        assert_eq!(ownership.of("a").collect::<Vec<_>>(), [&key("two")]);
        assert_eq!(ownership.orphans().collect::<Vec<_>>(), [&key("three")]);
        ownership.remove("a", &key("two"));
        assert_eq!(ownership.of("a").count(), 0);
    }
}
