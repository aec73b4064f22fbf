//! Floods from outside: the map of flows is full all the time.

use std::time::{Duration, Instant};

use sheave_dataplane::Dataplane;
use sheave_tests::echo;
use sheave_tests::flood::{Flood, Kind};
use sheave_tests::lab::Lab;

use crate::services::FLOODED;
use crate::traffic::Traffic;
use crate::{scenario_length, served_lab, sleep_until};

/// Packets a second. The map of a machine of 2 GiB is full after two to four seconds.
const RATE: u32 = 15_000;

/// Entries of `OPENING`, and how many fit.
fn flows(lab: &Lab) -> (usize, u32) {
    let dataplane = Dataplane::inspect(&lab.config.bpffs_dir).unwrap();
    let pressure = dataplane.pressure().unwrap();
    let (_, entries, max) = pressure.into_iter().find(|(map, ..)| *map == "OPENING").unwrap();
    (entries, max)
}

fn established_connections_outlive(kind: Kind, name: &str) {
    let lab = served_lab(name);
    let at = format!("10.244.0.{FLOODED}:9").parse().unwrap();
    echo::serve(&lab.pods[&FLOODED], "flooded", vec![at], vec![]);
    let mut traffic = Traffic::start(&lab, scenario_length());
    // Longer than the flood takes to fill the map from nothing.
    traffic.hold_quietly(&lab, scenario_length() - Duration::from_secs(2));
    std::thread::sleep(Duration::from_millis(500));
    let begun = Instant::now();
    let flood = Flood::start(&lab.outside, kind, "192.0.2.1:30009".parse().unwrap(), RATE);
    sleep_until(begun + scenario_length());
    let ((entries, max), sent) = (flows(&lab), flood.sent());
    drop(flood);
    println!("{entries} of {max} entries of OPENING, {sent} packets of the flood");
    traffic.finish().assert_nothing_lost(&format!("{kind:?} flood"));
    assert!(entries as f64 > 0.95 * f64::from(max), "the flood has not filled the map");
}

#[test]
fn a_syn_flood_that_fills_the_map_costs_no_connection() {
    established_connections_outlive(Kind::TcpSyn, "syn-flood");
}

#[test]
fn a_datagram_flood_that_fills_the_map_costs_no_connection() {
    established_connections_outlive(Kind::Udp, "datagram-flood");
}
