//! The registry on a real store in a temporary directory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod authorization;
mod balancers;
mod clients;
mod deletes;
mod lists;
mod services;
mod watches;
mod writes;

use std::sync::Arc;

use serde_json::{Value, json};
use sheave_api::{GroupResource, Kind, ObjectKey, Status, kinds, resource};
use sheave_client::Stored;
use sheave_registry::{
    DeleteOptions, Deleted, Identity, ListOptions, ListResult, Registry, RegistryConfig,
    ResourceVersion, Target, WriteOptions,
};
use sheave_store::{EmbeddedStore, Store};

/// A registry, and short forms of what tests ask of it as an administrator.
struct Cluster {
    registry: Arc<Registry>,
    store: Arc<dyn Store>,
    directory: tempfile::TempDir,
}

impl Cluster {
    async fn start() -> Self {
        Self::start_with(RegistryConfig::default()).await
    }

    async fn start_with(config: RegistryConfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::start_in(directory, config).await
    }

    async fn start_in(directory: tempfile::TempDir, config: RegistryConfig) -> Self {
        let store = EmbeddedStore::open(&directory.path().join("store.redb")).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let registry = Registry::open(config, Arc::clone(&store)).await.unwrap();
        Self { registry, store, directory }
    }

    async fn restart(self, config: RegistryConfig) -> Self {
        self.store.close().await.unwrap();
        let Self { registry, store, directory } = self;
        drop((registry, store));
        Self::start_in(directory, config).await
    }

    async fn create(&self, of: &GroupResource, object: Value) -> Result<Value, Status> {
        let namespace = namespace(of);
        let options = WriteOptions::default();
        let created = self.registry.create(&admin(), kind(of), namespace, object, &options).await?;
        Ok(value(&created))
    }

    async fn get(&self, of: &GroupResource, name: &str) -> Result<Value, Status> {
        let key = key(of, name);
        let target = Target { kind: kind(of), key: &key, subresource: None };
        Ok(value(&self.registry.get(&admin(), target, ResourceVersion::Unset).await?))
    }

    async fn update(
        &self,
        of: &GroupResource,
        subresource: Option<&str>,
        object: Value,
    ) -> Result<Value, Status> {
        let key = key(of, object["metadata"]["name"].as_str().unwrap());
        let target = Target { kind: kind(of), key: &key, subresource };
        let options = WriteOptions::default();
        Ok(value(&self.registry.update(&admin(), target, object, &options).await?))
    }

    /// Changes an object in place, whatever its revision.
    async fn edit(
        &self,
        of: &GroupResource,
        subresource: Option<&str>,
        name: &str,
        change: impl Fn(&mut Value) + Send + Sync,
    ) -> Result<Value, Status> {
        let key = key(of, name);
        let target = Target { kind: kind(of), key: &key, subresource };
        let wish = |old: &Value| {
            let mut new = old.clone();
            change(&mut new);
            Ok(new)
        };
        let options = WriteOptions::default();
        Ok(value(&self.registry.patch(&admin(), target, &wish, &options).await?))
    }

    async fn delete(&self, of: &GroupResource, name: &str) -> Result<Deleted, Status> {
        self.delete_with(of, name, DeleteOptions::default()).await
    }

    async fn delete_with(
        &self,
        of: &GroupResource,
        name: &str,
        options: DeleteOptions,
    ) -> Result<Deleted, Status> {
        self.registry.delete(&admin(), kind(of), &key(of, name), &options).await
    }

    async fn list(&self, of: &GroupResource, options: ListOptions) -> Result<ListResult, Status> {
        self.registry.list(&admin(), kind(of), Some("default"), &options).await
    }
}

fn admin() -> Identity {
    Identity::new("admin", ["system:masters".to_owned()])
}

fn kind(of: &GroupResource) -> &'static Kind {
    kinds::by_group_resource(of).unwrap()
}

fn namespace(of: &GroupResource) -> &'static str {
    if kind(of).namespaced { "default" } else { "" }
}

fn key(of: &GroupResource, name: &str) -> ObjectKey {
    ObjectKey::new(namespace(of), name)
}

fn value(stored: &Stored) -> Value {
    let value: Value = serde_json::from_slice(&stored.json).unwrap();
    if stored.revision != 0 && value["kind"] != "Scale" {
        assert_eq!(value["metadata"]["resourceVersion"], stored.revision.to_string());
    }
    value
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

fn names(list: &ListResult) -> Vec<&str> {
    list.items.iter().map(|item| item.key.name.as_str()).collect()
}

fn config_map(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "data": { "key": "value" } })
}

fn labelled(name: &str, app: &str) -> Value {
    json!({ "metadata": { "name": name, "labels": { "app": app } } })
}

fn pod(name: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": { "containers": [{ "name": "main", "image": "registry.example/image:1" }] },
    })
}

fn deployment(name: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": pod(name)["spec"],
            },
        },
    })
}

fn binding(pod: &str, node: &str) -> Value {
    json!({
        "kind": "Binding", "apiVersion": "v1",
        "metadata": { "name": pod }, "target": { "kind": "Node", "name": node },
    })
}

impl Cluster {
    async fn bind(&self, pod: &str, node: &str) -> Result<Value, Status> {
        let key = key(&resource::PODS, pod);
        let target =
            Target { kind: kind(&resource::PODS), key: &key, subresource: Some("binding") };
        let options = WriteOptions::default();
        let body = binding(pod, node);
        self.registry.create_subresource(&admin(), target, body, &options).await
    }
}
