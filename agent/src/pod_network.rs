//! The way to pods of other nodes, kept as it should be: planned anew whenever the other nodes change or the
//! kernel says that links or routes do, and brought about by difference.
//!
//! Nothing is touched before a state is known, and while that was only recalled no way is changed or removed:
//! those that an agent before has made are newer. Who removes a route of ours finds it there again, and an event
//! about it on the Node.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::net::if_::{if_indextoname, if_nametoindex};
use parking_lot::Mutex;
use rtnetlink::MulticastGroup;
use serde_json::{Value, json};
use sheave_core::model::{Knowledge, Peer};
use sheave_core::pod_network::{Left, Mode, Plan, Route, Surroundings, Way, plan};
use sheave_dataplane::{Clients, Existing, apply_routes, device, ensure_device, mtu, on_link};
use tokio_stream::StreamExt as _;

use crate::config::{ClientAddress, RunArguments};
use crate::machine::Machine;
use crate::network::{self, Ranges};
use crate::reconcile::Reconciler;

/// Changes that come together are looked at together.
const SETTLE: Duration = Duration::from_millis(50);
/// The kernel drops messages that nobody takes in time.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(60);

/// Says something to whoever looks at the Node: a reason and a sentence.
pub(crate) type Complain = Box<dyn Fn(&'static str, String) + Send + Sync>;

/// Shared by whoever hears of a change.
#[derive(Clone)]
pub(crate) struct PodNetwork(Arc<Shared>);

struct Shared {
    mode: Mode,
    /// What clients outside send to pods of other nodes goes there as it came.
    carries: bool,
    vxlan_port: u16,
    reconciler: Arc<Mutex<Reconciler>>,
    complain: Complain,
    state: Mutex<State>,
}

/// As it was brought about last.
#[derive(Default)]
struct State {
    ranges: Ranges,
    plan: Plan,
    /// The tunnel's device that has our programs, and its MTU.
    tunnel: Option<(u32, u32)>,
    said: BTreeSet<String>,
}

impl PodNetwork {
    pub(crate) fn new(
        arguments: &RunArguments,
        reconciler: &Arc<Mutex<Reconciler>>,
        complain: Complain,
    ) -> Self {
        Self(Arc::new(Shared {
            mode: arguments.pod_network.into(),
            carries: carries(arguments.client_address, arguments.pod_network.into()),
            vxlan_port: arguments.vxlan_port,
            reconciler: Arc::clone(reconciler),
            complain,
            state: Mutex::default(),
        }))
    }

    /// The cluster's ranges are these.
    pub(crate) fn join(&self, ranges: &Ranges) -> Result<()> {
        self.0.state.lock().ranges = ranges.clone();
        let reconciler = self.0.reconciler.lock();
        network::tell(reconciler.dataplane(), reconciler.machine(), ranges)
    }

    /// Looks again whenever links or routes change. Within a tokio runtime, in the network namespace of this
    /// thread.
    pub(crate) fn watch(&self) -> Result<()> {
        let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Route, MulticastGroup::Ipv6Route];
        let (connection, _, mut messages) = rtnetlink::new_multicast_connection(&groups)
            .context("cannot follow the routes of this machine")?;
        tokio::spawn(connection);
        let network = self.clone();
        tokio::spawn(async move {
            loop {
                let next = tokio::time::timeout(LOOK_AT_LEAST_EVERY, messages.next()).await;
                if let Ok(None) = next {
                    tokio::time::sleep(LOOK_AT_LEAST_EVERY).await;
                }
                tokio::time::sleep(SETTLE).await;
                // What they were does not matter: all is asked anew.
                while let Ok(Some(_)) = tokio::time::timeout(Duration::ZERO, messages.next()).await
                {
                }
                network.follow().await;
            }
        });
        Ok(())
    }

    /// Brings about what should be now.
    pub(crate) async fn follow(&self) {
        let shared = Arc::clone(&self.0);
        if tokio::task::spawn_blocking(move || shared.follow()).await.is_err() {
            tracing::error!("following the pod network panicked");
        }
    }

    /// For `/status`.
    pub(crate) fn status(&self) -> Value {
        let state = self.0.state.lock();
        let ranges = |ranges: &Vec<_>| -> Vec<Value> {
            let said = |(range, way): &(ipnet::IpNet, Result<Way, Left>)| match way {
                Ok(Way::Native { uplink, via }) => {
                    json!({ "range": range, "by": "native", "via": via, "interface": name(*uplink) })
                }
                Ok(Way::Tunnel { remote, device }) => {
                    json!({ "range": range, "by": "vxlan", "via": remote, "interface": name(*device) })
                }
                Err(left) => json!({ "range": range, "by": null, "why": left.to_string() }),
            };
            ranges.iter().map(said).collect()
        };
        let peers: Vec<_> = state
            .plan
            .reached
            .iter()
            .map(|(name, reached)| json!({ "node": name, "ranges": ranges(reached) }))
            .collect();
        let tunnel = state.tunnel.map(|(index, mtu)| {
            json!({ "interface": name(index), "mtu": mtu, "port": self.0.vxlan_port })
        });
        let clients = match (&tunnel, self.0.carries) {
            (Some(_), true) => "keep",
            _ => "masquerade",
        };
        json!({
            "mode": self.0.mode.to_string(),
            "tunnel": tunnel,
            "nodes": peers,
            "clientAddress": clients,
        })
    }
}

fn carries(whose: ClientAddress, mode: Mode) -> bool {
    match whose {
        ClientAddress::Auto => mode != Mode::Native,
        ClientAddress::Keep => true,
        ClientAddress::Masquerade => false,
    }
}

fn name(index: u32) -> Option<String> {
    if_indextoname(index).ok().map(|name| name.to_string_lossy().into_owned())
}

impl Shared {
    fn follow(&self) {
        let mut state = self.state.lock();
        let mut wrong = BTreeSet::new();
        if let Err(error) = self.bring_about(&mut state, &mut wrong) {
            wrong.insert(format!("{error:#}"));
        }
        for sentence in wrong.difference(&state.said) {
            tracing::warn!("{sentence}");
            (self.complain)("PodNetworkIncomplete", sentence.clone());
        }
        state.said = wrong;
    }

    fn bring_about(&self, state: &mut State, wrong: &mut BTreeSet<String>) -> Result<()> {
        let (machine, peers, node_port_addresses, existing) = {
            let reconciler = self.reconciler.lock();
            let existing = match reconciler.knowledge() {
                Knowledge::Nothing => return Ok(()),
                Knowledge::Recalled => Existing::Stays,
                Knowledge::Complete => Existing::Follows,
            };
            let model = reconciler.model();
            let served = model.node.node_port_addresses.clone();
            (reconciler.machine().clone(), model.peers.clone(), served, existing)
        };
        let uplinks: Vec<u32> = indexes(&machine);
        let addresses = peers.values().flat_map(|peer| peer.addresses.iter().copied());
        let mut around = Surroundings {
            addresses: machine.addresses.clone(),
            own_ranges: state.ranges.node_pods.clone(),
            on_link: on_link(addresses, &uplinks)?,
            tunnel: state.tunnel.map(|(index, _)| index),
        };
        let peers: Vec<&Peer> = peers.values().collect();
        if !peers.is_empty() {
            // What it takes away from packets depends on who is reached through it.
            let draft = Surroundings { tunnel: Some(0), ..around.clone() };
            let overhead = plan(self.mode, peers.iter().copied(), &draft).overhead(self.carries);
            around.tunnel = match self.tunnel(state, &uplinks, overhead) {
                Ok(index) => Some(index),
                Err(error) => {
                    state.tunnel = None;
                    wrong.insert(format!("{error:#}"));
                    None
                }
            };
        }
        let planned = plan(self.mode, peers, &around);
        network::tell(self.reconciler.lock().dataplane(), &machine, &state.ranges)?;
        let applied = apply_routes(&planned.routes, existing)?;
        self.remade(&applied.added, &state.plan.routes);
        wrong.extend(applied.failed.into_iter().map(|(_, error)| with_cause(&error)));
        let clients =
            Clients { carried_by: around.tunnel.filter(|_| self.carries), node_port_addresses };
        {
            let reconciler = self.reconciler.lock();
            let dataplane = reconciler.dataplane();
            let said = dataplane.set_remotes(&planned, self.vxlan_port, existing);
            // Where no other node is remembered, what the programs know of them counts.
            let is_known = existing == Existing::Follows || clients.carried_by.is_some();
            said.and_then(|_| is_known.then(|| dataplane.set_clients(&clients)).transpose())
                .context("cannot tell the programs how other nodes are reached")?;
        }
        wrong.extend(planned.reached.iter().flat_map(|(node, ranges)| {
            ranges.iter().filter_map(move |(range, way)| match way {
                Ok(_) | Err(Left::ToTheNetwork) => None,
                Err(left) => {
                    Some(format!("pods of node {node} in {range} are not reached: {left}"))
                }
            })
        }));
        if planned != state.plan {
            tracing::info!(reached = ?planned.reached, "pods of other nodes are reached so");
        }
        state.plan = planned;
        Ok(())
    }

    /// The tunnel's device, made if it is not there, and our programs at it.
    fn tunnel(&self, state: &mut State, uplinks: &[u32], overhead: u32) -> Result<u32> {
        let narrowest = uplinks.iter().filter_map(|index| mtu(*index)).min().unwrap_or(1500);
        let mtu = narrowest.saturating_sub(overhead);
        let index = match state.tunnel {
            Some((index, held)) if held == mtu && device()? == Some(index) => return Ok(index),
            _ => ensure_device(self.vxlan_port, mtu)?,
        };
        if state.tunnel.is_none_or(|(known, _)| known != index) {
            self.reconciler.lock().dataplane().attach_tunnel(index)?;
        }
        state.tunnel = Some((index, mtu));
        Ok(index)
    }

    /// Names routes that were there and had gone.
    fn remade(&self, added: &[Route], before: &BTreeSet<Route>) {
        for route in added.iter().filter(|route| before.contains(route)) {
            let sentence = format!(
                "the route to {} was gone and is there again: somebody else removes routes of this node, or \
                 its interface was down",
                route.to
            );
            tracing::warn!("{sentence}");
            (self.complain)("RouteRemade", sentence);
        }
    }
}

fn indexes(machine: &Machine) -> Vec<u32> {
    machine.uplinks.iter().filter_map(|name| if_nametoindex(name.as_str()).ok()).collect()
}

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
