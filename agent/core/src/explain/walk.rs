//! The way of a connection's first packet, hook by hook, as the programs go it.

use std::net::IpAddr;

use sheave_abi::event::Event;
use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::{AffinityKey, BACKEND_LIVE, Backend, Frontend, FrontendKey, flags};

use super::owner::{At, owner};
use super::{Choice, Client, Outcome, Question, Seen, Step, is_here};
use crate::dump::{ip, socket_addr};
use crate::model::{Model, Protocol, TrafficPolicy};
use crate::plan::{Scope, addr};

const SOCKET: &str = "the socket's connect (cgroup hook)";
const POD: &str = "the pod's interface (tc)";
const UPLINK_IN: &str = "the uplink, coming in (tc)";
const UPLINK_OUT: &str = "the uplink, going out (tc)";

/// What the walk found.
pub(super) struct Walked {
    pub(super) steps: Vec<Step>,
    pub(super) outcome: Outcome,
    /// Who may be chosen.
    pub(super) backends: Vec<(u32, Backend)>,
    /// Which endpoints the traffic may go to, where a frontend was met.
    pub(super) scope: Option<Scope>,
}

struct Walk<'a, S> {
    question: &'a Question,
    seen: &'a S,
    model: Option<&'a Model>,
    steps: Vec<Step>,
}

pub(super) fn walk(question: &Question, seen: &impl Seen, model: Option<&Model>) -> Walked {
    let mut walk = Walk { question, seen, model, steps: Vec::new() };
    match question.client {
        Client::Outside { ip } => walk.outside_sends(ip),
        Client::Host | Client::Pod { .. } => walk.inside_sends(),
    }
}

impl<S: Seen> Walk<'_, S> {
    fn inside_sends(&mut self) -> Walked {
        if self.question.protocol == Protocol::Sctp {
            self.step(SOCKET, "SCTP sockets are left alone".into());
        } else if let Some(frontend) = self.frontend() {
            if let Some(walked) = self.at_socket(&frontend) {
                return walked;
            }
        } else {
            self.step(SOCKET, format!("{} is no frontend; the address stays", self.destination()));
        }
        match self.question.client {
            Client::Pod { .. } => self.pod_sends(),
            _ => self.host_sends(),
        }
    }

    /// `None`: the hook leaves the address, and the packet goes its way.
    fn at_socket(&mut self, frontend: &Frontend) -> Option<Walked> {
        if frontend.flags & flags::HOST_ONLY != 0 && self.question.client != Client::Host {
            let text = format!("{} is served to processes of the node alone", self.destination());
            self.step(SOCKET, text);
            return None;
        }
        if self.question.netns_cookie.is_some_and(|cookie| self.seen.is_opted_out(cookie)) {
            let text = "the client's sockets are left alone (sheave.io/socket-hooks: off)";
            self.step(SOCKET, text.into());
            return None;
        }
        let backends = self.live(frontend.internal);
        if backends.is_empty() {
            let is_led = self.question.client == Client::Host
                && self.is_allocated()
                && !self.seen.is_in_service_range(self.to());
            let what = if is_led { "the socket is led to the uplink" } else { "the address stays" };
            self.step(SOCKET, format!("{}, which nobody answers for; {what}", self.named()));
            return None;
        }
        let count = backends.len();
        self.step(SOCKET, format!("{}, {}", self.named(), counted(count)));
        let cookie = self.question.netns_cookie;
        let key = cookie.map(|cookie| AffinityKey::of_netns(cookie, frontend.service));
        let choice = self.choice(frontend, &backends, key, false);
        Some(self.ends(Outcome::Backend(choice), backends, Some(self.scope(false))))
    }

    fn pod_sends(&mut self) -> Walked {
        if self.seen.is_pod_here(self.to()) {
            self.step(POD, format!("{} is a pod of this node", self.question.to.ip()));
            return self.ends(Outcome::Pod, Vec::new(), None);
        }
        let Some(frontend) = self.frontend().filter(|f| f.flags & flags::HOST_ONLY == 0) else {
            return self.not_a_frontend(POD);
        };
        let backends = self.live(frontend.internal);
        if !backends.is_empty() {
            self.step(POD, format!("{}, {}", self.named(), counted(backends.len())));
            let key = self.client_addr().map(|client| self.packets_key(client, &frontend));
            let choice = self.choice(&frontend, &backends, key, false);
            return self.ends(Outcome::Backend(choice), backends, Some(self.scope(false)));
        }
        self.nobody(POD, frontend.flags & flags::INTERNAL_DROP != 0, false)
    }

    fn host_sends(&mut self) -> Walked {
        if self.seen.is_pod_here(self.to()) {
            self.step("routing", format!("{} is a pod of this node", self.question.to.ip()));
            return self.ends(Outcome::Pod, Vec::new(), None);
        }
        match self.frontend() {
            Some(frontend) => {
                self.nobody(UPLINK_OUT, frontend.flags & flags::INTERNAL_DROP != 0, false)
            }
            None => self.not_a_frontend(UPLINK_OUT),
        }
    }

    fn outside_sends(&mut self, ip: Option<IpAddr>) -> Walked {
        if self.seen.is_pod_here(self.to()) {
            self.step(UPLINK_IN, format!("{} is a pod of this node", self.question.to.ip()));
            return self.ends(Outcome::Pod, Vec::new(), None);
        }
        let Some(frontend) = self.frontend().filter(|f| f.flags & flags::HOST_ONLY == 0) else {
            if self.is_allocated() || self.seen.is_in_service_range(self.to()) {
                let is_open = self.model.is_some_and(|model| model.node.external_cluster_ips);
                let text = match is_open {
                    true => format!(
                        "{} is no port that clients outside are served on",
                        self.destination()
                    ),
                    false => format!("{} is only served inside the cluster", self.question.to.ip()),
                };
                return self.drops(UPLINK_IN, text, Event::InsideOnly, None);
            }
            self.step(UPLINK_IN, format!("{} is no frontend", self.destination()));
            return self.ends(Outcome::Stack, Vec::new(), None);
        };
        if frontend.flags & flags::EXTERNAL == 0 {
            let text = format!("{} is only served inside the cluster", self.named());
            return self.drops(UPLINK_IN, text, Event::InsideOnly, None);
        }
        if frontend.flags & flags::SOURCE_RANGES != 0 {
            let which = format!("{}, which takes clients of some ranges alone", self.named());
            match ip {
                Some(ip) if !self.seen.admits(frontend.service, addr(ip)) => {
                    let text = format!("{which}; {ip} is in none");
                    return self.drops(UPLINK_IN, text, Event::SourceRefused, None);
                }
                Some(ip) => self.step(UPLINK_IN, format!("{which}; {ip} is in one")),
                None => self.step(UPLINK_IN, which),
            }
        }
        let backends = self.live(frontend.external);
        if backends.is_empty() {
            return self.nobody(UPLINK_IN, frontend.flags & flags::EXTERNAL_DROP != 0, true);
        }
        self.step(UPLINK_IN, format!("{}, {}", self.named(), counted(backends.len())));
        self.carries(&backends);
        self.masquerades(&backends);
        let key = ip.map(|ip| AffinityKey { client: addr(ip), service: frontend.service });
        let by_hash = frontend.flags & flags::MAGLEV != 0;
        let choice = self.choice(&frontend, &backends, key, by_hash);
        self.ends(Outcome::Backend(choice), backends, Some(self.scope(true)))
    }

    /// Says that backends on other nodes see the client, if they do.
    fn carries(&mut self, backends: &[(u32, Backend)]) {
        if backends.iter().any(|(_, backend)| self.seen.is_carried_to(backend.addr)) {
            let text =
                "a backend on another node sees the client as it is: its packets are carried there";
            self.step(UPLINK_IN, text.into());
        }
    }

    /// Says whom backends on other nodes take for the client, if not the client.
    fn masquerades(&mut self, backends: &[(u32, Backend)]) {
        let is_elsewhere = |(_, backend): &&(u32, Backend)| {
            !is_here(self.seen, backend.addr) && !self.seen.is_carried_to(backend.addr)
        };
        let Some((_, backend)) = backends.iter().find(is_elsewhere) else { return };
        let addresses = self.seen.node_addresses().into_iter();
        let shown = addresses.map(ip).find(|own| own.is_ipv4() == backend.addr.is_v4());
        if let Some(shown) = shown {
            let text = format!("a backend on another node is shown {shown} in place of the client");
            self.step(UPLINK_IN, text);
        }
    }

    fn not_a_frontend(&mut self, hook: &'static str) -> Walked {
        if self.is_allocated() {
            let text = format!(
                "{} is a service's address, which has no port {}/{}",
                self.question.to.ip(),
                self.question.to.port(),
                name(self.question.protocol)
            );
            self.step(hook, text);
            return self.ends(Outcome::Refused, Vec::new(), None);
        }
        if self.seen.is_in_service_range(self.to()) {
            let text =
                format!("{} is in the service range, and no service's", self.question.to.ip());
            return self.drops(hook, text, Event::UnallocatedAddress, None);
        }
        if self.seen.is_in_node_pods(self.to()) {
            let text =
                format!("{} is in this node's pod range, and no pod's", self.question.to.ip());
            self.step(hook, text);
            return self.ends(Outcome::Refused, Vec::new(), None);
        }
        self.step(hook, format!("{} is no frontend", self.destination()));
        self.ends(Outcome::Stack, Vec::new(), None)
    }

    fn nobody(&mut self, hook: &'static str, drops: bool, is_outside: bool) -> Walked {
        let scope = Some(self.scope(is_outside));
        if drops {
            let text =
                format!("{}, whose policy is Local and which has no endpoint here", self.named());
            return self.drops(hook, text, Event::NoLocalEndpoint, scope);
        }
        let how = match self.question.protocol {
            Protocol::Tcp => "a TCP reset",
            Protocol::Udp | Protocol::Sctp => "ICMP port unreachable",
        };
        self.step(hook, format!("{}, which nobody answers for: {how} goes back", self.named()));
        self.ends(Outcome::Refused, Vec::new(), scope)
    }

    fn drops(
        &mut self,
        hook: &'static str,
        text: String,
        event: Event,
        scope: Option<Scope>,
    ) -> Walked {
        self.step(hook, text);
        self.ends(Outcome::Dropped(event), Vec::new(), scope)
    }

    fn choice(
        &self,
        frontend: &Frontend,
        backends: &[(u32, Backend)],
        key: Option<AffinityKey>,
        by_hash: bool,
    ) -> Choice {
        let now_s = self.seen.now_s();
        if frontend.affinity_s != 0
            && let Some(kept) = key.and_then(|key| self.seen.affinity(&key))
        {
            let age_s = now_s.wrapping_sub(kept.seen_s);
            let backend = backends
                .iter()
                .find(|(id, backend)| *id == kept.backend && backend.generation == kept.generation);
            if let (Some((_, backend)), true) = (backend, age_s <= frontend.affinity_s) {
                let address = socket_addr(backend.addr, backend.port);
                return Choice::Sticky { address, remaining_s: frontend.affinity_s - age_s };
            }
        }
        match backends.len() {
            1 => Choice::Only,
            _ if by_hash => Choice::Hash,
            _ => Choice::Random,
        }
    }

    fn ends(
        &mut self,
        outcome: Outcome,
        backends: Vec<(u32, Backend)>,
        scope: Option<Scope>,
    ) -> Walked {
        Walked { steps: std::mem::take(&mut self.steps), outcome, backends, scope }
    }

    fn step(&mut self, hook: &'static str, finds: String) {
        self.steps.push(Step { hook, finds });
    }

    fn frontend(&self) -> Option<Frontend> {
        let port = Be16::new(self.question.to.port());
        self.seen.frontend(&FrontendKey::new(self.to(), port, self.question.protocol as u8))
    }

    fn is_allocated(&self) -> bool {
        self.seen.frontend(&FrontendKey::address(self.to())).is_some()
    }

    fn live(&self, range: sheave_abi::service::SlotRange) -> Vec<(u32, Backend)> {
        let mut backends = self.seen.backends(range);
        backends.retain(|(_, backend)| backend.state == BACKEND_LIVE);
        backends
    }

    fn to(&self) -> Addr {
        addr(self.question.to.ip())
    }

    fn client_addr(&self) -> Option<Addr> {
        match self.question.client {
            Client::Pod { ip } => Some(addr(ip)),
            Client::Outside { ip } => ip.map(addr),
            Client::Host => None,
        }
    }

    /// What a client inside sticks by where its packets are seen.
    fn packets_key(&self, client: Addr, frontend: &Frontend) -> AffinityKey {
        match self.seen.netns_cookie(client) {
            Some(cookie) => AffinityKey::of_netns(cookie, frontend.service),
            None => AffinityKey { client, service: frontend.service },
        }
    }

    /// Which endpoints the service's policy lets this client reach; any, where nobody knows.
    fn scope(&self, is_outside: bool) -> Scope {
        let owner = self.model.and_then(|m| owner(m, self.question.to, self.question.protocol));
        let Some(owner) = owner else { return Scope::Cluster };
        let service = self.model.and_then(|model| model.services.get(&owner.service));
        let policy = service.map_or(TrafficPolicy::Cluster, |service| match owner.at {
            At::ClusterIp => service.internal_traffic_policy,
            _ if is_outside => service.external_traffic_policy,
            // A client inside that dials an external address is served from all of the cluster.
            _ => TrafficPolicy::Cluster,
        });
        policy.into()
    }

    fn destination(&self) -> String {
        format!("{}/{}", self.question.to, name(self.question.protocol))
    }

    /// The frontend, with its name where it is known.
    fn named(&self) -> String {
        let owner = self.model.and_then(|m| owner(m, self.question.to, self.question.protocol));
        match owner {
            Some(owner) => format!(
                "{} is {} of {}/{}",
                self.destination(),
                owner.at.name(),
                owner.service.namespace,
                owner.service.name
            ),
            None => format!("{} is a frontend", self.destination()),
        }
    }
}

fn counted(backends: usize) -> String {
    match backends {
        1 => "with 1 backend".into(),
        count => format!("with {count} backends"),
    }
}

pub(super) fn name(protocol: Protocol) -> &'static str {
    crate::dump::protocol_name(protocol as u8)
}
