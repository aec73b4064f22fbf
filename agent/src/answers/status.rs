//! `/status`: node, server, dataplane, pods, pressure of the maps.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sheave_core::dump::ip;
use sheave_dataplane::ProgramsRunning;
use sheave_sources::Connection;

use super::{Answers, Unanswered};
use crate::pod_network::PodNetwork;

pub(super) fn answer(answers: &Answers) -> Result<Value, Unanswered> {
    let agent = answers.agent.as_ref().ok_or(Unanswered::AgentAway)?;
    let maps = answers.maps()?;
    let pods = maps.endpoints()?;
    let pods: Vec<_> = pods.iter().map(|(address, _)| ip(*address).to_string()).collect();
    let pressure: BTreeMap<_, _> = maps
        .pressure()?
        .into_iter()
        .map(|(map, entries, max)| (map, json!({ "entries": entries, "max": max })))
        .collect();
    let server = agent.connection.as_ref().map(|connection| match &*connection.borrow() {
        Connection::Up(version) => json!({ "connected": true, "version": version }),
        Connection::Away(why) => json!({ "connected": false, "why": why }),
        Connection::Refused(why) => json!({ "connected": false, "refused": true, "why": why }),
    });
    // Before the reconciler is held: who changes the pod network holds both, this one first.
    let pod_network = agent.pod_network.as_ref().map(PodNetwork::status);
    let reconciler = agent.reconciler.lock();
    let (machine, progress) = (reconciler.machine(), reconciler.progress());
    let node = &reconciler.model().node;
    let programs = match reconciler.dataplane().running() {
        ProgramsRunning::Ours => json!({ "version": "this" }),
        ProgramsRunning::Before(error) => {
            json!({ "version": "before", "refused": error.to_string() })
        }
    };
    let served = reconciler.dataplane().served().iter();
    let served: Vec<_> = served
        .map(|(uplink, served)| match served {
            Ok(()) => json!({ "uplink": uplink, "by": "XDP" }),
            Err(why) => json!({ "uplink": uplink, "by": "tc", "why": why.to_string() }),
        })
        .collect();
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "node": machine.name,
        "addresses": machine.addresses,
        "uplinks": machine.uplinks,
        "nodePortAddresses": node.node_port_addresses,
        "externalClusterIPs": node.external_cluster_ips,
        "served": served,
        "server": server,
        "services": {
            "generation": progress.generation,
            "mapWrites": progress.writes_total,
            "inEffectAt": progress.in_effect_at.map(|at| at.to_string()),
            "failing": progress.failing.as_ref().map(|(_, why)| why),
        },
        "programs": programs,
        "announcing": agent.announcing.status(),
        "podNetwork": pod_network,
        "podAddresses": pods,
        "maps": pressure,
    }))
}
