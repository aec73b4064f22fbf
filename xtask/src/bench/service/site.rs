//! All that is measured between, in a lab that goes when this is dropped: Sheave's nodes, the peers' machines, and a
//! client outside, on one link.

use super::peers::{CLUSTER_IP, Mtu, Peer};
use super::server::{Enter, Server};
use super::services::{LOAD_PORT, STREAM_PORT, node_port};
use super::sheave::Sheave;
use super::ways::{Place, Way};
use crate::cluster::output_of;
use crate::lab;
use anyhow::{Context, Result};
use sheave_lab::{Lab, Machine};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

const NAME: &str = "bench-service";
/// TIME_WAIT is not kept: a port that is used again, once for a Service and once for its pod, would be refused by the
/// time stamps of the connection before, and the client waits a second.
const NO_TIME_WAIT: &str = "net.ipv4.tcp_max_tw_buckets=0";

/// Where a way's client is, and what it dials.
pub(super) struct Route {
    pub(super) way: Way,
    pub(super) client: Enter,
    /// iperf3's server.
    pub(super) stream: SocketAddrV4,
    /// The server of [`super::load`].
    pub(super) load: SocketAddrV4,
    /// Whom the client's sockets are connected to, if all is as it should be.
    pub(super) peer: Ipv4Addr,
}

pub(super) struct Site {
    // Ended before their machines.
    _servers: Vec<Server>,
    pub(super) sheave: Sheave,
    pub(super) peers: Vec<Peer>,
    lab: BenchLab,
}

/// A lab that goes when this is dropped.
struct BenchLab(Lab);

impl Drop for BenchLab {
    fn drop(&mut self) {
        if let Err(error) = Lab::down(NAME) {
            eprintln!("the lab {NAME} is left: {error}; run `cargo xtask lab --name {NAME} down`");
        }
    }
}

impl Site {
    /// For these ways; servers listen, and the peers have no rules yet.
    pub(super) fn start(ways: &[Way]) -> Result<Self> {
        let places = Place::of(ways);
        let (nodes, peers): (Vec<_>, Vec<_>) = places.iter().partition(|place| place.is_node());
        let lab = start_lab(nodes.contains(&&Place::NodeWithXdp), peers.len())?;
        let sheave = Sheave::start(&lab.0)?;
        let mtu = Mtu { inside: sheave.mtu()?, outside: lab.0.spec().mtu };
        let set_up = |(index, place): (usize, &&Place)| {
            // The first machine is the client outside.
            let machine = lab.0.client(index + 2)?;
            let address = address(&lab.0, machine.name())?;
            Peer::set_up(**place, machine, address, mtu).with_context(|| place.name())
        };
        let peers = peers.iter().enumerate().map(set_up).collect::<Result<Vec<_>>>()?;
        let mut site = Self { _servers: Vec::new(), sheave, peers, lab };
        for place in places {
            let enter = site.server(place)?;
            without_time_wait(&enter)?;
            site._servers.push(Server::start(place.name(), &enter)?);
        }
        site.prepare_outside()?;
        Ok(site)
    }

    /// Of a way, whose client is prepared.
    pub(super) fn route(&self, way: Way) -> Result<Route> {
        let client = self.client(way)?;
        without_time_wait(&client)?;
        let (address, node) = self.target(way)?;
        let port = |inside| node.map_or(inside, |node| node_port(inside, node));
        let at = |inside| SocketAddrV4::new(address, port(inside));
        let peer = match way {
            Way::Socket => self.sheave.server(1)?,
            _ => address,
        };
        Ok(Route { way, client, stream: at(STREAM_PORT), load: at(LOAD_PORT), peer })
    }

    /// What the client dials: an address, and if it is by a `NodePort`, the number of the node that has it.
    fn target(&self, way: Way) -> Result<(Ipv4Addr, Option<u16>)> {
        let peer = || self.peer(way.place());
        Ok(match way {
            Way::Routed | Way::Bridge | Way::RoutedOutside => (peer()?.server(), None),
            Way::IptablesLegacy | Way::IptablesNft | Way::Nftables => (CLUSTER_IP, None),
            Way::Socket | Way::Packet => (self.sheave.cluster_ip(1)?, None),
            Way::Direct => (self.sheave.server(1)?, None),
            Way::NodePortIptablesLegacy | Way::NodePortIptablesNft | Way::NodePortNftables => {
                (peer()?.address, Some(1))
            }
            Way::NodePortTc => (address(&self.lab.0, Place::Node.name())?, Some(1)),
            Way::NodePortXdp => (address(&self.lab.0, Place::NodeWithXdp.name())?, Some(2)),
        })
    }

    fn client(&self, way: Way) -> Result<Enter> {
        match way {
            Way::Packet => self.sheave.in_packet_client(),
            Way::Socket | Way::Direct => self.sheave.in_client(),
            _ if way.is_outside() => Ok(on_machine(self.lab.0.client(1)?)),
            _ => Ok(self.peer(way.place())?.in_client()),
        }
    }

    fn server(&self, place: Place) -> Result<Enter> {
        match place {
            Place::Node => self.sheave.in_server(1),
            Place::NodeWithXdp => self.sheave.in_server(2),
            _ => Ok(self.peer(place)?.in_server()),
        }
    }

    fn peer(&self, place: Place) -> Result<&Peer> {
        let peer = self.peers.iter().find(|peer| peer.place == place);
        peer.with_context(|| format!("{} was not set up", place.name()))
    }

    /// It knows the way to pods of the routed peer.
    fn prepare_outside(&self) -> Result<()> {
        let outside = self.lab.0.client(1)?;
        let routed = self.peer(Place::Routed)?;
        let (range, via) = (routed.range(), routed.address.to_string());
        outside.run(&["ip", "route", "add", &range, "via", &via])?;
        Ok(())
    }
}

/// One node, or two of which the second has XDP; a client outside, and a machine for each peer.
fn start_lab(has_second: bool, peers: usize) -> Result<BenchLab> {
    // Left by a run that was killed.
    Lab::down(NAME)?;
    let mut spec = lab::spec(NAME)?;
    (spec.nodes, spec.clients) = (1 + usize::from(has_second), 1 + peers);
    spec.dual_stack = false;
    for (node, xdp) in [("node-1", "off"), ("node-2", "native")] {
        let words = ["--xdp".to_owned(), xdp.to_owned()];
        spec.arguments_of.insert(node.to_owned(), words.to_vec());
    }
    match Lab::up(spec, |_, _| ()) {
        Ok(lab) => Ok(BenchLab(lab)),
        Err(error) => {
            Lab::down(NAME)?;
            Err(error.into())
        }
    }
}

/// Of a machine on the link.
fn address(lab: &Lab, machine: &str) -> Result<Ipv4Addr> {
    let place = lab.plan().machines().find(|place| place.name == machine);
    let addresses = place.map(|place| place.addresses.as_slice()).unwrap_or_default();
    let v4 = addresses.iter().find_map(|address| match address {
        IpAddr::V4(v4) => Some(*v4),
        IpAddr::V6(_) => None,
    });
    v4.with_context(|| format!("{machine} has no IPv4 address"))
}

fn on_machine(machine: Machine) -> Enter {
    Box::new(move |words| {
        let (program, arguments) = words.split_first().context("a program's name")?;
        let mut command = machine.command(program)?;
        command.args(arguments);
        Ok(command)
    })
}

fn without_time_wait(enter: &Enter) -> Result<()> {
    let words = ["sysctl", "--quiet", "--write", NO_TIME_WAIT].map(str::to_owned);
    output_of(&mut enter(&words)?).map(drop)
}
