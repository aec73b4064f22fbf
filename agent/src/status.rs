//! What the agent says of itself: from the kernel's maps, not from intentions. Names of Services come from
//! the plan, which the maps do not hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use sheave_core::dump::{ip, protocol_name, socket_addr};
use sheave_dataplane::{MapError, ProgramsRunning};
use sheave_sources::Connection;
use tokio::sync::watch;

use crate::reconcile::Reconciler;

/// Whoever asks is answered from here. Answers read the maps, so they block.
#[derive(Clone)]
pub(crate) struct Answers {
    reconciler: Arc<Mutex<Reconciler>>,
    /// None with manifests.
    connection: Option<watch::Receiver<Connection>>,
}

impl Answers {
    pub(crate) fn new(
        reconciler: Arc<Mutex<Reconciler>>,
        connection: Option<watch::Receiver<Connection>>,
    ) -> Self {
        Self { reconciler, connection }
    }

    /// `{"frontends": [{"address", "protocol", "service", "backends": [...], ...}]}`
    pub(crate) fn services(&self) -> Result<Value, MapError> {
        let reconciler = self.reconciler.lock();
        let held = reconciler.dataplane().held()?;
        let mut names = BTreeMap::new();
        for (port, planned) in reconciler.plan().ports {
            for frontend in planned.frontends {
                let name = format!("{}/{}", port.service.namespace, port.service.name);
                names.insert(frontend.key, name);
            }
        }
        let frontends = held.frontends.iter().filter(|(key, _)| !key.marks_address());
        let frontends: Vec<Value> = frontends
            .map(|(key, frontend)| {
                let backends = |range| {
                    let live = held.range(range).iter().filter_map(|id| held.live(*id));
                    live.map(|b| socket_addr(b.addr, b.port).to_string()).collect::<Vec<_>>()
                };
                json!({
                    "address": socket_addr(key.addr, key.port).to_string(),
                    "protocol": protocol_name(key.protocol),
                    // Held from before, while the server has not said yet whose it is.
                    "service": names.get(key).cloned().unwrap_or_else(|| "(not known yet)".into()),
                    "backends": backends(frontend.internal),
                    "externalBackends": backends(frontend.external),
                    "affinitySeconds": frontend.affinity_s,
                })
            })
            .collect();
        Ok(json!({ "frontends": frontends }))
    }

    /// `{"counters": [{"name", "count", "drop", "what", "advice"}]}`
    pub(crate) fn counters(&self) -> Result<Value, MapError> {
        let counters = self.reconciler.lock().dataplane().counters()?;
        let counters: Vec<Value> = counters
            .into_iter()
            .map(|(event, count)| {
                json!({
                    "name": event.name(),
                    "count": count,
                    "drop": event.is_drop(),
                    "what": event.sentence(),
                    "advice": event.advice(),
                })
            })
            .collect();
        Ok(json!({ "counters": counters }))
    }

    /// Node, server, dataplane, pods, pressure of the maps.
    pub(crate) fn status(&self) -> Result<Value, MapError> {
        let reconciler = self.reconciler.lock();
        let (machine, progress) = (reconciler.machine(), reconciler.progress());
        let programs = match reconciler.dataplane().running() {
            ProgramsRunning::Ours => json!({ "version": "this" }),
            ProgramsRunning::Before(error) => {
                json!({ "version": "before", "refused": error.to_string() })
            }
        };
        let server = self.connection.as_ref().map(|connection| match &*connection.borrow() {
            Connection::Up(version) => json!({ "connected": true, "version": version }),
            Connection::Away(why) => json!({ "connected": false, "why": why }),
        });
        let pods = reconciler.dataplane().endpoints()?;
        let pods: Vec<_> = pods.iter().map(|(address, _)| ip(*address).to_string()).collect();
        let pressure: BTreeMap<_, _> = reconciler
            .dataplane()
            .pressure()?
            .into_iter()
            .map(|(map, entries, max)| (map, json!({ "entries": entries, "max": max })))
            .collect();
        Ok(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "node": machine.name,
            "addresses": machine.addresses,
            "uplinks": machine.uplinks,
            "server": server,
            "services": {
                "generation": progress.generation,
                "mapWrites": progress.writes_total,
                "inEffectAt": progress.in_effect_at.map(|at| at.to_string()),
                "failing": progress.failing.as_ref().map(|(_, why)| why),
            },
            "programs": programs,
            "podAddresses": pods,
            "maps": pressure,
        }))
    }
}
