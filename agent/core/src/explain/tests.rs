//! Explanations on maps that the plan and the difference have filled, as they are on a node.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use sheave_abi::event::Event;
use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::{
    Affinity, AffinityKey, BACKEND_LIVE, Backend, Frontend, FrontendKey, SlotRange, flags,
};

use super::*;
use crate::dump::ip;
use crate::model::{
    Endpoint, EndpointPort, EndpointSlice, Node, ObjectKey, Service, ServicePort, ServiceType,
    TrafficPolicy,
};
use crate::plan::addr;

/// One service on one frontend; what the hooks would find.
struct Node1 {
    frontends: BTreeMap<FrontendKey, Frontend>,
    backends: Vec<(u32, Backend)>,
    affinity: Option<(AffinityKey, Affinity)>,
    netns_cookie: Option<u64>,
    admitted: Vec<IpAddr>,
    opted_out: Option<u64>,
    carries: bool,
    model: Model,
}

const NOW_S: u32 = 1000;
const INSIDE: SlotRange = SlotRange { start: 8, len: 2 };
const OUTSIDE: SlotRange = SlotRange { start: 16, len: 2 };

impl Seen for Node1 {
    fn frontend(&self, key: &FrontendKey) -> Option<Frontend> {
        self.frontends.get(key).copied()
    }

    fn backends(&self, range: SlotRange) -> Vec<(u32, Backend)> {
        let len = range.len as usize;
        self.backends.iter().take(len).copied().collect()
    }

    fn affinity(&self, key: &AffinityKey) -> Option<Affinity> {
        self.affinity.filter(|(kept, _)| kept == key).map(|(_, affinity)| affinity)
    }

    fn netns_cookie(&self, _: Addr) -> Option<u64> {
        self.netns_cookie
    }

    fn admits(&self, _: u32, client: Addr) -> bool {
        self.admitted.contains(&ip(client))
    }

    fn is_in_service_range(&self, addr: Addr) -> bool {
        matches!(ip(addr), IpAddr::V4(v4) if v4.octets()[..2] == [10, 96])
    }

    fn is_in_node_pods(&self, addr: Addr) -> bool {
        matches!(ip(addr), IpAddr::V4(v4) if v4.octets()[..3] == [10, 244, 0])
    }

    fn is_pod_here(&self, addr: Addr) -> bool {
        ["10.244.0.2", "10.244.0.3"].contains(&ip(addr).to_string().as_str())
    }

    fn is_opted_out(&self, netns_cookie: u64) -> bool {
        self.opted_out == Some(netns_cookie)
    }

    fn is_carried_to(&self, addr: Addr) -> bool {
        self.carries && matches!(ip(addr), IpAddr::V4(v4) if v4.octets()[..3] == [10, 244, 1])
    }

    fn node_addresses(&self) -> Vec<Addr> {
        vec![addr("192.0.2.1".parse().unwrap())]
    }

    fn now_s(&self) -> u32 {
        NOW_S
    }
}

fn port(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

fn key(name: &str) -> ObjectKey {
    ObjectKey { namespace: "shop".into(), name: name.into() }
}

fn endpoint(ip: &str, node: &str) -> Endpoint {
    Endpoint {
        addresses: vec![ip.parse().unwrap()],
        ready: true,
        serving: true,
        terminating: false,
        node_name: node.into(),
        zone: String::new(),
        zone_hints: vec![],
        node_hints: vec![],
        hostname: String::new(),
    }
}

/// shop/web on 10.96.0.1:80 and node port 30080, with 10.244.0.3 here and 10.244.1.3 there.
fn node1() -> Node1 {
    let service = Service {
        key: key("web"),
        service_type: ServiceType::NodePort,
        cluster_ips: vec!["10.96.0.1".parse().unwrap()],
        external_ips: vec![],
        load_balancer_ips: vec![],
        ports: vec![ServicePort {
            name: "http".into(),
            protocol: Protocol::Tcp,
            port: port(80),
            node_port: Some(port(30080)),
        }],
        internal_traffic_policy: TrafficPolicy::Cluster,
        external_traffic_policy: TrafficPolicy::Cluster,
        affinity_timeout_s: None,
        source_ranges: vec![],
        health_check_node_port: None,
    };
    let slice = EndpointSlice {
        key: key("web-1"),
        service_name: "web".into(),
        ports: vec![EndpointPort {
            name: "http".into(),
            protocol: Protocol::Tcp,
            port: port(8080),
        }],
        endpoints: vec![endpoint("10.244.0.3", "here"), endpoint("10.244.1.3", "there")],
    };
    let node = Node {
        name: "here".into(),
        zone: "a".into(),
        node_port_addresses: vec!["192.0.2.1".parse().unwrap()],
        external_cluster_ips: false,
    };
    let model = Model {
        node,
        services: [(service.key.clone(), service)].into(),
        slices: [(slice.key.clone(), slice)].into(),
        host_ports: vec![],
        ..Model::default()
    };
    let inside = Frontend { service: 1, internal: INSIDE, ..Frontend::default() };
    let both = Frontend { external: OUTSIDE, flags: flags::EXTERNAL, ..inside };
    let backend = |last: [u8; 4]| Backend {
        addr: Addr::v4(last),
        service: 1,
        generation: 4,
        port: sheave_abi::order::Be16::new(8080),
        state: BACKEND_LIVE,
    };
    let frontends = [
        (frontend_key("10.96.0.1:80"), inside),
        (FrontendKey::address(Addr::v4([10, 96, 0, 1])), Frontend::default()),
        (frontend_key("192.0.2.1:30080"), both),
        (frontend_key("127.0.0.1:30080"), Frontend { flags: flags::HOST_ONLY, ..inside }),
    ];
    Node1 {
        frontends: frontends.into(),
        backends: vec![(5, backend([10, 244, 0, 3])), (6, backend([10, 244, 1, 3]))],
        affinity: None,
        netns_cookie: None,
        admitted: vec![],
        opted_out: None,
        carries: false,
        model,
    }
}

fn frontend_key(at: &str) -> FrontendKey {
    let at: SocketAddr = at.parse().unwrap();
    FrontendKey::new(addr(at.ip()), sheave_abi::order::Be16::new(at.port()), 6)
}

impl Node1 {
    fn ask(&self, client: Client, to: &str) -> Explanation {
        let question = Question {
            client,
            netns_cookie: Some(7),
            to: to.parse().unwrap(),
            protocol: Protocol::Tcp,
        };
        explain(&question, self, Some(&self.model))
    }

    fn frontend_mut(&mut self, at: &str) -> &mut Frontend {
        self.frontends.get_mut(&frontend_key(at)).unwrap()
    }

    fn endpoint_mut(&mut self, index: usize) -> &mut Endpoint {
        let slice = self.model.slices.values_mut().next().unwrap();
        &mut slice.endpoints[index]
    }

    fn service_mut(&mut self) -> &mut Service {
        self.model.services.values_mut().next().unwrap()
    }
}

fn pod() -> Client {
    Client::Pod { ip: "10.244.0.2".parse().unwrap() }
}

fn outside() -> Client {
    Client::Outside { ip: Some("192.0.2.9".parse().unwrap()) }
}

fn reasons(explanation: &Explanation) -> Vec<String> {
    explanation.left_out.iter().map(|e| format!("{} {}", e.address.ip(), e.reason)).collect()
}

#[test]
fn a_socket_is_given_one_of_the_backends_at_its_connect() {
    let said = node1().ask(pod(), "10.96.0.1:80");
    assert_eq!(said.outcome, Outcome::Backend(Choice::Random));
    let addresses: Vec<_> =
        said.candidates.iter().map(|c| (c.address.to_string(), c.is_here)).collect();
    assert_eq!(addresses, [("10.244.0.3:8080".into(), true), ("10.244.1.3:8080".into(), false)]);
    assert_eq!(said.left_out, []);
    let owner = said.owner.clone().unwrap();
    assert_eq!(
        (owner.service, owner.port_name.as_str(), owner.at),
        (key("web"), "http", At::ClusterIp)
    );
    assert_eq!(said.steps.len(), 1, "the packet is not looked at again: {:?}", said.steps);
    assert_eq!(said.steps[0].finds, "10.96.0.1:80/TCP is ClusterIP of shop/web, with 2 backends");
    assert_eq!(said.verdict(), "It goes to one of 2 backends, by chance.");
    assert_eq!(said.advice, "");
}

#[test]
fn a_pod_whose_sockets_are_left_alone_is_served_at_its_interface() {
    let mut node = node1();
    node.opted_out = Some(7);
    let said = node.ask(pod(), "10.96.0.1:80");
    assert_eq!(said.outcome, Outcome::Backend(Choice::Random));
    let hooks: Vec<_> = said.steps.iter().map(|step| step.hook).collect();
    assert_eq!(hooks, ["the socket's connect (cgroup hook)", "the pod's interface (tc)"]);
    assert!(said.steps[0].finds.contains("sheave.io/socket-hooks: off"), "{:?}", said.steps);
    node.opted_out = Some(8);
    assert_eq!(node.ask(pod(), "10.96.0.1:80").steps.len(), 1, "another's");
}

#[test]
fn endpoints_that_get_nothing_are_named_with_the_reason() {
    let mut node = node1();
    node.backends.truncate(1);
    *node.endpoint_mut(1) = Endpoint { ready: false, ..endpoint("10.244.1.3", "there") };
    assert_eq!(reasons(&node.ask(pod(), "10.96.0.1:80")), ["10.244.1.3 not ready"]);
    node.endpoint_mut(1).terminating = true;
    let said = node.ask(pod(), "10.96.0.1:80");
    assert_eq!(reasons(&said), ["10.244.1.3 terminating, and others are ready"]);
    assert_eq!(said.outcome, Outcome::Backend(Choice::Only));
    *node.endpoint_mut(1) =
        Endpoint { zone_hints: vec!["b".into()], ..endpoint("10.244.1.3", "there") };
    let expected = "10.244.1.3 meant for clients in zone b; this node is in a";
    assert_eq!(reasons(&node.ask(pod(), "10.96.0.1:80")), [expected]);
    *node.endpoint_mut(1) = endpoint("10.244.1.3", "there");
    let expected = "10.244.1.3 ready, but not in the kernel's maps (yet)";
    assert_eq!(reasons(&node.ask(pod(), "10.96.0.1:80")), [expected]);
}

#[test]
fn a_policy_of_local_leaves_out_other_nodes() {
    let mut node = node1();
    node.service_mut().external_traffic_policy = TrafficPolicy::Local;
    node.frontend_mut("192.0.2.1:30080").external.len = 1;
    let said = node.ask(outside(), "192.0.2.1:30080");
    assert_eq!(reasons(&said), ["10.244.1.3 on node there, and externalTrafficPolicy is Local"]);
    assert_eq!(said.verdict(), "It goes to 10.244.0.3:8080.");
    let inside = node.ask(pod(), "192.0.2.1:30080");
    assert_eq!(inside.outcome, Outcome::Backend(Choice::Random), "clients inside go anywhere");

    let frontend = node.frontend_mut("192.0.2.1:30080");
    frontend.external.len = 0;
    frontend.flags |= flags::EXTERNAL_DROP;
    let said = node.ask(outside(), "192.0.2.1:30080");
    assert_eq!(said.outcome, Outcome::Dropped(Event::NoLocalEndpoint));
    assert_eq!(said.advice, Event::NoLocalEndpoint.advice());
}

#[test]
fn nobody_there_is_a_refusal_on_the_packets_way() {
    let mut node = node1();
    node.frontend_mut("10.96.0.1:80").internal.len = 0;
    node.endpoint_mut(0).ready = false;
    node.endpoint_mut(1).ready = false;
    let said = node.ask(pod(), "10.96.0.1:80");
    assert_eq!(said.outcome, Outcome::Refused);
    let hooks: Vec<_> = said.steps.iter().map(|step| step.hook).collect();
    assert_eq!(hooks, ["the socket's connect (cgroup hook)", "the pod's interface (tc)"]);
    assert!(said.steps[1].finds.contains("a TCP reset goes back"), "{:?}", said.steps);
    assert!(said.advice.contains("kubectl describe pod"), "{}", said.advice);
    node.model.slices.clear();
    let said = node.ask(pod(), "10.96.0.1:80");
    assert!(said.advice.contains("compare its selector"), "{}", said.advice);

    // At a load balancer address, which has no hook on its way from the node itself.
    let balancer = addr("192.0.2.50".parse().unwrap());
    for key in [FrontendKey::address(balancer), FrontendKey::new(balancer, Be16::new(80), 6)] {
        node.frontends.insert(key, Frontend::default());
    }
    let said = node.ask(Client::Host, "192.0.2.50:80");
    assert_eq!(said.outcome, Outcome::Refused);
    assert!(said.steps[0].finds.ends_with("the socket is led to the uplink"), "{:?}", said.steps);
}

#[test]
fn a_port_that_a_service_does_not_have_is_refused_and_those_it_has_are_named() {
    let said = node1().ask(pod(), "10.96.0.1:8080");
    assert_eq!(said.outcome, Outcome::Refused);
    assert_eq!(said.advice, "10.96.0.1 is Service shop/web, which has 80/TCP.");
    let said = node1().ask(Client::Host, "10.96.0.99:80");
    assert_eq!(said.outcome, Outcome::Dropped(Event::UnallocatedAddress));
}

#[test]
fn clients_outside_reach_only_what_is_meant_for_them() {
    let node = node1();
    assert_eq!(node.ask(outside(), "10.96.0.1:80").outcome, Outcome::Dropped(Event::InsideOnly));
    assert_eq!(node.ask(outside(), "192.0.2.1:30080").outcome, Outcome::Backend(Choice::Random));
    assert_eq!(node.ask(outside(), "192.0.2.1:22").outcome, Outcome::Stack);
    assert_eq!(node.ask(outside(), "10.244.0.3:8080").outcome, Outcome::Pod);
}

#[test]
fn a_cluster_ip_that_is_open_to_outside_goes_by_the_internal_policy() {
    let mut node = node1();
    node.model.node.external_cluster_ips = true;
    let frontend = node.frontend_mut("10.96.0.1:80");
    (frontend.external, frontend.flags) = (OUTSIDE, flags::EXTERNAL);
    let said = node.ask(outside(), "10.96.0.1:80");
    assert_eq!(said.outcome, Outcome::Backend(Choice::Random));
    assert_eq!(said.steps[0].finds, "10.96.0.1:80/TCP is ClusterIP of shop/web, with 2 backends");
    node.service_mut().external_traffic_policy = TrafficPolicy::Local;
    assert_eq!(reasons(&node.ask(outside(), "10.96.0.1:80")), Vec::<String>::new());

    let said = node.ask(outside(), "10.96.0.1:81");
    assert_eq!(said.outcome, Outcome::Dropped(Event::InsideOnly));
    let expected = "10.96.0.1:81/TCP is no port that clients outside are served on";
    assert_eq!(said.steps[0].finds, expected);
}

#[test]
fn source_ranges_keep_others_out() {
    let mut node = node1();
    node.frontend_mut("192.0.2.1:30080").flags |= flags::SOURCE_RANGES;
    let said = node.ask(outside(), "192.0.2.1:30080");
    assert_eq!(said.outcome, Outcome::Dropped(Event::SourceRefused));
    assert!(said.steps[0].finds.ends_with("192.0.2.9 is in none"), "{:?}", said.steps);
    node.admitted = vec!["192.0.2.9".parse().unwrap()];
    assert_eq!(node.ask(outside(), "192.0.2.1:30080").outcome, Outcome::Backend(Choice::Random));
}

#[test]
fn the_address_of_a_pod_that_is_gone_is_refused() {
    let node = node1();
    assert_eq!(node.ask(pod(), "10.244.0.9:80").outcome, Outcome::Refused);
    assert_eq!(node.ask(pod(), "10.244.1.9:80").outcome, Outcome::Stack, "another node's");
}

#[test]
fn loopback_is_for_the_node_alone() {
    let node = node1();
    let to = "127.0.0.1:30080";
    assert_eq!(node.ask(Client::Host, to).outcome, Outcome::Backend(Choice::Random));
    assert_eq!(node.ask(pod(), to).outcome, Outcome::Stack);
}

#[test]
fn a_backend_on_another_node_is_shown_the_node_in_place_of_a_client_outside() {
    let mut node = node1();
    let finds = |node: &Node1, client| {
        let said = node.ask(client, "192.0.2.1:30080");
        said.steps.into_iter().map(|step| step.finds).collect::<Vec<_>>()
    };
    let shown = "a backend on another node is shown 192.0.2.1 in place of the client";
    assert_eq!(finds(&node, outside())[1..], [shown]);
    assert!(!finds(&node, pod()).contains(&shown.into()), "inside, everybody is who they are");
    node.carries = true;
    let seen = "a backend on another node sees the client as it is: its packets are carried there";
    assert_eq!(finds(&node, outside())[1..], [seen]);
    node.carries = false;
    node.frontend_mut("192.0.2.1:30080").external.len = 1;
    assert_eq!(finds(&node, outside()).len(), 1, "the pod of this node sees the client");
    // A process in the node's own network is on this node.
    node.backends[0].1.addr = addr("192.0.2.1".parse().unwrap());
    let said = node.ask(outside(), "192.0.2.1:30080");
    assert!(said.steps.len() == 1 && said.candidates[0].is_here, "{said:?}");
}

#[test]
fn a_client_sticks_for_as_long_as_it_is_remembered_and_its_backend_lives() {
    let mut node = node1();
    node.frontend_mut("10.96.0.1:80").affinity_s = 60;
    let kept = Affinity { backend: 6, generation: 4, seen_s: NOW_S - 20 };
    node.affinity = Some((AffinityKey::of_netns(7, 1), kept));
    let address = "10.244.1.3:8080".parse().unwrap();
    let sticky = Outcome::Backend(Choice::Sticky { address, remaining_s: 40 });
    assert_eq!(node.ask(pod(), "10.96.0.1:80").outcome, sticky);
    for kept in [Affinity { seen_s: NOW_S - 61, ..kept }, Affinity { generation: 3, ..kept }] {
        node.affinity = Some((AffinityKey::of_netns(7, 1), kept));
        assert_eq!(node.ask(pod(), "10.96.0.1:80").outcome, Outcome::Backend(Choice::Random));
    }
}

/// SCTP goes by packets alone.
#[test]
fn a_client_sticks_by_its_packets_as_by_its_sockets() {
    let mut node = node1();
    let frontend = Frontend { affinity_s: 60, ..*node.frontend_mut("10.96.0.1:80") };
    let tcp = frontend_key("10.96.0.1:80");
    node.frontends.insert(FrontendKey { protocol: Protocol::Sctp as u8, ..tcp }, frontend);
    let kept = Affinity { backend: 6, generation: 4, seen_s: NOW_S - 20 };
    let outcome = |node: &Node1| {
        let to = "10.96.0.1:80".parse().unwrap();
        let protocol = Protocol::Sctp;
        let question = Question { client: pod(), netns_cookie: Some(7), to, protocol };
        explain(&question, node, None).outcome
    };
    let address = "10.244.1.3:8080".parse().unwrap();
    let sticky = Outcome::Backend(Choice::Sticky { address, remaining_s: 40 });
    node.affinity = Some((AffinityKey::of_netns(7, 1), kept));
    assert_eq!(outcome(&node), Outcome::Backend(Choice::Random), "its address is nobody's");
    node.netns_cookie = Some(7);
    assert_eq!(outcome(&node), sticky);
    let Client::Pod { ip } = pod() else { unreachable!() };
    node.affinity = Some((AffinityKey { client: addr(ip), service: 1 }, kept));
    assert_eq!(outcome(&node), Outcome::Backend(Choice::Random), "not by its address as well");
    node.netns_cookie = None;
    assert_eq!(outcome(&node), sticky, "by its address where nothing else is known");
}

#[test]
fn without_a_model_the_maps_alone_answer() {
    let question = Question {
        client: pod(),
        netns_cookie: None,
        to: "10.96.0.1:80".parse().unwrap(),
        protocol: Protocol::Tcp,
    };
    let said = explain(&question, &node1(), None);
    assert_eq!(said.outcome, Outcome::Backend(Choice::Random));
    assert_eq!(said.steps[0].finds, "10.96.0.1:80/TCP is a frontend, with 2 backends");
    assert!(said.candidates.iter().all(|candidate| candidate.remark.is_empty()));
}
