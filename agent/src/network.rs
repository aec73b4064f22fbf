//! What the programs are told of the network: which addresses are services', pods' and the node's.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use anyhow::{Context, Result};
use ipnet::IpNet;
use nix::net::if_::if_nametoindex;
use sheave_abi::tunnel::DEVICE;
use sheave_dataplane::{Cidr, Dataplane, Network};

use crate::machine::Machine;

/// Ports that translated flows are given. Above what Linux gives to sockets by itself; reserved where this
/// machine would do so.
pub(crate) const NAT_PORTS: RangeInclusive<u16> = 61000..=65535;

/// What a pod sees when it reaches itself through a Service: the address of its own gateway, which nobody
/// else has.
const HAIRPIN: [&str; 2] = ["169.254.1.1", "fe80::1"];

/// The cluster's ranges, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    pub(crate) services: Vec<IpNet>,
    pub(crate) node_pods: Vec<IpNet>,
    pub(crate) cluster_pods: Vec<IpNet>,
}

/// Tells the programs.
pub(crate) fn tell(dataplane: &Dataplane, machine: &Machine, ranges: &Ranges) -> Result<()> {
    let network = Network {
        services: cidrs(&ranges.services),
        node_pods: cidrs(&ranges.node_pods),
        cluster_pods: cidrs(&ranges.cluster_pods),
        hairpin: HAIRPIN.iter().filter_map(|address| address.parse().ok()).collect(),
        nat_ports: Some(NAT_PORTS),
        uplinks: uplinks(machine)?,
    };
    dataplane.set_network(&network).context("cannot tell the programs the network").map(drop)
}

fn cidrs(nets: &[IpNet]) -> Vec<Cidr> {
    nets.iter().map(|net| (net.addr(), net.prefix_len())).collect()
}

fn uplinks(machine: &Machine) -> Result<Vec<(u32, Vec<IpAddr>)>> {
    let index = |name: &String| {
        let index = if_nametoindex(name.as_str()).with_context(|| format!("uplink {name}"))?;
        Ok((index, machine.addresses.clone()))
    };
    let mut uplinks = machine.uplinks.iter().map(index).collect::<Result<Vec<_>>>()?;
    // It leads out as well, while it is there.
    let tunnel = if_nametoindex(DEVICE).ok();
    uplinks.extend(tunnel.map(|index| (index, machine.addresses.clone())));
    Ok(uplinks)
}
