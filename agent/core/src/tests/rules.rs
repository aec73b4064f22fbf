//! What a Service, host port or endpoint comes to in the maps, one rule a test.

use std::collections::BTreeSet;

use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::{
    BACKEND_DRAINING, BACKEND_GONE, BACKEND_LIVE, Frontend, FrontendKey, flags,
};

use super::kernel::Machine;
use super::objects::*;
use crate::held::{BackendId, Held, Limits};
use crate::model::*;
use crate::plan::{PortKind, addr, plan};

fn machine(services: Vec<Service>, slices: Vec<EndpointSlice>) -> Machine {
    let mut model = Model { node: node(), ..Model::default() };
    model.services.extend(services.into_iter().map(|s| (s.key.clone(), s)));
    model.slices.extend(slices.into_iter().map(|s| (s.key.clone(), s)));
    let mut machine = Machine::new(Limits { slots: 4096, backends: 64, ..Limits::default() });
    machine.hear(&model);
    machine.settle().unwrap();
    machine
}

/// Where cluster IPs are open to clients outside.
fn open(service: Service, endpoints: Vec<Endpoint>) -> Held {
    let mut machine = machine(vec![service], vec![slice(0, "x", endpoints)]);
    machine.engine.note(Update::Node(Node { external_cluster_ips: true, ..node() }));
    machine.settle().unwrap();
    machine.kernel.held()
}

fn one(service: Service, endpoints: Vec<Endpoint>) -> Held {
    machine(vec![service], vec![slice(0, "x", endpoints)]).kernel.held()
}

fn frontend(held: &Held, ip: [u8; 4], port: u16) -> Frontend {
    held.frontends[&FrontendKey::new(Addr::v4(ip), Be16::new(port), 6)]
}

fn local(mut service: Service) -> Service {
    service.external_traffic_policy = TrafficPolicy::Local;
    service
}

#[test]
fn a_local_policy_narrows_only_what_comes_from_outside() {
    let held = one(local(node_port_service(0)), vec![endpoint(1, true), endpoint(2, false)]);
    let node_port = frontend(&held, [192, 0, 2, 1], 30000);
    assert_eq!(node_port.internal.len, 2, "inside, all of the cluster answers");
    assert_eq!(node_port.external.len, 1);
    assert_eq!(node_port.flags, flags::EXTERNAL);
    let cluster_ip = frontend(&held, [10, 96, 0, 1], 80);
    assert_eq!((cluster_ip.internal.len, cluster_ip.external.len, cluster_ip.flags), (2, 0, 0));
    let loopback = frontend(&held, [127, 0, 0, 1], 30000);
    assert_eq!((loopback.external.len, loopback.flags), (0, flags::HOST_ONLY));
}

#[test]
fn a_local_policy_without_an_endpoint_here_drops_and_no_endpoint_at_all_refuses() {
    let at = |held: &Held| frontend(held, [192, 0, 2, 1], 30000).flags;
    let elsewhere = one(local(node_port_service(0)), vec![endpoint(2, false)]);
    assert_eq!(at(&elsewhere), flags::EXTERNAL | flags::EXTERNAL_DROP);
    let nowhere = one(local(node_port_service(0)), vec![]);
    assert_eq!(at(&nowhere), flags::EXTERNAL);

    let mut inside = service(0);
    inside.internal_traffic_policy = TrafficPolicy::Local;
    let held = one(inside.clone(), vec![endpoint(2, false)]);
    assert_eq!(frontend(&held, [10, 96, 0, 1], 80).flags, flags::INTERNAL_DROP);
    let held = one(inside, vec![]);
    assert_eq!(frontend(&held, [10, 96, 0, 1], 80).flags, 0);
}

#[test]
fn load_balancer_addresses_and_external_ips_are_for_inside_and_outside() {
    let mut service = local(service(0));
    service.service_type = ServiceType::LoadBalancer;
    service.internal_traffic_policy = TrafficPolicy::Local;
    service.load_balancer_ips = vec![ip(198, 51, 100, 1)];
    service.external_ips = vec![ip(203, 0, 113, 1)];
    let held = one(service, vec![endpoint(1, true), endpoint(2, false), endpoint(3, false)]);
    for address in [[198, 51, 100, 1], [203, 0, 113, 1]] {
        let frontend = frontend(&held, address, 80);
        assert_eq!((frontend.internal.len, frontend.external.len), (3, 1), "{address:?}");
        assert_eq!(frontend.flags, flags::EXTERNAL);
    }
    assert_eq!(frontend(&held, [10, 96, 0, 1], 80).internal.len, 1);
    let marked: Vec<Addr> =
        held.frontends.keys().filter(|key| key.marks_address()).map(|key| key.addr).collect();
    let own = [ip(10, 96, 0, 1), ip(198, 51, 100, 1)].map(addr);
    assert_eq!(marked, own, "an external IP may have others behind it");
    assert_eq!(held.frontends.len(), 5, "no node port was asked for");
}

#[test]
fn source_ranges_count_on_every_external_frontend_and_nowhere_else() {
    let mut service = node_port_service(0);
    service.service_type = ServiceType::LoadBalancer;
    service.load_balancer_ips = vec![ip(198, 51, 100, 1)];
    service.external_ips = vec![ip(203, 0, 113, 1)];
    service.source_ranges =
        ["192.0.2.77/24", "2001:db8::/32"].map(|range| range.parse().unwrap()).to_vec();
    let held = one(service, vec![endpoint(1, true)]);
    for (address, port) in
        [([198, 51, 100, 1], 80), ([203, 0, 113, 1], 80), ([192, 0, 2, 1], 30000)]
    {
        assert_ne!(frontend(&held, address, port).flags & flags::SOURCE_RANGES, 0, "{address:?}");
    }
    for (address, port) in [([10, 96, 0, 1], 80), ([127, 0, 0, 1], 30000)] {
        assert_eq!(frontend(&held, address, port).flags & flags::SOURCE_RANGES, 0, "{address:?}");
    }
    let sources: Vec<_> = held.sources.iter().map(|s| (s.prefix_len, s.addr)).collect();
    assert_eq!(sources, [(32 + 96 + 24, addr(ip(192, 0, 2, 0)))]);
}

#[test]
fn a_cluster_ip_that_is_open_to_outside_goes_by_the_internal_policy_and_takes_everybody() {
    let mut service = local(node_port_service(0));
    service.source_ranges = vec!["192.0.2.0/24".parse().unwrap()];
    let endpoints = || vec![endpoint(1, true), endpoint(2, false), endpoint(3, false)];
    let held = open(service.clone(), endpoints());
    let cluster_ip = frontend(&held, [10, 96, 0, 1], 80);
    assert_eq!(cluster_ip.flags, flags::EXTERNAL | flags::MAGLEV);
    assert_eq!((cluster_ip.internal.len, cluster_ip.external.len), (3, 509));
    let node_port = frontend(&held, [192, 0, 2, 1], 30000);
    assert_eq!(node_port.flags, flags::EXTERNAL | flags::SOURCE_RANGES, "as ever");
    assert_eq!(node_port.external.len, 1);

    service.internal_traffic_policy = TrafficPolicy::Local;
    service.external_traffic_policy = TrafficPolicy::Cluster;
    let held = open(service.clone(), endpoints());
    let cluster_ip = frontend(&held, [10, 96, 0, 1], 80);
    assert_eq!((cluster_ip.flags, cluster_ip.external.len), (flags::EXTERNAL, 1));
    assert_eq!(frontend(&held, [192, 0, 2, 1], 30000).external.len, 509);
    let held = open(service.clone(), vec![endpoint(2, false)]);
    let drops = flags::EXTERNAL | flags::EXTERNAL_DROP | flags::INTERNAL_DROP;
    assert_eq!(frontend(&held, [10, 96, 0, 1], 80).flags, drops);

    service.service_type = ServiceType::ClusterIp;
    let held = open(service, endpoints());
    assert!(held.sources.is_empty(), "nobody asks for them");
}

#[test]
fn what_is_reached_from_outside_has_one_table_for_all_its_frontends() {
    let mut service = node_port_service(0);
    service.external_ips = vec![ip(203, 0, 113, 1)];
    let held = one(service.clone(), vec![endpoint(1, true), endpoint(2, false)]);
    let at_node = frontend(&held, [192, 0, 2, 1], 30000);
    assert_eq!(at_node.flags, flags::EXTERNAL | flags::MAGLEV);
    assert_eq!((at_node.internal.len, at_node.external.len), (2, 251));
    assert_eq!(frontend(&held, [203, 0, 113, 1], 80).external, at_node.external);
    assert_eq!(frontend(&held, [127, 0, 0, 1], 30000).flags, flags::HOST_ONLY);
    assert_eq!(frontend(&held, [10, 96, 0, 1], 80).flags, 0);

    let held = one(service, vec![endpoint(1, true)]);
    let alone = frontend(&held, [192, 0, 2, 1], 30000);
    assert_eq!((alone.flags, alone.external), (flags::EXTERNAL, alone.internal));
}

#[test]
fn an_endpoint_that_is_not_chosen_any_more_drains_until_it_leaves() {
    let pods = |second: Option<Endpoint>| {
        let endpoints = [Some(endpoint(1, true)), second].into_iter().flatten();
        Update::EndpointSlice(slice(0, "x", endpoints.collect()))
    };
    let unready = || Some(Endpoint { ready: false, ..endpoint(2, true) });
    let mut machine = machine(vec![service(0)], vec![slice(0, "x", vec![endpoint(1, true)])]);
    let steps = [
        (unready(), "", "never chosen: no id for it"),
        (Some(endpoint(2, true)), "live", "chosen"),
        (unready(), "draining", "its connections go on"),
        (Some(endpoint(2, true)), "live", "the same again"),
        (unready(), "draining", ""),
        (None, "gone", "it has left"),
    ];
    let second = BackendId(2);
    for (step, (endpoint, state, why)) in steps.into_iter().enumerate() {
        machine.engine.note(pods(endpoint));
        machine.settle().unwrap();
        let held = machine.kernel.held();
        let found = held.backends.get(&second);
        let state = match state {
            "" => None,
            "live" => Some(BACKEND_LIVE),
            "draining" => Some(BACKEND_DRAINING),
            _ => Some(BACKEND_GONE),
        };
        assert_eq!(found.map(|b| b.state), state, "step {step}: {why}");
        assert!(found.is_none_or(|b| b.generation == 1), "flows know it by its generation");
        let chosen = frontend(&held, [10, 96, 0, 1], 80).internal.len;
        assert_eq!(chosen, if state == Some(BACKEND_LIVE) { 2 } else { 1 });
    }
    machine.engine.note(pods(Some(endpoint(2, true))));
    machine.settle().unwrap();
    assert_eq!(machine.kernel.held().backends[&second].generation, 2, "another use of the id");
}

#[test]
fn a_backend_drains_only_when_readers_have_ended() {
    let mut machine =
        machine(vec![service(0)], vec![slice(0, "x", vec![endpoint(1, true), endpoint(2, true)])]);
    machine.engine.note(Update::EndpointSlice(slice(0, "x", vec![endpoint(1, true)])));
    machine.apply().unwrap();
    assert_eq!(machine.kernel.in_state(BACKEND_LIVE).len(), 2);
    assert_eq!(machine.kernel.held().ranges.values().map(Vec::len).sum::<usize>(), 1);
    machine.retire().unwrap();
    assert_eq!(machine.kernel.in_state(BACKEND_LIVE).len(), 2);
    machine.retire().unwrap();
    assert_eq!(machine.kernel.in_state(BACKEND_LIVE).len(), 1);
}

#[test]
fn an_endpoint_that_is_back_before_readers_have_ended_never_left() {
    let both = || vec![endpoint(1, true), endpoint(2, true)];
    let mut machine = machine(vec![service(0)], vec![slice(0, "x", both())]);
    machine.engine.note(Update::EndpointSlice(slice(0, "x", vec![endpoint(1, true)])));
    machine.apply().unwrap();
    machine.engine.note(Update::EndpointSlice(slice(0, "x", both())));
    machine.settle().unwrap();
    let held = machine.kernel.held();
    assert_eq!(held.backends.len(), 2);
    assert!(held.backends.values().all(|b| b.generation == 1 && b.state == BACKEND_LIVE));
}

#[test]
fn one_node_port_for_two_services_goes_to_the_first_and_is_reported() {
    let (first, mut second) = (node_port_service(0), node_port_service(1));
    second.ports[0].node_port = first.ports[0].node_port;
    // Whoever comes first.
    let mut machine = machine(vec![second], vec![slice(1, "x", vec![endpoint(9, true)])]);
    assert_eq!(machine.engine.conflicts(), []);
    machine.engine.note(Update::Service(first));
    machine.settle().unwrap();
    let refused: BTreeSet<_> = machine
        .engine
        .conflicts()
        .into_iter()
        .map(|c| (c.kept.service.name, c.refused.service.name, addr_of(&c.key)))
        .collect();
    let at = |ip: [u8; 4]| ("s0".to_owned(), "s1".to_owned(), ip);
    let everywhere = [at([127, 0, 0, 1]), at([192, 0, 2, 1]), at([192, 0, 2, 2])];
    assert_eq!(refused, BTreeSet::from(everywhere));
    assert_eq!(frontend(&machine.kernel.held(), [192, 0, 2, 1], 30000).internal.len, 0);

    machine.engine.note(Update::ServiceGone(key("s0")));
    machine.settle().unwrap();
    assert_eq!(machine.engine.conflicts(), []);
    assert_eq!(frontend(&machine.kernel.held(), [192, 0, 2, 1], 30000).internal.len, 1);
}

fn addr_of(key: &FrontendKey) -> [u8; 4] {
    key.addr.v4_octets()
}

#[test]
fn a_host_port_is_served_by_its_pod_wherever_node_ports_are() {
    let mut machine = machine(vec![], vec![]);
    machine.engine.note(Update::HostPorts(vec![host_port(1, 8080)]));
    machine.settle().unwrap();
    let held = machine.kernel.held();
    assert_eq!(held.frontends.len(), 3);
    for (address, bits) in [
        ([192, 0, 2, 1], flags::EXTERNAL),
        ([192, 0, 2, 2], flags::EXTERNAL),
        ([127, 0, 0, 1], flags::HOST_ONLY),
    ] {
        let frontend = frontend(&held, address, 8080);
        assert_eq!(frontend.flags, bits);
        let backend = held.live(held.range(frontend.internal)[0]).unwrap();
        assert_eq!((backend.addr, backend.port.get()), (addr(ip(10, 244, 0, 101)), 80));
    }

    let bound = HostPort { host_ip: Some(ip(192, 0, 2, 1)), ..host_port(1, 8080) };
    let any = HostPort { host_ip: Some(ip(0, 0, 0, 0)), ..host_port(1, 9090) };
    machine.engine.note(Update::HostPorts(vec![bound, any]));
    machine.settle().unwrap();
    let keys = machine.kernel.held().frontends.into_keys();
    let at: Vec<_> = keys.map(|key| (addr_of(&key), key.port.get())).collect();
    let nine = [[127, 0, 0, 1], [192, 0, 2, 1], [192, 0, 2, 2]].map(|ip| (ip, 9090));
    assert_eq!(at, [nine[0], ([192, 0, 2, 1], 8080), nine[1], nine[2]]);
}

#[test]
fn a_host_port_that_is_taken_is_a_conflict_that_names_the_pod() {
    let mut machine =
        machine(vec![node_port_service(0)], vec![slice(0, "x", vec![endpoint(1, true)])]);
    let bound = HostPort { host_ip: Some(ip(192, 0, 2, 1)), ..host_port(2, 30000) };
    machine.engine.note(Update::HostPorts(vec![bound, host_port(1, 30001), host_port(2, 30001)]));
    machine.settle().unwrap();
    let conflicts = machine.engine.conflicts();
    let names: BTreeSet<_> = conflicts
        .iter()
        .map(|c| (c.kept.service.name.as_str(), c.refused.service.name.as_str(), c.key.port.get()))
        .collect();
    assert_eq!(names, BTreeSet::from([("s0", "pod2", 30000), ("pod1", "pod2", 30001)]));
    assert!(conflicts.iter().all(|c| matches!(c.refused.kind, PortKind::HostPort(_))));
    let held = machine.kernel.held();
    let served = held.range(frontend(&held, [192, 0, 2, 1], 30000).internal);
    assert_eq!(held.live(served[0]).unwrap().addr, addr(ip(10, 244, 0, 1)));
}

#[test]
fn a_host_port_in_the_maps_is_not_gone_before_pods_have_been_named() {
    let mut before = machine(
        vec![service(0), node_port_service(1)],
        vec![slice(0, "x", vec![endpoint(1, true)])],
    );
    before.engine.note(Update::HostPorts(vec![host_port(1, 8080)]));
    before.settle().unwrap();

    // Another agent starts: the Services have gone, and of pods it knows nothing yet.
    let mut after = Machine::new(Limits::default());
    after.kernel = before.kernel;
    after.engine = crate::engine::Engine::new(after.kernel.held());
    let engine = &mut after.engine;
    [Update::Init, Update::Node(node()), Update::InitDone].into_iter().for_each(|u| engine.note(u));
    after.settle().unwrap();
    let held = after.kernel.held();
    assert!(held.frontends.keys().all(|key| [8080, 30001].contains(&key.port.get())));
    assert_eq!(frontend(&held, [192, 0, 2, 1], 8080).internal.len, 1);

    after.engine.note(Update::HostPorts(vec![host_port(1, 8080)]));
    after.settle().unwrap();
    let held = after.kernel.held();
    assert!(held.frontends.keys().all(|key| key.port.get() == 8080));
    assert_eq!(after.kernel.in_state(BACKEND_LIVE).len(), 1);
}

#[test]
fn what_does_not_fit_names_the_map_and_is_refused() {
    let full = |limits: Limits| {
        let mut model = Model { node: node(), ..Model::default() };
        model.services.insert(key("s0"), service(0));
        let slice = slice(0, "x", (1..=5).map(|last| endpoint(last, true)).collect());
        model.slices.insert(slice.key.clone(), slice);
        let mut machine = Machine::new(limits);
        machine.hear(&model);
        machine.settle().unwrap();
        let held = machine.kernel.held();
        let port = held.frontends.values().find(|f| f.service != 0);
        (machine.engine.full().map(|full| (full.map, full.needed)), port.map(|f| f.internal.len))
    };
    let limits = |frontends, backends, slots| Limits { frontends, backends, slots, sources: 0 };
    assert_eq!(full(limits(1, 10, 10)), (Some(("FRONTENDS", 2)), None));
    assert_eq!(full(limits(10, 4, 10)), (Some(("BACKENDS", 6)), Some(3)), "what fits is served");
    assert_eq!(full(limits(10, 10, 4)), (Some(("SLOTS", 5)), Some(4)));
    assert_eq!(full(limits(10, 1, 4)), (Some(("BACKENDS", 6)), Some(0)), "nobody answers: refused");
    assert_eq!(full(limits(2, 6, 5)), (None, Some(5)));
}

#[test]
fn health_checks_count_what_is_ready_here() {
    let mut checked = local(node_port_service(0));
    checked.health_check_node_port = Some(port(32000));
    let mut terminating = endpoint(2, true);
    (terminating.ready, terminating.terminating) = (false, true);
    let endpoints = vec![endpoint(1, true), terminating, endpoint(3, false)];
    let machine = machine(vec![checked, service(1)], vec![slice(0, "x", endpoints)]);
    assert_eq!(machine.engine.health_checks(), [(key("s0"), port(32000), 1)]);
}

#[test]
fn a_port_that_a_file_has_twice_counts_once() {
    let mut twice = service(0);
    let again = ServicePort { name: "again".into(), ..twice.ports[0].clone() };
    twice.ports.push(again);
    let mut model = Model { node: node(), ..Model::default() };
    model.services.insert(twice.key.clone(), twice);
    assert_eq!(plan(&model).ports.len(), 1);
}
