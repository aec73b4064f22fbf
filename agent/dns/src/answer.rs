//! From a question to its answer, by the Kubernetes DNS specification 1.1.0. Pure.
//!
//! A name that exists without a record of the type asked for is answered with nothing (NODATA), one that
//! does not exist with NXDOMAIN, both with the zone's SOA so that they can be remembered (RFC 2308).

use std::borrow::Cow;
use std::net::IpAddr;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{A, AAAA, CNAME, HINFO, NS, PTR, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use sheave_core::model::Protocol;

use crate::label::{self, Place};
use crate::records::{Group, Port, Records};
use crate::reverse;
use crate::zone::{TTL_S, Zone, own_name};

/// Version of the schema that names follow.
const SCHEMA_VERSION: &str = "1.1.0";
/// Names that lead to names, one after another.
const CHAIN_MAX: usize = 8;

/// What is to be said to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This.
    Reply(Reply),
    /// What an upstream says: it is no name of the cluster.
    Forward,
    /// This, and what an upstream says of `target`, to which the name leads.
    Follow {
        /// The way to it.
        reply: Reply,
        /// No name of the cluster.
        target: Name,
    },
}

/// The sections of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// NOERROR, NXDOMAIN, ...
    pub code: ResponseCode,
    /// Said by whoever knows.
    pub is_authoritative: bool,
    /// Answers to the question.
    pub answers: Vec<Record>,
    /// With nothing to say, for how long that may be remembered.
    pub authorities: Vec<Record>,
    /// What will be asked next.
    pub additionals: Vec<Record>,
}

impl Reply {
    /// Nothing but a code.
    pub fn code(code: ResponseCode) -> Self {
        Self {
            code,
            is_authoritative: false,
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
        }
    }
}

/// What a name is found to be.
enum Found {
    /// No such name.
    Nothing,
    /// It is there, with these data of the type asked for; maybe none.
    Data(Vec<RData>),
    /// As [`Found::Data`], with addresses of the names in it.
    Srv(Vec<RData>, Vec<Record>),
    /// It is another name for this one.
    Alias(Name),
}

/// Answers a question of class IN. `turn` says which of several addresses comes first.
pub fn answer(zone: &Zone, name: &Name, record_type: RecordType, turn: usize) -> Answer {
    let domain = &zone.cluster().domain;
    if let Some(address) = reverse::address(name) {
        return reversed(zone, name, address, record_type);
    }
    let mut answers = Vec::new();
    let mut asked = Cow::Borrowed(name);
    for _ in 0..CHAIN_MAX {
        let found = match label::place(&asked, domain) {
            Place::Outside if answers.is_empty() => return Answer::Forward,
            Place::Outside => {
                let reply =
                    Reply { answers, is_authoritative: true, ..Reply::code(ResponseCode::NoError) };
                return Answer::Follow { reply, target: asked.into_owned() };
            }
            Place::Nowhere => Found::Nothing,
            Place::Below(labels) => Question { zone, record_type, turn }.find(&labels.texts()),
        };
        match found {
            Found::Alias(target) => {
                answers.push(record(&asked, RData::CNAME(CNAME(target.clone()))));
                if matches!(record_type, RecordType::CNAME | RecordType::ANY) {
                    return Answer::Reply(positive(answers, Vec::new()));
                }
                asked = Cow::Owned(target);
            }
            Found::Nothing => return Answer::Reply(missing(zone, domain, answers)),
            Found::Data(data) if data.is_empty() => {
                return Answer::Reply(empty(zone, domain, answers));
            }
            Found::Data(data) => {
                answers.extend(data.into_iter().map(|data| record(&asked, data)));
                return Answer::Reply(positive(answers, Vec::new()));
            }
            Found::Srv(data, additionals) => {
                answers.extend(data.into_iter().map(|data| record(&asked, data)));
                return Answer::Reply(positive(answers, additionals));
            }
        }
    }
    Answer::Reply(Reply::code(ResponseCode::ServFail))
}

/// A name of the cluster's addresses; those of others are none of ours.
fn reversed(zone: &Zone, name: &Name, address: IpAddr, record_type: RecordType) -> Answer {
    let owners = zone.owners(address);
    if owners.is_empty() && !zone.cluster().has(address) {
        return Answer::Forward;
    }
    let apex = name.trim_to(2);
    let reply = match record_type {
        _ if owners.is_empty() => missing(zone, &apex, Vec::new()),
        RecordType::PTR | RecordType::ANY => {
            let mut names: Vec<Name> =
                owners.iter().flat_map(|owner| names_of(zone, owner, address)).collect();
            names.sort_unstable();
            names.dedup();
            let records = names.into_iter().map(|to| record(name, RData::PTR(PTR(to))));
            positive(records.collect(), Vec::new())
        }
        _ => empty(zone, &apex, Vec::new()),
    };
    Answer::Reply(reply)
}

/// What an address is called in a Service.
fn names_of(zone: &Zone, owner: &crate::zone::Owner, address: IpAddr) -> Vec<Name> {
    let (namespace, service) = owner;
    let domain = &zone.cluster().domain;
    match zone.get(namespace, service) {
        Some(Records::Endpoints(groups)) => {
            let hosts = groups.iter().flat_map(|group| &group.hosts);
            let here = hosts.filter(|host| host.address == address);
            let labels = here.map(super::records::Host::label);
            labels
                .filter_map(|host| own_name(domain, &[&host, service, namespace, "svc"]))
                .collect()
        }
        _ => own_name(domain, &[service, namespace, "svc"]).into_iter().collect(),
    }
}

fn record(name: &Name, data: RData) -> Record {
    Record::from_rdata(name.clone(), TTL_S, data)
}

fn positive(answers: Vec<Record>, additionals: Vec<Record>) -> Reply {
    Reply { answers, additionals, is_authoritative: true, ..Reply::code(ResponseCode::NoError) }
}

/// The name is there, and has nothing of that type.
fn empty(zone: &Zone, apex: &Name, answers: Vec<Record>) -> Reply {
    Reply {
        answers,
        authorities: vec![soa(zone, apex)],
        is_authoritative: true,
        ..Reply::code(ResponseCode::NoError)
    }
}

/// There is no such name, if all names are known.
fn missing(zone: &Zone, apex: &Name, answers: Vec<Record>) -> Reply {
    if !zone.is_complete() {
        return Reply::code(ResponseCode::ServFail);
    }
    Reply { code: ResponseCode::NXDomain, ..empty(zone, apex, answers) }
}

fn soa(zone: &Zone, apex: &Name) -> Record {
    record(apex, RData::SOA(zone.soa().clone()))
}

/// A question about a name below the zone.
struct Question<'a> {
    zone: &'a Zone,
    record_type: RecordType,
    turn: usize,
}

impl Question<'_> {
    fn find(&self, labels: &[&str; 5]) -> Found {
        match *labels {
            ["", ..] => self.apex(),
            ["dns-version", "", ..] => self.text(SCHEMA_VERSION),
            ["dns", "", ..] | ["svc" | "pod", "", ..] => Found::Data(Vec::new()),
            ["dns", "ns", "", ..] => {
                self.addresses(self.zone.cluster().dns_addresses.iter().copied())
            }
            ["pod", _, "", ..] => Found::Data(Vec::new()),
            ["pod", _, address, "", ..] => self.pod(address),
            ["svc", namespace, "", ..] => match self.zone.has_namespace(namespace) {
                true => Found::Data(Vec::new()),
                false => Found::Nothing,
            },
            ["svc", namespace, service, first, second] => {
                let Some(records) = self.zone.get(namespace, service) else {
                    return Found::Nothing;
                };
                match (first, second) {
                    ("", _) => self.service(records),
                    (protocol, "") if protocol.starts_with('_') => {
                        let is_there = ports(records).any(|port| is_of(port, protocol));
                        if is_there { Found::Data(Vec::new()) } else { Found::Nothing }
                    }
                    (host, "") => self.host(records, host),
                    (protocol, port) => self.srv(records, [namespace, service], protocol, port),
                }
            }
            _ => Found::Nothing,
        }
    }

    fn apex(&self) -> Found {
        let domain = &self.zone.cluster().domain;
        let ns = || own_name(domain, &["ns", "dns"]).map(|name| RData::NS(NS(name)));
        Found::Data(match self.record_type {
            RecordType::SOA => vec![soa(self.zone, domain).data],
            RecordType::NS => ns().into_iter().collect(),
            RecordType::ANY => self.any(),
            _ => Vec::new(),
        })
    }

    /// RFC 8482, 4.2: who asks for everything is told that this is not given.
    fn any(&self) -> Vec<RData> {
        vec![RData::HINFO(HINFO::new("RFC8482".into(), String::new()))]
    }

    fn text(&self, text: &str) -> Found {
        Found::Data(match self.record_type {
            RecordType::TXT => vec![RData::TXT(TXT::new(vec![text.into()]))],
            RecordType::ANY => self.any(),
            _ => Vec::new(),
        })
    }

    fn addresses(&self, addresses: impl IntoIterator<Item = IpAddr>) -> Found {
        Found::Data(match self.record_type {
            RecordType::ANY => self.any(),
            RecordType::A | RecordType::AAAA => {
                let all = addresses.into_iter().map(data);
                let mut of_type: Vec<RData> =
                    all.filter(|data| data.record_type() == self.record_type).collect();
                let first = self.turn % of_type.len().max(1);
                of_type.rotate_left(first);
                of_type
            }
            _ => Vec::new(),
        })
    }

    fn pod(&self, label: &str) -> Found {
        match label::dashed_address(label) {
            Some(address) if self.zone.cluster().has_pod(address) => self.addresses([address]),
            _ => Found::Nothing,
        }
    }

    fn service(&self, records: &Records) -> Found {
        match records {
            Records::Addresses { addresses, .. } => self.addresses(addresses.iter()),
            Records::Name(name) => Found::Alias(Name::clone(name)),
            // Nobody is ready: the specification, 2.4.1, wants it to be as if it were not there.
            Records::Endpoints(groups) if groups.is_empty() => Found::Nothing,
            Records::Endpoints(groups) => {
                let hosts = groups.iter().flat_map(|group| &group.hosts);
                self.addresses(unique(hosts.map(|host| host.address)))
            }
        }
    }

    fn host(&self, records: &Records, label: &str) -> Found {
        let Records::Endpoints(groups) = records else { return Found::Nothing };
        let hosts = groups.iter().flat_map(|group| &group.hosts);
        let addresses = unique(hosts.filter(|host| host.is_called(label)).map(|host| host.address));
        if addresses.is_empty() { Found::Nothing } else { self.addresses(addresses) }
    }

    fn srv(&self, records: &Records, place: [&str; 2], protocol: &str, name: &str) -> Found {
        let is_asked = |port: &&Port| {
            is_of(port, protocol) && name.strip_prefix('_').is_some_and(|n| n == &*port.name)
        };
        let domain = &self.zone.cluster().domain;
        let [namespace, service] = place;
        let mut targets: Vec<(u16, Name, Vec<IpAddr>)> = Vec::new();
        match records {
            Records::Addresses { addresses, ports } => {
                let target = own_name(domain, &[service, namespace, "svc"]);
                let found = ports.iter().find(is_asked).zip(target);
                let addresses = addresses.iter().collect();
                targets.extend(found.map(|(port, name)| (port.number, name, addresses)));
            }
            Records::Endpoints(groups) => {
                for Group { ports, hosts } in groups {
                    let Some(port) = ports.iter().find(is_asked) else { continue };
                    targets.extend(hosts.iter().filter_map(|host| {
                        let labels = [&*host.label(), service, namespace, "svc"];
                        Some((port.number, own_name(domain, &labels)?, vec![host.address]))
                    }));
                }
            }
            Records::Name(_) => {}
        }
        if targets.is_empty() {
            return Found::Nothing;
        }
        match self.record_type {
            RecordType::SRV => {}
            RecordType::ANY => return Found::Data(self.any()),
            _ => return Found::Data(Vec::new()),
        }
        // Equal weights: 0 would be "almost never" beside others (RFC 2782).
        let srv =
            |(port, name, _): &(u16, Name, _)| RData::SRV(SRV::new(0, 1, *port, name.clone()));
        let mut answers: Vec<RData> = targets.iter().map(srv).collect();
        let additionals = targets.iter().flat_map(|(_, name, addresses)| {
            addresses.iter().map(|address| record(name, data(*address)))
        });
        let additionals = additionals.collect();
        // Two hosts of one name and port, as a pod with both families is, are one target.
        answers = unique(answers.into_iter());
        Found::Srv(answers, additionals)
    }
}

fn data(address: IpAddr) -> RData {
    match address {
        IpAddr::V4(address) => RData::A(A(address)),
        IpAddr::V6(address) => RData::AAAA(AAAA(address)),
    }
}

fn ports(records: &Records) -> impl Iterator<Item = &Port> {
    let (own, groups): (&[Port], &[Group]) = match records {
        Records::Addresses { ports, .. } => (ports, &[]),
        Records::Endpoints(groups) => (&[], groups),
        Records::Name(_) => (&[], &[]),
    };
    own.iter().chain(groups.iter().flat_map(|group| &group.ports))
}

/// True when `label` is its protocol, such as `_tcp`.
fn is_of(port: &Port, label: &str) -> bool {
    label
        == match port.protocol {
            Protocol::Tcp => "_tcp",
            Protocol::Udp => "_udp",
            Protocol::Sctp => "_sctp",
        }
}

/// Each once, in order.
fn unique<T: Clone + Eq + std::hash::Hash>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = std::collections::HashSet::new();
    items.filter(|item| seen.insert(item.clone())).collect()
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
