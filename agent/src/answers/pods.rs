//! Names of the pods of this node by their addresses, as the kubelet last reported them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Deserialize;
use sheave_push::v1;

/// Shared between who hears of pods and who is asked. Names are `namespace/name`.
#[derive(Clone, Debug, Default)]
pub(crate) struct PodNames(Arc<Mutex<BTreeMap<IpAddr, String>>>);

/// What is read of a v1 PodStatus.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    phase: String,
    #[serde(rename = "hostIP")]
    host_ip: String,
    #[serde(rename = "podIPs")]
    pod_ips: Vec<PodIp>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodIp {
    ip: String,
}

impl PodNames {
    /// Takes note of a report. A pod in the node's own network has no address of its own, and one that
    /// has ended has none any more.
    pub(crate) fn note(&self, status: &v1::PodStatus) {
        let Some(key) = &status.pod else { return };
        let name = format!("{}/{}", key.namespace, key.name);
        let read: Status = serde_json::from_slice(&status.status).unwrap_or_default();
        let has_ended = ["Succeeded", "Failed"].contains(&read.phase.as_str());
        let mut names = self.0.lock();
        names.retain(|_, known| *known != name);
        if !has_ended {
            let own = read.pod_ips.iter().filter(|pod_ip| pod_ip.ip != read.host_ip);
            let ips = own.filter_map(|pod_ip| pod_ip.ip.parse().ok());
            names.extend(ips.map(|ip: IpAddr| (ip, name.clone())));
        }
    }

    /// The pod is no more.
    pub(crate) fn forget(&self, ended: &v1::PodEnded) {
        let Some(key) = &ended.pod else { return };
        let name = format!("{}/{}", key.namespace, key.name);
        self.0.lock().retain(|_, known| *known != name);
    }

    /// Whose an address is.
    pub(crate) fn at(&self, ip: IpAddr) -> Option<String> {
        self.0.lock().get(&ip).cloned()
    }

    /// Addresses of the pod that is called so: `namespace/name`, or the name alone.
    pub(crate) fn addresses(&self, wanted: &str) -> Vec<IpAddr> {
        let names = self.0.lock();
        let found = names.iter().filter(|(_, name)| super::is_named(name, wanted));
        found.map(|(ip, _)| *ip).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(name: &str, text: &str) -> v1::PodStatus {
        let pod = v1::ObjectKey { namespace: "shop".into(), name: name.into() };
        v1::PodStatus { pod: Some(pod), status: text.to_owned().into(), ..Default::default() }
    }

    #[test]
    fn a_pod_has_the_addresses_of_its_last_status() {
        let names = PodNames::default();
        let at = |ip: &str| names.at(ip.parse().unwrap());
        let running = r#"{"phase":"Running","hostIP":"192.0.2.1","podIPs":[{"ip":"10.244.0.2"},{"ip":"fd00::2"}]}"#;
        names.note(&status("a", running));
        assert_eq!(at("fd00::2").as_deref(), Some("shop/a"));
        assert_eq!(names.addresses("a").len(), 2);
        names.note(&status("h", r#"{"hostIP":"192.0.2.1","podIPs":[{"ip":"192.0.2.1"}]}"#));
        assert_eq!(at("192.0.2.1"), None, "the node's own");
        names.note(&status("a", r#"{"phase":"Failed","podIPs":[{"ip":"10.244.0.2"}]}"#));
        assert_eq!(at("10.244.0.2"), None);
        names.note(&status("b", running));
        assert_eq!(at("10.244.0.2").as_deref(), Some("shop/b"), "given to another since");
        let pod = Some(v1::ObjectKey { namespace: "shop".into(), name: "b".into() });
        names.forget(&v1::PodEnded { pod, ..Default::default() });
        assert_eq!(at("10.244.0.2"), None);
    }
}
