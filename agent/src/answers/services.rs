//! `/services`: every frontend in the kernel, with its backends as a client would be given them.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use sheave_abi::service::{
    BACKEND_DRAINING, BACKEND_LIVE, Backend, Frontend, FrontendKey, SlotRange, flags,
};
use sheave_core::dump::{protocol_name, socket_addr};
use sheave_core::model::{Model, ObjectKey, Service, ServiceType, TrafficPolicy};
use sheave_dataplane::{Dataplane, MapError};

use super::{Answers, Names, Query, Unanswered, is_named};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Services {
    frontends: Vec<Row>,
    /// Two that want the same; none without an agent.
    conflicts: Vec<Conflict>,
    /// When the maps last held what they should; none without an agent.
    in_effect_at: Option<String>,
    /// Why they do not now.
    failing: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    address: String,
    protocol: &'static str,
    service: String,
    port_name: String,
    /// What the address is to the service: `ClusterIP`, `NodePort`, ...
    at: String,
    /// `spec.type`.
    #[serde(rename = "type")]
    service_type: String,
    internal_traffic_policy: String,
    external_traffic_policy: String,
    /// For clients inside.
    backends: Vec<String>,
    /// For clients outside; none where they may not come.
    external_backends: Option<Vec<String>>,
    /// Backends of this port that get no new connection and still have a pod.
    draining: usize,
    affinity_seconds: u32,
    /// How a client outside is given one: `random` or `maglev`.
    selection: &'static str,
    /// Only some clients outside are admitted.
    source_ranges: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Conflict {
    address: String,
    protocol: &'static str,
    kept: String,
    refused: String,
}

pub(super) fn answer(answers: &Answers, query: &Query) -> Result<Services, Unanswered> {
    let maps = answers.maps()?;
    let names = answers.names();
    let wanted = |row: &Row| {
        let namespace = row.service.split_once('/').map_or("", |(namespace, _)| namespace);
        query.get("namespace").is_none_or(|wanted| wanted == namespace)
            && query.get("service").is_none_or(|wanted| is_named(&row.service, wanted))
    };
    let specs = answers.with_model(|model| model.map(specs).unwrap_or_default());
    let lists = Lists::read(&maps)?;
    let mut frontends: Vec<_> =
        maps.frontends()?.into_iter().filter(|(key, _)| !key.marks_address()).collect();
    frontends.sort_by_key(|(key, _)| *key);
    let mut rows = Vec::new();
    for (key, frontend) in frontends {
        let row = row(&maps, &lists, &names, &specs, &key, &frontend)?;
        rows.extend(Some(row).filter(wanted));
    }
    rows.sort_by(|a, b| a.service.cmp(&b.service));
    let mut said =
        Services { frontends: rows, conflicts: Vec::new(), in_effect_at: None, failing: None };
    if let Some(agent) = &answers.agent {
        let reconciler = agent.reconciler.lock();
        said.conflicts = reconciler.conflicts().iter().map(conflict).collect();
        let progress = reconciler.progress();
        said.in_effect_at = progress.in_effect_at.map(|at| at.to_string());
        said.failing = progress.failing.as_ref().map(|(_, why)| why.clone());
    }
    Ok(said)
}

fn row(
    maps: &Dataplane,
    lists: &Lists,
    names: &Names,
    specs: &HashMap<ObjectKey, Spec>,
    key: &FrontendKey,
    frontend: &Frontend,
) -> Result<Row, MapError> {
    let owner = names.owner(key);
    let spec = owner.and_then(|owner| specs.get(&owner.service)).cloned().unwrap_or_default();
    let is_external = frontend.flags & flags::EXTERNAL != 0;
    Ok(Row {
        address: socket_addr(key.addr, key.port).to_string(),
        protocol: protocol_name(key.protocol),
        service: names.service(key),
        port_name: owner.map(|owner| owner.port_name.clone()).unwrap_or_default(),
        at: owner.map(|owner| owner.at.name().to_owned()).unwrap_or_default(),
        service_type: spec.service_type.into(),
        internal_traffic_policy: spec.internal.into(),
        external_traffic_policy: spec.external.into(),
        backends: lists.live(maps, frontend.internal)?,
        external_backends: match is_external {
            true => Some(lists.live(maps, frontend.external)?),
            false => None,
        },
        draining: lists.draining.get(&frontend.service).copied().unwrap_or(0),
        affinity_seconds: frontend.affinity_s,
        selection: if frontend.flags & flags::MAGLEV != 0 { "maglev" } else { "random" },
        source_ranges: frontend.flags & flags::SOURCE_RANGES != 0,
    })
}

/// All backends, read once.
struct Lists {
    backends: BTreeMap<u32, Backend>,
    /// By service port.
    draining: HashMap<u32, usize>,
}

impl Lists {
    fn read(maps: &Dataplane) -> Result<Self, MapError> {
        let backends: BTreeMap<u32, Backend> = maps.backends_in_use()?.into_iter().collect();
        let mut draining = HashMap::new();
        for backend in backends.values().filter(|backend| backend.state == BACKEND_DRAINING) {
            *draining.entry(backend.service).or_insert(0) += 1;
        }
        Ok(Self { backends, draining })
    }

    fn live(&self, maps: &Dataplane, range: SlotRange) -> Result<Vec<String>, MapError> {
        let ids = maps.choices(range)?;
        let backends = ids.iter().filter_map(|id| self.backends.get(id));
        let live = backends.filter(|backend| backend.state == BACKEND_LIVE);
        let mut addresses: Vec<_> = live.map(|b| socket_addr(b.addr, b.port)).collect();
        addresses.sort();
        Ok(addresses.iter().map(ToString::to_string).collect())
    }
}

/// What the object says, for people to compare.
#[derive(Clone, Copy, Default)]
struct Spec {
    service_type: &'static str,
    internal: &'static str,
    external: &'static str,
}

fn specs(model: &Model) -> HashMap<ObjectKey, Spec> {
    model.services.iter().map(|(key, service)| (key.clone(), spec(service))).collect()
}

fn spec(service: &Service) -> Spec {
    let policy = |policy| match policy {
        TrafficPolicy::Cluster => "Cluster",
        TrafficPolicy::Local => "Local",
    };
    let is_internal =
        service.service_type == ServiceType::ClusterIp && service.external_ips.is_empty();
    Spec {
        service_type: match service.service_type {
            ServiceType::ClusterIp => "ClusterIP",
            ServiceType::NodePort => "NodePort",
            ServiceType::LoadBalancer => "LoadBalancer",
        },
        internal: policy(service.internal_traffic_policy),
        external: if is_internal { "" } else { policy(service.external_traffic_policy) },
    }
}

fn conflict(conflict: &sheave_core::plan::Conflict) -> Conflict {
    let name = |port: &sheave_core::plan::PortKey| {
        format!("{}/{}", port.service.namespace, port.service.name)
    };
    Conflict {
        address: socket_addr(conflict.key.addr, conflict.key.port).to_string(),
        protocol: protocol_name(conflict.key.protocol),
        kept: name(&conflict.kept),
        refused: name(&conflict.refused),
    }
}
