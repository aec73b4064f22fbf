//! Which pods are endpoints, of how many slices and in which condition, and which Services select them.
//! Pure.
//!
//! Only slices of the endpoints controller count: nobody else is known to mark what goes away.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde::Deserialize;
use sheave_api::ObjectKey;

const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";

/// How a slice names a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Chosen by new connections.
    Ready,
    NotReady,
    /// Chosen only where nothing else is left.
    Terminating,
}

/// A pod in a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: Arc<str>,
    pub(crate) uid: Arc<str>,
    pub(crate) condition: Condition,
}

/// The slices that name a pod, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) named: usize,
    pub(crate) ready: usize,
    pub(crate) terminating: usize,
}

/// What a Service selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    labels: BTreeMap<String, String>,
    ipv4: bool,
    ipv6: bool,
}

/// What of a pod decides who selects it.
#[derive(Debug, Default, Deserialize)]
struct Selected {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodStatus {
    #[serde(default, rename = "podIPs")]
    pod_ips: Option<Vec<PodIp>>,
}

#[derive(Debug, Deserialize)]
struct PodIp {
    #[serde(default)]
    ip: String,
}

/// All slices and Services, reduced to this.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    by_slice: BTreeMap<ObjectKey, Vec<Named>>,
    by_pod: HashMap<Arc<str>, Standing>,
    selectors: BTreeMap<ObjectKey, Selector>,
}

/// The pods in a slice, if its changes can be waited for.
pub(crate) fn named(slice: &EndpointSlice) -> Vec<Named> {
    let labels = slice.metadata.labels.as_ref();
    if labels.and_then(|labels| labels.get(MANAGED_BY)).is_none_or(|by| by != MANAGER) {
        return Vec::new();
    }
    let endpoints = slice.endpoints.iter().flatten().filter_map(|endpoint| {
        let pod = endpoint.target_ref.as_ref().filter(|t| t.kind.as_deref() == Some("Pod"))?;
        let conditions = endpoint.conditions.as_ref();
        let terminating = conditions.and_then(|c| c.terminating).unwrap_or(false);
        let ready = conditions.and_then(|c| c.ready).unwrap_or(true);
        Some(Named {
            name: pod.name.as_deref()?.into(),
            uid: pod.uid.as_deref()?.into(),
            condition: match (terminating, ready) {
                (true, _) => Condition::Terminating,
                (false, true) => Condition::Ready,
                (false, false) => Condition::NotReady,
            },
        })
    });
    endpoints.collect()
}

/// What a Service selects; `None` when its endpoints are not found by selector.
pub(crate) fn selector(service: &Service) -> Option<Selector> {
    let spec = service.spec.as_ref()?;
    let labels = spec.selector.clone().filter(|labels| !labels.is_empty())?;
    if spec.type_.as_deref() == Some("ExternalName")
        || service.metadata.deletion_timestamp.is_some()
    {
        return None;
    }
    let families = spec.ip_families.clone().unwrap_or_else(|| vec!["IPv4".to_owned()]);
    let has = |name: &str| families.iter().any(|family| family == name);
    Some(Selector { labels, ipv4: has("IPv4"), ipv6: has("IPv6") })
}

impl Endpoints {
    /// Replaces what a slice names. Returns the names of the pods whose standing changed.
    pub(crate) fn set_slice(&mut self, slice: &ObjectKey, named: Vec<Named>) -> Vec<Arc<str>> {
        let former = match named.is_empty() {
            true => self.by_slice.remove(slice),
            false => self.by_slice.insert(slice.clone(), named.clone()),
        };
        let former = former.unwrap_or_default();
        let condition: HashMap<&str, Condition> =
            former.iter().map(|pod| (&*pod.uid, pod.condition)).collect();
        let now: HashMap<&str, Condition> =
            named.iter().map(|pod| (&*pod.uid, pod.condition)).collect();
        let mut changed = Vec::new();
        for pod in former.iter().filter(|pod| now.get(&*pod.uid) != Some(&pod.condition)) {
            self.count(pod, false);
            changed.push(Arc::clone(&pod.name));
        }
        for pod in named.iter().filter(|pod| condition.get(&*pod.uid) != Some(&pod.condition)) {
            self.count(pod, true);
            changed.push(Arc::clone(&pod.name));
        }
        changed.sort();
        changed.dedup();
        changed
    }

    fn count(&mut self, pod: &Named, more: bool) {
        let standing = self.by_pod.entry(Arc::clone(&pod.uid)).or_default();
        let step = |count: &mut usize| match more {
            true => *count += 1,
            false => *count = count.saturating_sub(1),
        };
        step(&mut standing.named);
        match pod.condition {
            Condition::Ready => step(&mut standing.ready),
            Condition::Terminating => step(&mut standing.terminating),
            Condition::NotReady => {}
        }
        if standing.named == 0 {
            self.by_pod.remove(&pod.uid);
        }
    }

    /// How the slices name a pod.
    pub(crate) fn standing(&self, uid: &str) -> Standing {
        self.by_pod.get(uid).copied().unwrap_or_default()
    }

    /// Replaces what a Service selects. True when that is something else than before.
    pub(crate) fn set_service(&mut self, service: &ObjectKey, selector: Option<Selector>) -> bool {
        let former = match selector.clone() {
            Some(selector) => self.selectors.insert(service.clone(), selector),
            None => self.selectors.remove(service),
        };
        former != selector
    }

    /// How many slices will name this pod once it has been put into all that it belongs into: one for each
    /// Service that selects it and each family that both have.
    pub(crate) fn expected(&self, namespace: &str, pod_json: &[u8]) -> usize {
        let Ok(pod) = serde_json::from_slice::<Selected>(pod_json) else { return 0 };
        let labels = pod.metadata.labels.unwrap_or_default();
        let ips = pod.status.pod_ips.unwrap_or_default();
        let ipv6 = ips.iter().filter(|ip| ip.ip.contains(':')).count();
        let ipv4 = ips.len() - ipv6;
        let first = ObjectKey::new(namespace, "");
        let here = self.selectors.range(first..).take_while(|(key, _)| key.namespace == namespace);
        let selecting = here
            .map(|(_, selector)| selector)
            .filter(|s| s.labels.iter().all(|(name, value)| labels.get(name) == Some(value)));
        selecting.map(|s| usize::from(s.ipv4 && ipv4 > 0) + usize::from(s.ipv6 && ipv6 > 0)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn slice(manager: &str, endpoints: &[(&str, bool, bool)]) -> Vec<Named> {
        let endpoints: Vec<Value> = endpoints
            .iter()
            .map(|(pod, ready, terminating)| {
                json!({
                    "addresses": ["10.244.0.2"],
                    "conditions": { "ready": ready, "terminating": terminating },
                    "targetRef": { "kind": "Pod", "name": pod, "uid": format!("uid-{pod}") },
                })
            })
            .collect();
        let typed: EndpointSlice = serde_json::from_value(json!({
            "metadata": { "labels": { MANAGED_BY: manager } },
            "addressType": "IPv4", "endpoints": endpoints,
        }))
        .unwrap();
        named(&typed)
    }

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("default", name)
    }

    fn counts(endpoints: &Endpoints, pod: &str) -> (usize, usize, usize) {
        let standing = endpoints.standing(&format!("uid-{pod}"));
        (standing.named, standing.ready, standing.terminating)
    }

    #[test]
    fn pods_are_counted_over_all_slices() {
        let mut endpoints = Endpoints::default();
        let first = slice(MANAGER, &[("p", true, false), ("q", false, false)]);
        assert_eq!(endpoints.set_slice(&key("a"), first), ["p".into(), "q".into()]);
        let second = slice(MANAGER, &[("p", true, false)]);
        endpoints.set_slice(&key("b"), second);
        assert_eq!(counts(&endpoints, "p"), (2, 2, 0));
        let first = slice(MANAGER, &[("p", false, true), ("q", false, false)]);
        assert_eq!(endpoints.set_slice(&key("a"), first), ["p".into()]);
        assert_eq!(counts(&endpoints, "p"), (2, 1, 1));
        endpoints.set_slice(&key("b"), Vec::new());
        endpoints.set_slice(&key("a"), Vec::new());
        assert_eq!(counts(&endpoints, "p"), (0, 0, 0));
        assert!(endpoints.by_pod.is_empty() && endpoints.by_slice.is_empty());
    }

    #[test]
    fn slices_of_others_do_not_count() {
        assert!(slice("somebody", &[("p", true, false)]).is_empty());
    }

    #[test]
    fn a_pod_is_expected_once_for_each_service_and_family_it_shares() {
        let service = |spec: Value| -> Service {
            serde_json::from_value(json!({ "metadata": {}, "spec": spec })).unwrap()
        };
        let web = |families: &[&str]| {
            selector(&service(json!({ "selector": { "app": "web" }, "ipFamilies": families })))
        };
        let mut endpoints = Endpoints::default();
        assert!(endpoints.set_service(&key("a"), web(&["IPv4", "IPv6"])));
        assert!(!endpoints.set_service(&key("a"), web(&["IPv4", "IPv6"])));
        endpoints.set_service(&key("b"), web(&["IPv6"]));
        endpoints.set_service(&key("c"), selector(&service(json!({ "selector": { "app": "x" } }))));
        endpoints.set_service(&ObjectKey::new("other", "d"), web(&["IPv4"]));
        let pod = |ips: Value| {
            let pod =
                json!({ "metadata": { "labels": { "app": "web" } }, "status": { "podIPs": ips } });
            pod.to_string().into_bytes()
        };
        let both = pod(json!([{ "ip": "10.244.0.2" }, { "ip": "fd00::2" }]));
        assert_eq!(endpoints.expected("default", &both), 3);
        assert_eq!(endpoints.expected("default", &pod(json!([{ "ip": "10.244.0.2" }]))), 1);
        assert_eq!(endpoints.expected("default", &pod(json!(null))), 0);
        assert_eq!(endpoints.expected("default", b"{}"), 0);
    }

    #[test]
    fn services_without_selector_select_nothing() {
        let service = |value: Value| selector(&serde_json::from_value(value).unwrap());
        assert_eq!(service(json!({ "metadata": {}, "spec": {} })), None);
        let external = json!({ "type": "ExternalName", "selector": { "a": "b" } });
        assert_eq!(service(json!({ "metadata": {}, "spec": external })), None);
    }
}
