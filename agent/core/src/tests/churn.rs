//! Services that come, change and go at random.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sheave_abi::service::{BACKEND_DRAINING, BACKEND_LIVE, FrontendKey};

use super::kernel::{Machine, Seen};
use super::objects::*;
use crate::held::Limits;
use crate::maglev;
use crate::model::*;
use crate::plan::{BackendAddr, Plan, PlannedFrontend, PlannedPort, plan};

pub(super) const LIMITS: Limits =
    Limits { frontends: 400, backends: 400, slots: 40_000, sources: 100 };

#[derive(Clone, Debug)]
enum Event {
    Note(Update),
    Apply,
    Retire,
    Crash(usize),
    Fail(usize),
    Restart,
}

prop_compose! {
    /// Few numbers, so that services get into each other's way.
    fn any_service()(
        index in 0u8..5,
        node_port in prop::option::of(0u16..3),
        policies in any::<[bool; 2]>(),
        load_balancer in prop::option::of(0u8..2),
        external in prop::option::of(0u8..2),
        is_v6_too in any::<bool>(),
        two_ports in any::<bool>(),
        affinity_timeout_s in prop::option::of(1u32..3),
        ranges in prop::collection::btree_set(0u8..3, 0..2),
        shares_address in 0u8..6,
    ) -> Service {
        let policy = |local| if local { TrafficPolicy::Local } else { TrafficPolicy::Cluster };
        let mut service = service(index);
        if shares_address == 0 {
            service.cluster_ips = vec![ip(10, 96, 0, 99)];
        }
        if is_v6_too {
            service.cluster_ips.push(format!("fd00:96::{index}").parse().unwrap());
        }
        if node_port.is_some() {
            service.service_type = ServiceType::NodePort;
        }
        if let Some(last) = load_balancer {
            service.service_type = ServiceType::LoadBalancer;
            service.load_balancer_ips = vec![ip(198, 51, 100, last)];
        }
        service.external_ips = external.map(|last| ip(203, 0, 113, last)).into_iter().collect();
        service.ports[0].node_port = node_port.map(|n| port(30000 + n));
        if two_ports {
            let second = ServicePort {
                name: "second".into(), port: port(81), node_port: None, ..service.ports[0].clone()
            };
            service.ports.push(second);
        }
        service.internal_traffic_policy = policy(policies[0]);
        service.external_traffic_policy = policy(policies[1]);
        service.affinity_timeout_s = affinity_timeout_s;
        service.source_ranges =
            ranges.into_iter().map(|n| format!("192.0.{n}.7/24").parse().unwrap()).collect();
        service
    }
}

prop_compose! {
    fn any_slice()(
        index in 0u8..5,
        name in prop_oneof![Just("x"), Just("y")],
        endpoints in prop::collection::btree_map((1u8..9, any::<bool>()), 0u8..4, 0..6),
        is_v6 in prop::bool::weighted(0.2),
        has_second in any::<bool>(),
    ) -> EndpointSlice {
        let endpoints = endpoints.into_iter().map(|((last, here), state)| {
            let mut endpoint = endpoint(last, here);
            endpoint.ready = state < 2;
            endpoint.terminating = state == 2;
            endpoint.serving = state < 3;
            if is_v6 {
                endpoint.addresses = vec![format!("fd00:244::{last}").parse().unwrap()];
            }
            endpoint
        });
        let mut slice = slice(index, name, endpoints.collect());
        if has_second {
            let second = EndpointPort { name: "second".into(), port: port(8081), ..slice.ports[0].clone() };
            slice.ports.push(second);
        }
        slice
    }
}

pub(super) fn any_update() -> impl Strategy<Value = Update> {
    let host_port = (0u8..3, 0u16..4, any::<bool>()).prop_map(|(pod, number, at)| {
        let host_ip = at.then(|| ip(192, 0, 2, 1));
        HostPort { host_ip, ..host_port(pod, 30000 + number) }
    });
    let addresses = |two| node().node_port_addresses[..1 + usize::from(two)].to_vec();
    prop_oneof![
        12 => any_slice().prop_map(Update::EndpointSlice),
        6 => any_service().prop_map(Update::Service),
        2 => (0u8..5).prop_map(|index| Update::ServiceGone(key(&format!("s{index}")))),
        2 => (0u8..5).prop_map(|index| Update::EndpointSliceGone(key(&format!("s{index}-x")))),
        1 => prop::collection::vec(host_port, 0..4).prop_map(Update::HostPorts),
        1 => (any::<bool>(), any::<bool>()).prop_map(move |(two, external_cluster_ips)| {
            let node_port_addresses = addresses(two);
            Update::Node(Node { node_port_addresses, external_cluster_ips, ..node() })
        }),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        20 => any_update().prop_map(Event::Note),
        8 => Just(Event::Apply),
        6 => Just(Event::Retire),
        1 => (1usize..30).prop_map(Event::Crash),
        1 => (1usize..30).prop_map(Event::Fail),
        1 => Just(Event::Restart),
    ]
}

/// What a plan means for clients.
pub(super) fn meant(plan: &Plan) -> BTreeMap<FrontendKey, Seen> {
    let mut seen = BTreeMap::new();
    for addr in &plan.addresses {
        let nothing = Seen {
            internal: BTreeSet::new(),
            external: vec![],
            flags: 0,
            affinity_s: 0,
            sources: BTreeSet::new(),
        };
        seen.insert(FrontendKey::address(*addr), nothing);
    }
    for port in plan.ports.values() {
        let is_ranged = port.frontends.iter().any(PlannedFrontend::is_ranged);
        for frontend in &port.frontends {
            let mut flags = port.flags(frontend);
            let external = frontend.external.map(|scope| port.backends(scope)).unwrap_or_default();
            let table = frontend.external.and_then(|_| maglev::sizes(external.len()).next());
            let external = match table {
                Some(size) => {
                    flags |= sheave_abi::service::flags::MAGLEV;
                    let table = maglev::table(external, size).into_iter();
                    table.map(|index| external[index as usize]).collect()
                }
                None => external.to_vec(),
            };
            let seen_there = Seen {
                internal: port.backends(frontend.internal).iter().copied().collect(),
                external,
                flags,
                affinity_s: port.affinity_s,
                sources: port.sources.clone().filter(|_| is_ranged).unwrap_or_default(),
            };
            seen.insert(frontend.key, seen_there);
        }
    }
    seen
}

/// The backends that clients may be given.
fn reachable(port: &PlannedPort) -> BTreeSet<BackendAddr> {
    let scopes = port.frontends.iter().flat_map(|f| [Some(f.internal), f.external]);
    scopes.flatten().flat_map(|scope| port.backends(scope)).copied().collect()
}

fn check(machine: &mut Machine) -> Result<(), TestCaseError> {
    machine.settle()?;
    let model = machine.engine.model().clone();
    let plan = plan(&model);
    let meant = meant(&plan);
    prop_assert_eq!(&machine.kernel.seen(), &meant, "what is served is not what is planned");

    let sort = |list: &[crate::plan::Conflict]| {
        let texts = list.iter().map(|conflict| format!("{conflict:?}"));
        texts.collect::<BTreeSet<_>>()
    };
    prop_assert_eq!(sort(&machine.engine.conflicts()), sort(&plan.conflicts));
    let mut live: Vec<_> = plan.ports.values().flat_map(reachable).collect();
    live.sort_unstable();
    prop_assert_eq!(machine.kernel.in_state(BACKEND_LIVE), live, "no more is live than is planned");
    let present: BTreeSet<_> = plan.ports.values().flat_map(|port| &port.present).collect();
    for draining in machine.kernel.in_state(BACKEND_DRAINING) {
        prop_assert!(present.contains(&draining), "{draining:?} drains, though it is not there");
    }

    // From nothing comes the same.
    let mut fresh = Machine::new(LIMITS);
    fresh.hear(&model);
    fresh.settle()?;
    prop_assert_eq!(&fresh.kernel.seen(), &meant);

    prop_assert_eq!(machine.settle()?, 0, "nothing is left to write");
    machine.restart()?;
    prop_assert_eq!(machine.settle()?, 0, "a restart writes nothing");
    Ok(())
}

proptest! {


    #[test]
    fn whatever_comes_and_goes_no_reader_is_misled_and_the_end_is_as_planned(
        events in prop::collection::vec(any_event(), 1..60),
    ) {
        let mut machine = Machine::new(LIMITS);
        machine.hear(&Model { node: node(), ..Model::default() });
        for event in events {
            match event {
                Event::Note(update) => machine.engine.note(update),
                Event::Apply => drop(machine.apply()?),
                Event::Retire => drop(machine.retire()?),
                Event::Crash(writes) => machine.crash(writes)?,
                Event::Fail(writes) => machine.fail(writes)?,
                Event::Restart => machine.restart()?,
            }
        }
        check(&mut machine)?;
    }

    #[test]
    fn a_map_that_is_full_serves_what_fits_and_all_once_there_is_room(
        updates in prop::collection::vec(any_update(), 1..40),
        [frontends, backends, slots, sources] in
            [5u32..60, 2u32..20, 4u32..60, 0u32..4],
    ) {
        let limits = Limits { frontends, backends, slots, sources };
        let mut machine = Machine::new(limits);
        machine.hear(&Model { node: node(), ..Model::default() });
        for update in updates {
            machine.engine.note(update);
            machine.settle()?;
            let meant = meant(&plan(machine.engine.model()));
            let seen = machine.kernel.seen();
            for (key, seen) in &seen {
                prop_assert!(meant.contains_key(key), "{key:?} is served and should not be");
                let meant = &meant[key];
                prop_assert!(seen.internal.is_subset(&meant.internal));
                prop_assert!(seen.external.iter().all(|backend| meant.external.contains(backend)));
            }
            if machine.engine.full().is_none() {
                let has_table = |seen: &Seen| seen.flags & sheave_abi::service::flags::MAGLEV != 0;
                for (key, meant) in &meant {
                    // There may be no room for a table, or only for a smaller one.
                    prop_assert!(seen.contains_key(key));
                    prop_assert_eq!(&seen[key].internal, &meant.internal);
                    let set = |list: &[BackendAddr]| list.iter().copied().collect::<BTreeSet<_>>();
                    prop_assert_eq!(set(&seen[key].external), set(&meant.external));
                    prop_assert!(has_table(meant) || !has_table(&seen[key]));
                }
            }
        }
        for index in 0..5 {
            machine.engine.note(Update::ServiceGone(key(&format!("s{index}"))));
        }
        machine.engine.note(Update::HostPorts(vec![]));
        machine.settle()?;
        prop_assert!(machine.kernel.seen().is_empty());
        prop_assert_eq!(machine.engine.full(), None);
        machine.engine.note(Update::Service(service(0)));
        machine.engine.note(Update::EndpointSlice(slice(0, "x", vec![endpoint(1, true)])));
        machine.engine.note(Update::EndpointSliceGone(key("s0-y")));
        machine.settle()?;
        prop_assert_eq!(machine.kernel.seen(), meant(&plan(machine.engine.model())));
    }
}

/// Ten thousand changes, one after the other, on one machine.
#[test]
fn ten_thousand_changes_leave_what_is_planned() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut machine = Machine::new(LIMITS);
    machine.hear(&Model { node: node(), ..Model::default() });
    for step in 0..10_000 {
        let update = any_update().new_tree(&mut runner).unwrap().current();
        machine.engine.note(update);
        if step % 3 == 0 {
            machine.apply().unwrap();
        }
        if step % 5 == 0 {
            machine.retire().unwrap();
        }
        if step % 1000 == 999 {
            check(&mut machine).unwrap();
        }
    }
}
