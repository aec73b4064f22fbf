//! `/explain`: which backend a connection would get, and why.

use std::net::SocketAddr;

use serde::Serialize;
use sheave_abi::order::Addr;
use sheave_abi::service::{Affinity, AffinityKey, Backend, Frontend, FrontendKey, SlotRange};
use sheave_abi::settings::Settings;
use sheave_core::explain::{Client, Explanation, Outcome, Question, Seen, explain};
use sheave_core::model::{Protocol, Service};
use sheave_dataplane::{Dataplane, namespaces};

use super::connections::pod_addresses;
use super::{Answers, Names, Query, Unanswered, is_named, service_name};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Explained {
    client: String,
    to: String,
    protocol: &'static str,
    service: Option<String>,
    port_name: Option<String>,
    at: Option<&'static str>,
    /// `backend`, `pod`, `refused`, `dropped`, `stack`.
    outcome: &'static str,
    /// Of [`sheave_abi::event::Event`], when it is dropped.
    reason: Option<&'static str>,
    verdict: String,
    steps: Vec<Step>,
    candidates: Vec<Candidate>,
    left_out: Vec<LeftOut>,
    advice: String,
}

#[derive(Serialize)]
struct Step {
    hook: &'static str,
    finds: String,
}

#[derive(Serialize)]
struct Candidate {
    address: String,
    id: u32,
    here: bool,
    pod: Option<String>,
    remark: String,
}

#[derive(Serialize)]
struct LeftOut {
    address: String,
    pod: Option<String>,
    reason: String,
}

pub(super) fn answer(answers: &Answers, query: &Query) -> Result<Explained, Unanswered> {
    let names = answers.names();
    let text = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let protocol = protocol(text("protocol"))?;
    let to = destination(answers, text("to"), protocol)?;
    let client = client(text("client"), to, &names)?;
    let maps = answers.maps()?;
    let settings = maps.settings()?;
    let netns_cookie = cookie(client, &settings, &maps);
    let question = Question { client, netns_cookie, to, protocol };
    let seen = Maps { maps: &maps, settings };
    let said = answers.with_model(|model| explain(&question, &seen, model));
    Ok(explained(text("client"), &question, said, &names))
}

fn explained(client: &str, question: &Question, said: Explanation, names: &Names) -> Explained {
    let verdict = said.verdict();
    let (outcome, reason) = match &said.outcome {
        Outcome::Backend(_) => ("backend", None),
        Outcome::Pod => ("pod", None),
        Outcome::Refused => ("refused", None),
        Outcome::Dropped(event) => ("dropped", Some(event.name())),
        Outcome::Stack => ("stack", None),
    };
    let steps = said.steps.into_iter().map(|step| Step { hook: step.hook, finds: step.finds });
    let candidates = said.candidates.into_iter().map(|candidate| Candidate {
        pod: names.pods.at(candidate.address.ip()),
        address: candidate.address.to_string(),
        id: candidate.id,
        here: candidate.is_here,
        remark: candidate.remark,
    });
    let left_out = said.left_out.into_iter().map(|endpoint| LeftOut {
        pod: names.pods.at(endpoint.address.ip()),
        address: endpoint.address.to_string(),
        reason: endpoint.reason,
    });
    Explained {
        client: client.into(),
        to: question.to.to_string(),
        protocol: sheave_core::dump::protocol_name(question.protocol as u8),
        service: said.owner.as_ref().map(service_name),
        port_name: said.owner.as_ref().map(|owner| owner.port_name.clone()),
        at: said.owner.as_ref().map(|owner| owner.at.name()),
        outcome,
        reason,
        verdict,
        steps: steps.collect(),
        candidates: candidates.collect(),
        left_out: left_out.collect(),
        advice: said.advice,
    }
}

fn protocol(text: &str) -> Result<Protocol, Unanswered> {
    match text.to_ascii_lowercase().as_str() {
        "" | "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "sctp" => Ok(Protocol::Sctp),
        _ => Err(Unanswered::Invalid(format!("--protocol {text:?} is none of tcp, udp, sctp"))),
    }
}

/// An address and a port, or a Service and one of its ports by number or name.
fn destination(
    answers: &Answers,
    text: &str,
    protocol: Protocol,
) -> Result<SocketAddr, Unanswered> {
    if let Ok(to) = text.parse() {
        return Ok(to);
    }
    let invalid = |why: String| Unanswered::Invalid(format!("{text:?}: {why}"));
    let wrong =
        || invalid("give an address and a port, or SERVICE:PORT, as in default/web:80".into());
    let (service, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    answers.with_model(|model| {
        let model = model.ok_or_else(|| invalid("only a running agent knows Services".into()))?;
        let is_it = |found: &&Service| {
            let name = format!("{}/{}", found.key.namespace, found.key.name);
            is_named(&name, service)
        };
        let found = model.services.values().find(is_it);
        let found = found.ok_or_else(|| invalid(format!("there is no Service {service}")))?;
        let mut ports = found.ports.iter().filter(|p| p.protocol == protocol);
        let named = ports.find(|p| p.name == port).map(|p| p.port.get());
        // A port it does not have is a good question too.
        let port = named.or_else(|| port.parse().ok()).ok_or_else(wrong)?;
        let ip = found.cluster_ips.first().ok_or_else(|| invalid("it has no address".into()))?;
        Ok(SocketAddr::new(*ip, port))
    })
}

/// `host`, `outside`, `outside:198.51.100.7`, or a pod by name or address.
fn client(text: &str, to: SocketAddr, names: &Names) -> Result<Client, Unanswered> {
    match text {
        "host" => return Ok(Client::Host),
        "outside" => return Ok(Client::Outside { ip: None }),
        _ => {}
    }
    if let Some(ip) = text.strip_prefix("outside:") {
        let wrong = || Unanswered::Invalid(format!("outside:{ip} names no IP address"));
        return Ok(Client::Outside { ip: Some(ip.parse().map_err(|_| wrong())?) });
    }
    let ips = pod_addresses(names, text)?;
    let of_family = ips.iter().find(|ip| ip.is_ipv4() == to.is_ipv4());
    let ip = of_family.ok_or_else(|| {
        Unanswered::Invalid(format!("pod {text} has no address of the family of {}", to.ip()))
    })?;
    Ok(Client::Pod { ip: *ip })
}

/// What the socket hooks know the client by.
fn cookie(client: Client, settings: &Settings, maps: &Dataplane) -> Option<u64> {
    match client {
        Client::Host => Some(settings.host_netns_cookie).filter(|cookie| *cookie != 0),
        Client::Outside { .. } => None,
        Client::Pod { ip } => {
            maps.namespace(sheave_core::plan::addr(ip)).ok().flatten().or_else(|| {
                let mut all = namespaces().into_iter();
                all.find(|namespace| namespace.addresses.contains(&ip))?.cookie
            })
        }
    }
}

/// The maps, an entry at a time. One that cannot be read is taken as absent: there is nobody to tell in
/// between, and the next question says what is wrong.
struct Maps<'a> {
    maps: &'a Dataplane,
    settings: Settings,
}

impl Seen for Maps<'_> {
    fn frontend(&self, key: &FrontendKey) -> Option<Frontend> {
        self.maps.frontend(key).ok().flatten()
    }

    fn backends(&self, range: SlotRange) -> Vec<(u32, Backend)> {
        let ids = self.maps.choices(range).unwrap_or_default().into_iter();
        ids.filter_map(|id| Some((id, self.maps.backend(id).ok().flatten()?))).collect()
    }

    fn affinity(&self, key: &AffinityKey) -> Option<Affinity> {
        self.maps.affinity(key).ok().flatten()
    }

    fn netns_cookie(&self, addr: Addr) -> Option<u64> {
        self.maps.namespace(addr).ok().flatten()
    }

    fn admits(&self, service: u32, client: Addr) -> bool {
        self.maps.admits(service, client).unwrap_or(false)
    }

    fn is_in_service_range(&self, addr: Addr) -> bool {
        self.settings.services.hold(&addr)
    }

    fn is_in_node_pods(&self, addr: Addr) -> bool {
        self.settings.node_pods.hold(&addr)
    }

    fn is_pod_here(&self, addr: Addr) -> bool {
        self.maps.is_pod_here(addr).unwrap_or(false)
    }

    fn is_opted_out(&self, netns_cookie: u64) -> bool {
        self.maps.is_opted_out(netns_cookie).unwrap_or(false)
    }

    fn is_carried_to(&self, addr: Addr) -> bool {
        self.maps.is_carried_to(addr).unwrap_or(false)
    }

    fn node_addresses(&self) -> Vec<Addr> {
        self.maps.node_addresses().unwrap_or_default()
    }

    fn now_s(&self) -> u32 {
        sheave_dataplane::now_s()
    }
}
