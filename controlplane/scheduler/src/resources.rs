//! Amounts of resources: what pods request and nodes have. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use sheave_api::quantity::Quantity;

/// CPU in thousandths of a core, everything else in whole units (bytes, devices).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resources {
    pub(crate) amounts: BTreeMap<String, i64>,
}

pub(crate) const CPU: &str = "cpu";
pub(crate) const MEMORY: &str = "memory";
pub(crate) const PODS: &str = "pods";

impl Resources {
    /// From a resource list of the API. What is no quantity counts as nothing: validation has seen it.
    pub(crate) fn from_list(list: Option<&BTreeMap<String, ApiQuantity>>) -> Self {
        let amounts = list.into_iter().flatten().filter_map(|(name, quantity)| {
            let quantity: Quantity = quantity.0.parse().ok()?;
            let amount = if name == CPU { quantity.milli_value() } else { quantity.value() };
            Some((name.clone(), amount))
        });
        Self { amounts: amounts.collect() }
    }

    /// How much of one resource.
    pub(crate) fn get(&self, name: &str) -> i64 {
        self.amounts.get(name).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (name, amount) in &other.amounts {
            *self.amounts.entry(name.clone()).or_default() += amount;
        }
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        for (name, amount) in &other.amounts {
            *self.amounts.entry(name.clone()).or_default() -= amount;
        }
    }

    fn raise_to(&mut self, other: &Self) {
        for (name, amount) in &other.amounts {
            let mine = self.amounts.entry(name.clone()).or_default();
            *mine = (*mine).max(*amount);
        }
    }
}

/// What a pod occupies on its node: the sum of its containers, or what an init container needs while it
/// runs if that is more; sidecars (init containers that restart always) count with both. KEP-753.
pub(crate) fn requested(spec: &PodSpec) -> Resources {
    let mut running = Resources::default();
    for container in &spec.containers {
        running.add(&container_requests(container));
    }
    let mut sidecars = Resources::default();
    let mut starting = Resources::default();
    for container in spec.init_containers.iter().flatten() {
        let mut needs = container_requests(container);
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars.add(&needs);
            starting.raise_to(&sidecars);
        } else {
            needs.add(&sidecars);
            starting.raise_to(&needs);
        }
    }
    running.add(&sidecars);
    running.raise_to(&starting);
    running.add(&Resources::from_list(spec.overhead.as_ref()));
    running.amounts.insert(PODS.to_owned(), 1);
    running
}

fn container_requests(container: &Container) -> Resources {
    Resources::from_list(container.resources.as_ref().and_then(|r| r.requests.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(value: serde_json::Value) -> PodSpec {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn containers_add_up_and_init_containers_only_raise() {
        let resources = requested(&spec(json!({
            "containers": [
                { "name": "a", "resources": { "requests": { "cpu": "250m", "memory": "64Mi" } } },
                { "name": "b", "resources": { "requests": { "cpu": "1" } } },
            ],
            "initContainers": [
                { "name": "i", "resources": { "requests": { "cpu": "500m", "memory": "1Gi" } } },
            ],
        })));
        assert_eq!(resources.get(CPU), 1250);
        assert_eq!(resources.get(MEMORY), 1 << 30);
        assert_eq!(resources.get(PODS), 1);
    }

    #[test]
    fn sidecars_count_with_the_containers_and_with_later_init_containers() {
        let resources = requested(&spec(json!({
            "containers": [{ "name": "a", "resources": { "requests": { "cpu": "1" } } }],
            "initContainers": [
                { "name": "s", "restartPolicy": "Always",
                  "resources": { "requests": { "cpu": "500m" } } },
                { "name": "i", "resources": { "requests": { "cpu": "2" } } },
            ],
        })));
        assert_eq!(resources.get(CPU), 2500);
    }
}
