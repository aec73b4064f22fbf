//! Ports of the node that lead to containers of its pods: which pod has which, and where they lead.
//!
//! A pod has its ports from when it is accepted until it has ended; they lead somewhere while its sandbox
//! has an address. What is said is always the whole set, and nothing is said after a start before every
//! pod has been looked at: until then a port that leads somewhere must not be taken for gone. Nor is it gone
//! while pods were only recalled.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Mutex;

use sheave_core::model::{HostPort, Knowledge, ObjectKey, Protocol};
use tokio::sync::Notify;

use crate::context::Shared;
use crate::interface::{self, Outgoing};
use crate::pod::spec::{ContainerPort, PodKey, PodSpec, PodUid, PortProtocol};
use crate::recorder::About;

const POISONED: &str = "nobody panics while holding the ports";

/// All host ports of this node.
#[derive(Debug, Default)]
pub(crate) struct HostPorts {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    pods: BTreeMap<PodUid, Holder>,
    /// How far pods have been named.
    named: Knowledge,
    /// Every pod of such a state has been looked at.
    known: Knowledge,
    /// What users have been told that it does not work.
    refused: BTreeSet<(PodUid, String)>,
}

#[derive(Debug)]
struct Holder {
    about: About,
    key: PodKey,
    ports: Vec<Port>,
    /// On the host network, where containers listen for themselves.
    listens_itself: bool,
    /// Being ended: it keeps its ports until then, but keeps nobody out.
    is_leaving: bool,
    /// Of the sandbox; `None` before it has been looked at.
    addresses: Option<Vec<IpAddr>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Port {
    /// `None`: all of the node's.
    host_ip: Option<IpAddr>,
    host_port: NonZeroU16,
    protocol: Protocol,
    container_port: NonZeroU16,
}

/// A port of the node that two pods want.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Clash {
    /// `8080/TCP`.
    pub(crate) port: String,
    /// Who has it.
    pub(crate) holder: PodKey,
}

impl HostPorts {
    /// Gives a pod its ports, unless another pod has one of them.
    pub(crate) fn claim(&self, spec: &PodSpec) -> Result<(), Clash> {
        let ports = ports_of(spec);
        let mut state = self.lock();
        let stays = |(uid, holder): &(&PodUid, &Holder)| **uid != spec.uid && !holder.is_leaving;
        let clash = state.pods.iter().filter(stays).find_map(|(_, holder)| {
            let port =
                ports.iter().find(|port| holder.ports.iter().any(|had| had.clashes(port)))?;
            Some(Clash { port: port.to_string(), holder: holder.key.clone() })
        });
        match clash {
            Some(clash) => Err(clash),
            None => {
                state.hold(spec, ports);
                Ok(())
            }
        }
    }

    /// Gives a pod its ports that had them before the agent was started.
    pub(crate) fn adopt(&self, spec: &PodSpec) {
        self.lock().hold(spec, ports_of(spec));
    }

    /// Where a pod's ports lead: the addresses of its sandbox, none while there is none.
    pub(crate) fn lead_to(&self, uid: &PodUid, addresses: &[String]) {
        let addresses: Vec<IpAddr> = addresses.iter().filter_map(|ip| ip.parse().ok()).collect();
        let mut state = self.lock();
        let Some(holder) = state.pods.get_mut(uid) else { return };
        if holder.addresses.as_ref() != Some(&addresses) {
            holder.addresses = Some(addresses);
            drop(state);
            self.changed.notify_one();
        }
    }

    /// The pod begins to end.
    pub(crate) fn leave(&self, uid: &PodUid) {
        if let Some(holder) = self.lock().pods.get_mut(uid) {
            holder.is_leaving = true;
        }
    }

    /// The pod has ended.
    pub(crate) fn release(&self, uid: &PodUid) {
        let mut state = self.lock();
        if state.pods.remove(uid).is_some() {
            state.refused.retain(|(refused, _)| refused != uid);
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Every pod of a recalled state, or of a complete one, has been named once.
    pub(crate) fn named(&self, knowledge: Knowledge) {
        self.lock().named = knowledge;
        self.changed.notify_one();
    }

    /// All that lead somewhere; `None` before any of that is known.
    fn snapshot(&self) -> Option<interface::HostPorts> {
        let mut state = self.lock();
        if state.known < state.named && state.pods.values().all(Holder::has_been_looked_at) {
            state.known = state.named;
        }
        if state.known == Knowledge::Nothing {
            return None;
        }
        let mut ports: Vec<_> = state.pods.values().flat_map(Holder::served).collect();
        ports.sort_by(|a, b| (&a.pod, a.host_port, a.pod_ip).cmp(&(&b.pod, b.host_port, b.pod_ip)));
        Some(interface::HostPorts { ports, are_all: state.known == Knowledge::Complete })
    }

    /// Whom to tell that a port of a pod does not work; nobody twice.
    fn refuse(&self, pod: &ObjectKey, why: &str) -> Option<About> {
        let mut state = self.lock();
        let is_this = |key: &PodKey| key.namespace == pod.namespace && key.name == pod.name;
        let (uid, holder) = state.pods.iter().find(|(_, holder)| is_this(&holder.key))?;
        let (uid, about) = (uid.clone(), holder.about.clone());
        state.refused.insert((uid, why.to_owned())).then_some(about)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect(POISONED)
    }
}

impl State {
    fn hold(&mut self, spec: &PodSpec, ports: Vec<Port>) {
        if ports.is_empty() {
            return;
        }
        self.pods.entry(spec.uid.clone()).or_insert_with(|| Holder {
            about: About::pod(spec),
            key: spec.key.clone(),
            ports,
            listens_itself: spec.host_network,
            is_leaving: spec.deletion_grace_s.is_some(),
            addresses: None,
        });
    }
}

impl Holder {
    fn has_been_looked_at(&self) -> bool {
        self.listens_itself || self.addresses.is_some()
    }

    fn served(&self) -> impl Iterator<Item = HostPort> + '_ {
        let pod = ObjectKey { namespace: self.key.namespace.clone(), name: self.key.name.clone() };
        let addresses = self.addresses.iter().flatten().filter(|_| !self.listens_itself);
        addresses.flat_map(move |pod_ip| {
            let pod = pod.clone();
            let reached = self.ports.iter().filter(|port| port.is_of_family(pod_ip));
            reached.map(move |port| HostPort {
                pod: pod.clone(),
                host_ip: port.host_ip,
                host_port: port.host_port,
                protocol: port.protocol,
                pod_ip: *pod_ip,
                container_port: port.container_port,
            })
        })
    }
}

impl Port {
    fn clashes(&self, other: &Self) -> bool {
        let one_address = match (self.host_ip, other.host_ip) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        one_address && self.host_port == other.host_port && self.protocol == other.protocol
    }

    fn is_of_family(&self, pod_ip: &IpAddr) -> bool {
        self.host_ip.is_none_or(|host_ip| host_ip.is_ipv4() == pod_ip.is_ipv4())
    }
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.host_port, self.protocol)
    }
}

fn ports_of(spec: &PodSpec) -> Vec<Port> {
    let ports = spec.all_containers().flat_map(|container| &container.ports);
    ports.filter_map(port).collect()
}

fn port(port: &ContainerPort) -> Option<Port> {
    let host_ip = port.host_ip.parse::<IpAddr>().ok();
    Some(Port {
        host_ip: host_ip.filter(|ip| !ip.is_unspecified()),
        host_port: NonZeroU16::new(port.host_port?)?,
        protocol: match port.protocol {
            PortProtocol::Tcp => Protocol::Tcp,
            PortProtocol::Udp => Protocol::Udp,
            PortProtocol::Sctp => Protocol::Sctp,
        },
        container_port: NonZeroU16::new(port.port)?,
    })
}

/// Says the whole set whenever it is another one.
pub(crate) async fn follow(context: Shared) {
    let mut said = None;
    loop {
        context.host_ports.changed.notified().await;
        let now = context.host_ports.snapshot();
        if now != said
            && let Some(host_ports) = now.clone()
        {
            context.send(Outgoing::HostPorts(host_ports)).await;
            said = now;
        }
    }
}

/// Tells users which ports of a pod do not work, and why; each once.
pub(crate) fn say_refused(context: &Shared, refused: &[(ObjectKey, String)]) {
    for (pod, why) in refused {
        if let Some(about) = context.host_ports.refuse(pod, why) {
            context.recorder.warning(&about, "HostPortConflict", why.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pod::decode;

    fn spec(name: &str, host_network: bool, ports: serde_json::Value) -> PodSpec {
        let object = json!({
            "metadata": { "namespace": "default", "name": name, "uid": name },
            "spec": { "hostNetwork": host_network, "containers": [
                { "name": "c", "image": "i", "ports": ports }] },
        });
        decode::decode(object.to_string().as_bytes()).unwrap().0
    }

    fn on(host_port: u16) -> serde_json::Value {
        json!([{ "containerPort": 80, "hostPort": host_port }])
    }

    fn said(ports: &HostPorts) -> Option<Vec<String>> {
        let all = ports.snapshot()?.ports;
        Some(all.iter().map(|p| format!("{} {} {}", p.pod.name, p.host_port, p.pod_ip)).collect())
    }

    #[test]
    fn nothing_is_said_before_every_pod_has_been_looked_at() {
        let ports = HostPorts::default();
        ports.adopt(&spec("a", false, on(8080)));
        ports.adopt(&spec("b", false, on(8081)));
        ports.lead_to(&PodUid("a".into()), &["10.244.0.2".into()]);
        assert_eq!(said(&ports), None, "not all pods are known");
        ports.named(Knowledge::Complete);
        assert_eq!(said(&ports), None, "b has not been looked at");
        ports.lead_to(&PodUid("b".into()), &["10.244.0.3".into()]);
        assert_eq!(said(&ports).unwrap(), ["a 8080 10.244.0.2", "b 8081 10.244.0.3"]);
        ports.claim(&spec("c", false, on(8082))).unwrap();
        assert_eq!(said(&ports).unwrap().len(), 2, "one that comes later holds up nobody");
        ports.release(&PodUid("a".into()));
        assert_eq!(said(&ports).unwrap(), ["b 8081 10.244.0.3"]);
    }

    #[test]
    fn ports_of_recalled_pods_are_said_and_are_not_all() {
        let ports = HostPorts::default();
        let said = || ports.snapshot().map(|said| (said.ports.len(), said.are_all));
        ports.adopt(&spec("a", false, on(8080)));
        ports.named(Knowledge::Recalled);
        assert_eq!(said(), None, "a has not been looked at");
        ports.lead_to(&PodUid("a".into()), &["10.244.0.2".into()]);
        assert_eq!(said(), Some((1, false)));
        ports.adopt(&spec("b", false, on(8081)));
        ports.named(Knowledge::Complete);
        assert_eq!(said(), Some((1, false)), "b, which nobody recalled, has not been looked at");
        ports.lead_to(&PodUid("b".into()), &["10.244.0.3".into()]);
        assert_eq!(said(), Some((2, true)));
    }

    #[test]
    fn no_pods_is_an_answer_too() {
        let ports = HostPorts::default();
        ports.adopt(&spec("a", false, json!([{ "containerPort": 80 }])));
        ports.adopt(&spec("b", true, on(80)));
        ports.named(Knowledge::Complete);
        assert_eq!(said(&ports).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_port_is_one_pods_until_that_has_ended() {
        let ports = HostPorts::default();
        ports.claim(&spec("a", false, on(8080))).unwrap();
        let clash = Clash {
            port: "8080/TCP".into(),
            holder: PodKey { namespace: "default".into(), name: "a".into() },
        };
        assert_eq!(ports.claim(&spec("b", false, on(8080))), Err(clash));
        let udp = json!([{ "containerPort": 80, "hostPort": 8080, "protocol": "UDP" }]);
        ports.claim(&spec("c", false, udp)).unwrap();
        assert!(ports.claim(&spec("d", true, on(8080))).is_err(), "also on the host network");
        ports.claim(&spec("a", false, on(8080))).expect("its own");
        ports.release(&PodUid("a".into()));
        ports.claim(&spec("b", false, on(8080))).unwrap();
    }

    #[test]
    fn who_leaves_keeps_its_ports_and_keeps_nobody_out() {
        let ports = HostPorts::default();
        ports.claim(&spec("a", false, on(8080))).unwrap();
        ports.named(Knowledge::Complete);
        ports.lead_to(&PodUid("a".into()), &["10.244.0.2".into()]);
        ports.leave(&PodUid("a".into()));
        assert_eq!(said(&ports).unwrap(), ["a 8080 10.244.0.2"]);
        ports.claim(&spec("b", false, on(8080))).unwrap();
        assert!(ports.claim(&spec("c", false, on(8080))).is_err(), "b has come to stay");
    }

    #[test]
    fn an_address_of_the_node_is_of_one_family_and_clashes_with_itself() {
        let at = |ip: &str| json!([{ "containerPort": 80, "hostPort": 8080, "hostIP": ip }]);
        let ports = HostPorts::default();
        ports.claim(&spec("a", false, at("192.0.2.1"))).unwrap();
        ports.claim(&spec("b", false, at("192.0.2.2"))).unwrap();
        assert!(ports.claim(&spec("c", false, at("0.0.0.0"))).is_err());
        ports.named(Knowledge::Complete);
        for pod in ["a", "b"] {
            let both = ["10.244.0.2".to_owned(), "fd00::2".to_owned()];
            ports.lead_to(&PodUid(pod.into()), &both);
        }
        assert_eq!(said(&ports).unwrap(), ["a 8080 10.244.0.2", "b 8080 10.244.0.2"]);
    }

    #[test]
    fn users_are_told_once_what_does_not_work() {
        let ports = HostPorts::default();
        let pod = ObjectKey { namespace: "default".into(), name: "a".into() };
        assert!(ports.refuse(&pod, "why").is_none(), "nobody is there to be told");
        ports.adopt(&spec("a", false, on(8080)));
        assert!(ports.refuse(&pod, "why").is_some());
        assert!(ports.refuse(&pod, "why").is_none());
    }
}
