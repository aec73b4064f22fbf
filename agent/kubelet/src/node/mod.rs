//! The node as the API shows it: what the machine has, what of it pods may use, how it is.

mod facts;
mod follow;
mod said;

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use k8s_openapi::api::core::v1 as api;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::config::KubeletConfig;
use crate::pod::status::time;

pub(crate) use facts::Facts;
pub(crate) use follow::follow;
pub(crate) use said::{SaidBefore, forget};

/// Images that are listed, the largest first: the scheduler looks at them, people hardly.
const IMAGES_MAX: usize = 50;
/// Below this much free memory a node says that it is under pressure, and that pods may not ask for.
const MEMORY_RESERVE_BYTES: u64 = 100 << 20;

/// What changes while the node lives.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Health {
    /// Why the node is not ready, in the kubelet's words; `None`: it is.
    pub(crate) not_ready: Option<String>,
    pub(crate) memory_pressure: bool,
    pub(crate) disk_pressure: bool,
    pub(crate) pid_pressure: bool,
    /// "containerd://1.6.20".
    pub(crate) runtime_version: String,
    pub(crate) images: Vec<Image>,
}

/// An image on the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) names: Vec<String>,
    pub(crate) bytes: i64,
}

/// A v1 Node to register: name, labels, status.
pub(crate) fn object(config: &KubeletConfig, facts: &Facts, status: api::NodeStatus) -> Bytes {
    let mut labels: BTreeMap<String, String> = [
        ("kubernetes.io/hostname", config.node_name.as_str()),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", facts.architecture),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    labels.extend(config.node_labels.iter().cloned());
    let annotations: BTreeMap<_, _> = config.node_annotations.iter().cloned().collect();
    let node = api::Node {
        metadata: ObjectMeta {
            name: Some(config.node_name.clone()),
            labels: Some(labels),
            annotations: (!annotations.is_empty()).then_some(annotations),
            ..ObjectMeta::default()
        },
        spec: None,
        status: Some(status),
    };
    encode(&node)
}

/// What an agent that has just started says: what was said before, or that it is starting.
pub(crate) fn status_at_start(
    config: &KubeletConfig,
    facts: &Facts,
    before: Option<api::NodeStatus>,
) -> api::NodeStatus {
    let starting =
        Health { not_ready: Some("container runtime is starting".into()), ..Health::default() };
    let status = status(config, facts, &starting, None, Timestamp::now());
    match before {
        Some(before) => {
            api::NodeStatus { conditions: before.conditions, images: before.images, ..status }
        }
        None => status,
    }
}

/// Plain data with string keys always encodes.
pub(crate) fn encode(value: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(value).expect("plain data with string keys").into()
}

/// The status. Conditions that did not change since `before` keep their times of transition.
pub(crate) fn status(
    config: &KubeletConfig,
    facts: &Facts,
    health: &Health,
    before: Option<&api::NodeStatus>,
    now: Timestamp,
) -> api::NodeStatus {
    let amounts = |cpu: u64, memory: u64, storage: u64| {
        let list = [
            ("cpu", cpu.to_string()),
            ("memory", format!("{}Ki", memory / 1024)),
            ("ephemeral-storage", storage.to_string()),
            ("pods", config.max_pods.to_string()),
        ];
        let list = list.map(|(name, amount)| (name.to_owned(), Quantity(amount)));
        Some(BTreeMap::from(list))
    };
    let Facts { cpus, memory_bytes, storage_bytes, .. } = *facts;
    let usable_memory = memory_bytes.saturating_sub(MEMORY_RESERVE_BYTES);
    let images = health.images.iter().take(IMAGES_MAX).map(|image| api::ContainerImage {
        names: Some(image.names.clone()),
        size_bytes: Some(image.bytes),
    });
    api::NodeStatus {
        addresses: Some(addresses(config)),
        capacity: amounts(cpus, memory_bytes, storage_bytes),
        // A tenth of the disk is kept free, as pods are evicted below that.
        allocatable: amounts(cpus, usable_memory, storage_bytes / 10 * 9),
        conditions: Some(conditions(health, before, now)),
        images: Some(images.collect()),
        node_info: Some(api::NodeSystemInfo {
            architecture: facts.architecture.into(),
            boot_id: facts.boot_id.clone(),
            container_runtime_version: health.runtime_version.clone(),
            kernel_version: facts.kernel_version.clone(),
            kube_proxy_version: config.kubelet_version.clone(),
            kubelet_version: config.kubelet_version.clone(),
            machine_id: facts.machine_id.clone(),
            operating_system: "linux".into(),
            os_image: facts.os_image.clone(),
            system_uuid: facts.system_uuid.clone(),
            swap: None,
        }),
        ..api::NodeStatus::default()
    }
}

fn addresses(config: &KubeletConfig) -> Vec<api::NodeAddress> {
    let address = |type_: &str, address: String| api::NodeAddress { type_: type_.into(), address };
    let ips = config.node_ips.iter().map(|ip| address("InternalIP", ip.to_string()));
    ips.chain(std::iter::once(address("Hostname", config.node_name.clone()))).collect()
}

fn conditions(
    health: &Health,
    before: Option<&api::NodeStatus>,
    now: Timestamp,
) -> Vec<api::NodeCondition> {
    let pressure = |name, is: bool, well: (&str, &str), ill: (&str, &str)| {
        let (reason, message) = if is { ill } else { well };
        (name, is, reason.to_owned(), message.to_owned())
    };
    let ready = match &health.not_ready {
        None => {
            ("Ready", true, "KubeletReady".to_owned(), "kubelet is posting ready status".to_owned())
        }
        Some(why) => ("Ready", false, "KubeletNotReady".to_owned(), why.clone()),
    };
    let list = [
        pressure(
            "MemoryPressure",
            health.memory_pressure,
            ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
        ),
        pressure(
            "DiskPressure",
            health.disk_pressure,
            ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("KubeletHasDiskPressure", "kubelet has disk pressure"),
        ),
        pressure(
            "PIDPressure",
            health.pid_pressure,
            ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
        ),
        ready,
    ];
    let old = before.and_then(|before| before.conditions.as_ref());
    let conditions = list.into_iter().map(|(name, is, reason, message)| {
        let status = if is { "True" } else { "False" };
        let same = old.and_then(|old| old.iter().find(|c| c.type_ == name && c.status == status));
        api::NodeCondition {
            type_: name.into(),
            status: status.into(),
            reason: Some(reason),
            message: Some(message),
            last_heartbeat_time: Some(time(now)),
            last_transition_time: same
                .and_then(|c| c.last_transition_time.clone())
                .or_else(|| Some(time(now))),
        }
    });
    conditions.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transitions_keep_their_time_until_they_change() {
        let config = KubeletConfig::new("n1", vec!["10.0.0.1".parse().unwrap()]);
        let facts = Facts::read(&config);
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut health = Health { not_ready: Some("no".into()), ..Health::default() };
        let first = status(&config, &facts, &health, None, at(100));
        health.not_ready = None;
        let second = status(&config, &facts, &health, Some(&first), at(200));
        let of = |status: &api::NodeStatus, name: &str| {
            let found = status.conditions.iter().flatten().find(|c| c.type_ == name).unwrap();
            (found.status.clone(), found.last_transition_time.clone().unwrap().0)
        };
        assert_eq!(of(&second, "Ready"), ("True".into(), at(200)));
        assert_eq!(of(&second, "DiskPressure"), ("False".into(), at(100)));
        let capacity = second.capacity.unwrap();
        assert_eq!(capacity["pods"].0, "110");
        assert!(capacity["memory"].0.ends_with("Ki"));
        assert_eq!(second.addresses.unwrap()[0].address, "10.0.0.1");
    }

    #[test]
    fn registers_with_the_usual_labels() {
        let mut config = KubeletConfig::new("n1", Vec::new());
        config.node_labels.push(("zone".into(), "a".into()));
        let facts = Facts::read(&config);
        let bytes = object(&config, &facts, api::NodeStatus::default());
        let node: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let labels = &node["metadata"]["labels"];
        assert_eq!(labels["kubernetes.io/hostname"], "n1");
        assert_eq!(labels["kubernetes.io/os"], "linux");
        assert_eq!(labels["zone"], "a");
    }
}
