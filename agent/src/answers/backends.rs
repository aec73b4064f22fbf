//! `/backends`: every backend in the kernel that is live or draining, and how many connections it has.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use sheave_abi::service::{BACKEND_DRAINING, BACKEND_LIVE, Backend};
use sheave_core::dump::{ip, socket_addr};

use super::connections::{client_flows, open_cookies, socket_backends};
use super::{Answers, NOT_KNOWN, Query, Unanswered, is_named};

#[derive(Serialize)]
pub(super) struct Backends {
    backends: Vec<Row>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: u32,
    address: String,
    /// `live` or `draining`.
    state: &'static str,
    /// Counts the uses of the id.
    generation: u32,
    service: String,
    port_name: String,
    /// `namespace/name`, for a pod of this node whose name is known.
    pod: Option<String>,
    /// On this node.
    here: bool,
    /// Flows that the packet path translates.
    flows: usize,
    /// Open sockets that were given it.
    sockets: usize,
}

pub(super) fn answer(answers: &Answers, query: &Query) -> Result<Backends, Unanswered> {
    let maps = answers.maps()?;
    let names = answers.names();
    // A draining backend is led to by no frontend, but its port's frontends name the same service.
    let mut services: HashMap<u32, (String, String)> = HashMap::new();
    for (key, frontend) in maps.frontends()? {
        if let Some(owner) = names.owner(&key) {
            let name = (super::service_name(owner), owner.port_name.clone());
            services.entry(frontend.service).or_insert(name);
        }
    }
    let here: BTreeSet<_> = maps.endpoints()?.into_iter().map(|(address, _)| address).collect();
    let mut flows: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for flow in client_flows(&maps)?.values() {
        *flows.entry((flow.backend, flow.generation)).or_default() += 1;
    }
    let sockets = socket_backends(&maps, &open_cookies())?;
    let backends = maps.backends_in_use()?.into_iter().map(|(id, backend)| {
        let (service, port_name) = services
            .get(&backend.service)
            .cloned()
            .unwrap_or_else(|| (NOT_KNOWN.into(), String::new()));
        let count = |of: &BTreeMap<(u32, u32), usize>| {
            of.get(&(id, backend.generation)).copied().unwrap_or(0)
        };
        Row {
            id,
            address: socket_addr(backend.addr, backend.port).to_string(),
            state: state(&backend),
            generation: backend.generation,
            service,
            port_name,
            pod: names.pods.at(ip(backend.addr)),
            here: here.contains(&backend.addr),
            flows: count(&flows),
            sockets: count(&sockets),
        }
    });
    let wanted = |row: &Row| {
        query.get("service").is_none_or(|wanted| is_named(&row.service, wanted))
            && query.get("namespace").is_none_or(|wanted| {
                row.service.split_once('/').is_some_and(|(namespace, _)| namespace == wanted)
            })
    };
    let mut rows: Vec<Row> = backends.filter(wanted).collect();
    rows.sort_by(|a, b| (&a.service, &a.port_name, a.id).cmp(&(&b.service, &b.port_name, b.id)));
    Ok(Backends { backends: rows })
}

/// As shown.
pub(super) fn state(backend: &Backend) -> &'static str {
    match backend.state {
        BACKEND_LIVE => "live",
        BACKEND_DRAINING => "draining",
        _ => "gone",
    }
}
