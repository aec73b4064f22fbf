//! Plan and difference together: properties that must hold for whatever services come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;

use proptest::prelude::*;
use sheave_abi::service::{BACKEND_LIVE, Frontend, FrontendKey, flags};

use crate::diff::{Diff, diff};
use crate::held::{Held, Limits};
use crate::model::*;
use crate::plan::{addr, plan};

fn key(name: &str) -> ObjectKey {
    ObjectKey { namespace: "default".into(), name: name.into() }
}

fn port(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

fn service(index: u8, node_port: bool, local: bool) -> Service {
    let policy = if local { TrafficPolicy::Local } else { TrafficPolicy::Cluster };
    Service {
        key: key(&format!("s{index}")),
        service_type: if node_port { ServiceType::NodePort } else { ServiceType::ClusterIp },
        cluster_ips: vec![IpAddr::V4(Ipv4Addr::new(10, 96, 0, index + 1))],
        external_ips: vec![],
        load_balancer_ips: vec![],
        ports: vec![ServicePort {
            name: String::new(),
            protocol: Protocol::Tcp,
            port: port(80),
            node_port: node_port.then(|| port(30000 + u16::from(index))),
        }],
        internal_traffic_policy: TrafficPolicy::Cluster,
        external_traffic_policy: policy,
        affinity_timeout_s: None,
        source_ranges: vec![],
        health_check_node_port: None,
    }
}

fn endpoint(last: u8, here: bool) -> Endpoint {
    Endpoint {
        addresses: vec![IpAddr::V4(Ipv4Addr::new(10, 244, u8::from(!here), last))],
        ready: true,
        serving: true,
        terminating: false,
        node_name: if here { "here".into() } else { "there".into() },
        zone: String::new(),
        zone_hints: vec![],
        node_hints: vec![],
    }
}

fn slice(index: u8, endpoints: Vec<Endpoint>) -> EndpointSlice {
    EndpointSlice {
        key: key(&format!("s{index}-x")),
        service_name: format!("s{index}"),
        ports: vec![EndpointPort {
            name: String::new(),
            protocol: Protocol::Tcp,
            port: port(8080),
        }],
        endpoints,
    }
}

fn node() -> Node {
    let own = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    Node { name: "here".into(), zone: String::new(), node_port_addresses: vec![own] }
}

prop_compose! {
    fn model()(
        services in prop::collection::btree_map(
            0u8..6,
            (any::<bool>(), any::<bool>(), prop::collection::btree_set((1u8..8, any::<bool>()), 0..5)),
            0..6,
        ),
    ) -> Model {
        let mut model = Model { node: node(), ..Model::default() };
        for (index, (node_port, local, endpoints)) in services {
            let service = service(index, node_port, local);
            model.services.insert(service.key.clone(), service);
            let endpoints = endpoints.into_iter().map(|(last, here)| endpoint(last, here)).collect();
            let slice = slice(index, endpoints);
            model.slices.insert(slice.key.clone(), slice);
        }
        model
    }
}

/// Where each frontend leads, by address: what a client sees, whatever the ids.
type Seen = BTreeMap<FrontendKey, (BTreeSet<[u8; 4]>, BTreeSet<[u8; 4]>, u32)>;

fn seen(held: &Held) -> Result<Seen, TestCaseError> {
    let mut seen = Seen::new();
    for (key, frontend) in &held.frontends {
        let resolve = |range| -> Result<BTreeSet<[u8; 4]>, TestCaseError> {
            let ids = held.range(range);
            prop_assert_eq!(ids.len(), range.len as usize, "slots of {:?} are missing", key);
            let mut addresses = BTreeSet::new();
            for id in ids {
                let Some(backend) = held.live(*id) else {
                    return Err(TestCaseError::fail(format!(
                        "{key:?}: {id:?} resolves to nothing"
                    )));
                };
                prop_assert_eq!(backend.service, frontend.service, "a backend of another service");
                addresses.insert(backend.addr.v4_octets());
            }
            Ok(addresses)
        };
        seen.insert(
            *key,
            (resolve(frontend.internal)?, resolve(frontend.external)?, frontend.flags),
        );
    }
    Ok(seen)
}

/// Writes one entry after the other, as the dataplane does, and looks after each as a reader would.
fn write_step_by_step(held: &mut Held, diff: &Diff) -> Result<(), TestCaseError> {
    for (id, backend) in &diff.backends {
        prop_assert!(held.live(*id).is_none(), "a backend in use is overwritten");
        held.backends.insert(*id, *backend);
        seen(held)?;
    }
    for (start, list) in &diff.slots {
        let end = start + list.len() as u32;
        for range in held.ranges_in_use() {
            prop_assert!(end <= range.start || range.start + range.len <= *start, "slots in use");
        }
        held.ranges.insert(*start, list.clone());
        seen(held)?;
    }
    for (key, frontend) in &diff.frontends {
        held.frontends.insert(*key, *frontend);
        seen(held)?;
    }
    for key in &diff.gone_frontends {
        held.frontends.remove(key);
        seen(held)?;
    }
    for (id, backend) in &diff.gone_backends {
        held.backends.insert(*id, *backend);
        seen(held)?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_reader_never_sees_an_id_that_resolves_to_nothing(
        models in prop::collection::vec(model(), 1..6),
    ) {
        let mut held = Held::default();
        for model in &models {
            let plan = plan(model);
            let diff = diff(&plan, &held).unwrap();
            let mut written = held.clone();
            written.apply(&diff);
            write_step_by_step(&mut held, &diff)?;
            prop_assert_eq!(&held.frontends, &written.frontends);
            prop_assert_eq!(&held.backends, &written.backends);
            held = written;

            // What is there afterwards is what a start from nothing would have made.
            let mut fresh = Held::default();
            let from_nothing = crate::diff::diff(&plan, &fresh).unwrap();
            fresh.apply(&from_nothing);
            prop_assert_eq!(seen(&held)?, seen(&fresh)?);

            // A restart with nothing new to say writes nothing.
            prop_assert_eq!(crate::diff::diff(&plan, &held).unwrap(), Diff::default());
        }
    }

    #[test]
    fn ids_stay_while_their_backends_do(before in model(), after in model()) {
        let mut held = Held::default();
        held.apply(&diff(&plan(&before), &held).unwrap());
        let old = held.clone();
        held.apply(&diff(&plan(&after), &held).unwrap());
        for (id, backend) in &held.backends {
            let Some(was) = old.live(*id) else { continue };
            if backend.state == BACKEND_LIVE {
                prop_assert_eq!(was, backend, "a live id changed its meaning in one step");
            } else {
                prop_assert_eq!(was.generation, backend.generation);
            }
        }
        // Used again, an id has another generation.
        held.apply(&diff(&plan(&before), &held).unwrap());
        for (id, backend) in &held.backends {
            if let (Some(was), true) = (old.live(*id), backend.state == BACKEND_LIVE)
                && was.generation == backend.generation
            {
                prop_assert_eq!(was, backend);
            }
        }
    }
}

fn one(service: Service, endpoints: Vec<Endpoint>) -> Held {
    let mut model = Model { node: node(), ..Model::default() };
    model.services.insert(service.key.clone(), service);
    let slice = slice(0, endpoints);
    model.slices.insert(slice.key.clone(), slice);
    let mut held = Held::default();
    held.apply(&diff(&plan(&model), &held).unwrap());
    held
}

fn frontend(held: &Held, ip: [u8; 4], port: u16) -> Frontend {
    let port = sheave_abi::order::Be16::new(port);
    held.frontends[&FrontendKey::new(addr(IpAddr::V4(ip.into())), port, 6)]
}

#[test]
fn a_local_policy_narrows_only_what_comes_from_outside() {
    let held = one(service(0, true, true), vec![endpoint(1, true), endpoint(2, false)]);
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
    let elsewhere = one(service(0, true, true), vec![endpoint(2, false)]);
    let flags_seen = frontend(&elsewhere, [192, 0, 2, 1], 30000).flags;
    assert_eq!(flags_seen, flags::EXTERNAL | flags::EXTERNAL_DROP);

    let mut inside = service(0, false, false);
    inside.internal_traffic_policy = TrafficPolicy::Local;
    let held = one(inside.clone(), vec![endpoint(2, false)]);
    assert_eq!(frontend(&held, [10, 96, 0, 1], 80).flags, flags::INTERNAL_DROP);
    let held = one(inside, vec![]);
    assert_eq!(frontend(&held, [10, 96, 0, 1], 80).flags, 0);
}

#[test]
fn one_node_port_for_two_services_goes_to_the_first_and_is_reported() {
    let mut model = Model { node: node(), ..Model::default() };
    let (first, mut second) = (service(0, true, false), service(1, true, false));
    second.ports[0].node_port = first.ports[0].node_port;
    for service in [first, second] {
        model.services.insert(service.key.clone(), service);
    }
    let plan = plan(&model);
    let refused: BTreeSet<_> = plan
        .conflicts
        .iter()
        .map(|c| (c.kept.service.name.clone(), c.refused.service.name.clone()))
        .collect();
    assert_eq!(refused, BTreeSet::from([("s0".to_owned(), "s1".to_owned())]));
    assert_eq!(plan.conflicts.len(), 2, "the node's address and the loopback");
}

#[test]
fn what_does_not_fit_names_the_map() {
    let mut model = Model { node: node(), ..Model::default() };
    let service = service(0, false, false);
    model.services.insert(service.key.clone(), service);
    let slice = slice(0, (1..=5).map(|last| endpoint(last, true)).collect());
    model.slices.insert(slice.key.clone(), slice);
    let limits = |frontends, backends, slots| Held {
        limits: Limits { frontends, backends, slots },
        ..Held::default()
    };
    let map = |held: &Held| diff(&plan(&model), held).unwrap_err().map;
    assert_eq!(map(&limits(1, 10, 10)), "FRONTENDS");
    assert_eq!(map(&limits(10, 5, 10)), "BACKENDS");
    assert_eq!(map(&limits(10, 10, 4)), "SLOTS");
    assert!(diff(&plan(&model), &limits(2, 6, 5)).is_ok());
}
