//! `/connections`: what is translated at this moment, joined from the flows of the packet path and the
//! sockets that the socket hooks gave a backend.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;
use sheave_abi::flow::{Flow, FlowKey, flags};
use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::{Backend, FrontendKey};
use sheave_abi::socket::{SocketKey, SocketPeer, TO_FRONTEND};
use sheave_core::dump::{ip, protocol_name, socket_addr};
use sheave_dataplane::{Dataplane, MapError, OpenSocket, namespaces, now_s};

use super::{Answers, Names, Query, Unanswered, backends, is_named};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connections {
    connections: Vec<Row>,
    /// Entries of sockets that are closed: the kernel gives their room to others when it needs it.
    closed_sockets: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    /// `socket`: translated once, at connect. `packet`: each packet is.
    path: &'static str,
    protocol: &'static str,
    client: String,
    client_pod: Option<String>,
    /// What the backend sees in place of the client, if not the client.
    shown_as: Option<String>,
    frontend: String,
    service: String,
    backend: String,
    backend_pod: Option<String>,
    /// `live`, `draining`, or `gone`: then its packets are refused.
    backend_state: &'static str,
    /// Of the socket, as `ss` names it; of a flow, whether it was answered.
    state: &'static str,
    /// Since a packet of the flow's client was seen last; not known of sockets.
    age_seconds: Option<u32>,
    #[serde(skip)]
    ips: [IpAddr; 3],
}

pub(super) fn answer(answers: &Answers, query: &Query) -> Result<Connections, Unanswered> {
    let maps = answers.maps()?;
    let names = answers.names();
    let open = open_cookies();
    let now_s = now_s();
    let known = backends_by_use(&maps)?;
    let mut rows = Vec::new();
    for (key, flow) in client_flows(&maps)? {
        rows.push(of_flow(&key, &flow, &names, &known, now_s));
    }
    let mut closed_sockets = 0;
    // What has no backend is on a detour: if there is one by now, there is a flow too.
    let is_given =
        |(key, peer): &&(SocketKey, SocketPeer)| key.direction == TO_FRONTEND && peer.backend != 0;
    for (key, peer) in maps.socket_entries()?.iter().filter(is_given) {
        match open.get(&key.cookie) {
            Some(socket) => rows.push(of_socket(key, peer, socket, &names, &known)),
            None => closed_sockets += 1,
        }
    }
    let wanted = wanted(&names, query)?;
    rows.retain(wanted);
    rows.sort_by(|a, b| {
        let theirs = (&b.service, &b.frontend, b.path, &b.client);
        (&a.service, &a.frontend, a.path, &a.client).cmp(&theirs)
    });
    Ok(Connections { connections: rows, closed_sockets })
}

/// What clients send on the packet path, a flow once: one that is established may have left its beginning
/// behind.
pub(super) fn client_flows(maps: &Dataplane) -> Result<HashMap<FlowKey, Flow>, MapError> {
    let all = maps.opening()?.into_iter().chain(maps.flows()?);
    Ok(all.filter(|(_, flow)| flow.flags & flags::REPLY == 0).collect())
}

fn wanted(names: &Names, query: &Query) -> Result<impl Fn(&Row) -> bool, Unanswered> {
    let service = query.get("service").cloned();
    let address = match query.get("address") {
        Some(text) => {
            let ip = text
                .parse()
                .map_err(|_| Unanswered::Invalid(format!("--address {text:?} is no IP address")))?;
            Some(vec![ip])
        }
        None => None,
    };
    let pod = match query.get("pod") {
        Some(text) => Some(pod_addresses(names, text)?),
        None => None,
    };
    Ok(move |row: &Row| {
        let meets = |ips: &Option<Vec<IpAddr>>| {
            ips.as_ref().is_none_or(|ips| ips.iter().any(|ip| row.ips.contains(ip)))
        };
        service.as_ref().is_none_or(|wanted| is_named(&row.service, wanted))
            && meets(&address)
            && meets(&pod)
    })
}

/// The addresses of a pod by its name, or the address that stands in its place.
pub(super) fn pod_addresses(names: &Names, text: &str) -> Result<Vec<IpAddr>, Unanswered> {
    if let Ok(ip) = text.parse() {
        return Ok(vec![ip]);
    }
    let found = names.pods.addresses(text);
    if found.is_empty() {
        return Err(Unanswered::Invalid(format!(
            "no pod of this node is known as {text:?}; give its namespace/name, or its address"
        )));
    }
    Ok(found)
}

/// The backends there are, by id and generation.
type Backends = BTreeMap<(u32, u32), Backend>;

fn backends_by_use(maps: &Dataplane) -> Result<Backends, MapError> {
    let used = maps.backends_in_use()?.into_iter();
    Ok(used.map(|(id, backend)| ((id, backend.generation), backend)).collect())
}

fn of_flow(key: &FlowKey, flow: &Flow, names: &Names, known: &Backends, now_s: u32) -> Row {
    let id = (flow.backend, flow.generation);
    let backend = match known.get(&id) {
        // The flow changes nothing: another node will.
        Some(backend) if flow.flags & flags::CARRIED != 0 => (backend.addr, backend.port),
        _ => (flow.dst, flow.dst_port),
    };
    Row {
        path: "packet",
        state: if flow.flags & flags::ANSWERED == 0 { "opening" } else { "answered" },
        age_seconds: Some(now_s.wrapping_sub(flow.seen_s)),
        shown_as: (key.src, key.src_port)
            .ne(&(flow.src, flow.src_port))
            .then(|| socket_addr(flow.src, flow.src_port).to_string()),
        ..row(
            names,
            known,
            key.protocol,
            socket_addr(key.src, key.src_port),
            (key.dst, key.dst_port),
            backend,
            id,
        )
    }
}

fn of_socket(
    key: &SocketKey,
    peer: &SocketPeer,
    socket: &Open,
    names: &Names,
    known: &Backends,
) -> Row {
    let mut client = socket.socket.local;
    if let (true, Some(ip)) = (client.ip().is_unspecified(), socket.namespace_ip) {
        client.set_ip(ip);
    }
    Row {
        path: "socket",
        state: socket.socket.state,
        age_seconds: None,
        ..row(
            names,
            known,
            key.protocol,
            client,
            (peer.addr, peer.port),
            (key.addr, key.port),
            (peer.backend, peer.generation),
        )
    }
}

fn row(
    names: &Names,
    known: &Backends,
    protocol: u8,
    client: SocketAddr,
    frontend: (Addr, Be16),
    backend: (Addr, Be16),
    id: (u32, u32),
) -> Row {
    let key = FrontendKey::new(frontend.0, frontend.1, protocol);
    Row {
        path: "",
        protocol: protocol_name(protocol),
        client: client.to_string(),
        client_pod: names.pods.at(client.ip()),
        shown_as: None,
        frontend: socket_addr(frontend.0, frontend.1).to_string(),
        service: names.service(&key),
        backend: socket_addr(backend.0, backend.1).to_string(),
        backend_pod: names.pods.at(ip(backend.0)),
        backend_state: known.get(&id).map_or("gone", backends::state),
        state: "",
        age_seconds: None,
        ips: [client.ip(), ip(frontend.0), ip(backend.0)],
    }
}

/// An open socket, and an address of the namespace it is in.
pub(super) struct Open {
    socket: OpenSocket,
    namespace_ip: Option<IpAddr>,
}

/// The open sockets of all namespaces.
pub(super) fn open_cookies() -> HashMap<u64, Open> {
    let mut open = HashMap::new();
    for namespace in namespaces() {
        let of_family =
            |is_v4| namespace.addresses.iter().copied().find(|ip| ip.is_ipv4() == is_v4);
        let (v4, v6) = (of_family(true), of_family(false));
        for socket in namespace.sockets {
            // A v6 socket that is not bound may send to v4 as well.
            let namespace_ip = v4.or(v6);
            open.insert(socket.cookie, Open { socket, namespace_ip });
        }
    }
    open
}

/// How many open sockets were given each backend, by id and generation.
pub(super) fn socket_backends(
    maps: &Dataplane,
    open: &HashMap<u64, Open>,
) -> Result<BTreeMap<(u32, u32), usize>, MapError> {
    let mut counts = BTreeMap::new();
    for (key, peer) in maps.socket_entries()? {
        if key.direction == TO_FRONTEND && open.contains_key(&key.cookie) {
            *counts.entry((peer.backend, peer.generation)).or_default() += 1;
        }
    }
    Ok(counts)
}
