//! How much a change costs. Times are printed for those who measure (`--release --nocapture scale`); what is
//! asserted is what does not depend on the machine: the number of writes.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use super::objects::*;
use crate::engine::Engine;
use crate::held::{Held, Limits};
use crate::model::*;

const LIMITS: Limits =
    Limits { frontends: 262_144, backends: 524_288, slots: 1 << 21, sources: 1024 };

fn address(number: u32, net: u8) -> IpAddr {
    let [_, a, b, c] = number.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(net + a, b, c, 1))
}

fn numbered_service(number: u32) -> Service {
    Service {
        key: key(&format!("service-{number}")),
        cluster_ips: vec![address(number, 100)],
        ..service(0)
    }
}

fn numbered_slice(number: u32, part: u32, endpoints: std::ops::Range<u32>) -> EndpointSlice {
    let pod = |pod: u32| Endpoint {
        addresses: vec![IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + (number << 13) + pod))],
        node_name: format!("node-{}", pod % 100),
        zone: "a".into(),
        ..endpoint(0, false)
    };
    EndpointSlice {
        key: key(&format!("service-{number}-{part}")),
        service_name: format!("service-{number}"),
        endpoints: endpoints.map(pod).collect(),
        ..slice(0, "", vec![])
    }
}

/// Times mean something in a release build alone; otherwise less is tried.
const LARGE: bool = !cfg!(debug_assertions);

struct Cluster {
    engine: Engine,
}

impl Cluster {
    /// So many endpoints in each service, in slices of 100.
    fn of(services: &[u32]) -> Self {
        let mut engine = Engine::new(Held { limits: LIMITS, ..Held::default() });
        engine.note(Update::Init);
        engine.note(Update::Node(node()));
        engine.note(Update::HostPorts(vec![]));
        for (number, endpoints) in (0u32..).zip(services) {
            engine.note(Update::Service(numbered_service(number)));
            for first in (0..*endpoints).step_by(100) {
                let last = (first + 100).min(*endpoints);
                engine.note(Update::EndpointSlice(numbered_slice(
                    number,
                    first / 100,
                    first..last,
                )));
            }
        }
        engine.note(Update::InitDone);
        Self { engine }
    }

    /// Entries written, and what waited for readers.
    fn step(&mut self) -> (usize, usize) {
        let writes = self.engine.diff().writes();
        assert_eq!(self.engine.full(), None);
        let Some(grace) = self.engine.begin_retirement() else { return (writes, 0) };
        (writes, self.engine.end_retirement(grace).writes())
    }
}

fn print_times(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let percentile = |percent: usize| times[times.len() * percent / 100];
    println!("{what}: {:?} (p50), {:?} (p99)", percentile(50), percentile(99));
}

#[test]
fn one_endpoint_of_five_thousand_costs_a_handful_of_writes() {
    let mut cluster = Cluster::of(&[5000, 2, 2]);
    cluster.step();
    let mut times = Vec::new();
    for round in 0..if LARGE { 500 } else { 25 } {
        let part = round % 50;
        let all = part * 100..part * 100 + 100;
        for endpoints in [all.start + 1..all.end, all] {
            cluster.engine.note(Update::EndpointSlice(numbered_slice(0, part, endpoints)));
            let start = Instant::now();
            let (writes, retired) = cluster.step();
            times.push(start.elapsed());
            assert!(writes <= 3, "{writes} writes for one endpoint");
            assert!(retired <= 1, "{retired}");
        }
    }
    print_times("one of 5,000 endpoints", &mut times);
}

#[test]
fn what_grows_one_by_one_moves_seldom() {
    let mut cluster = Cluster::of(&[1]);
    cluster.step();
    let mut writes = 0;
    for endpoints in 2..=1000 {
        cluster.engine.note(Update::EndpointSlice(numbered_slice(0, 0, 0..endpoints)));
        writes += cluster.step().0;
    }
    // A backend, a slot and a frontend each; the rest is moving.
    assert!(writes < 1000 * 8, "{writes} writes for 1,000 endpoints");
}

#[test]
fn one_endpoint_of_many_services_costs_a_handful_of_writes() {
    let services = if LARGE { 2000 } else { 200 };
    let start = Instant::now();
    let mut cluster = Cluster::of(&vec![50; services as usize]);
    let noted = start.elapsed();
    let (writes, _) = cluster.step();
    println!(
        "{} endpoints: noted in {noted:?}, planned in {:?}",
        services * 50,
        start.elapsed() - noted
    );
    assert!(writes < services as usize * (50 * 2 + 3));
    let mut times = Vec::new();
    for number in 0..services / 2 {
        cluster.engine.note(Update::EndpointSlice(numbered_slice(number, 0, 0..49)));
        let start = Instant::now();
        let (writes, retired) = cluster.step();
        times.push(start.elapsed());
        assert!(writes + retired <= 4, "{writes} + {retired}");
    }
    print_times("one of them", &mut times);
}

#[test]
fn one_backend_of_a_table_rewrites_its_share_of_it() {
    let mut cluster = Cluster::of(&[0]);
    let mut service = numbered_service(0);
    service.service_type = ServiceType::NodePort;
    service.ports[0].node_port = Some(port(30000));
    cluster.engine.note(Update::Service(service));
    cluster.engine.note(Update::EndpointSlice(numbered_slice(0, 0, 0..100)));
    cluster.step();
    cluster.engine.note(Update::EndpointSlice(numbered_slice(0, 0, 0..99)));
    let (writes, _) = cluster.step();
    println!("one of 100 backends behind a table of 16,381: {writes} writes");
    assert!(writes < 16_381 / 100 * 4, "{writes}");
}

/// Printed, not asserted: other tests run in the same process.
#[test]
fn what_services_cost_in_memory() {
    let resident_kib = || {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
        pages * 4
    };
    let before = resident_kib();
    let services = if LARGE { 10_000 } else { 500 };
    let mut cluster = Cluster::of(&vec![2; services]);
    let noted = resident_kib();
    let (writes, _) = cluster.step();
    let planned = resident_kib();
    println!(
        "{services} Services of 2: {writes} writes; model {} KiB, engine {} KiB",
        noted.saturating_sub(before),
        planned.saturating_sub(noted)
    );
    assert_eq!(cluster.step(), (0, 0));
}
