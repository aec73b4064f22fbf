//! `/dns/lookup`: what a pod would be told of a name, name by name of its search list, and why there is
//! nothing where there is nothing.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;
use sheave_dns::answer::Reply;
use sheave_dns::counts::CodeLabel;
use sheave_dns::zone::Name;
use sheave_dns::{Found, RecordType, ask_server, search};
use sheave_kubelet::Resolver;
use tokio::runtime::Handle;

use super::{Agent, Answers, Query, Unanswered};

const DNS_PORT: u16 = 53;
/// In place of a code or a name.
const NOBODY: &str = "-";
/// Whoever asks for addresses asks for both kinds.
const ADDRESS_TYPES: [RecordType; 2] = [RecordType::A, RecordType::AAAA];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    /// `namespace/name` of a pod, or `host`.
    from: String,
    /// Of its resolv.conf.
    servers: Vec<String>,
    searches: Vec<String>,
    options: Vec<String>,
    /// In the order in which they are asked for; after one with records no more are.
    asked: Vec<Asked>,
    verdict: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    name: String,
    #[serde(rename = "type")]
    record_type: String,
    /// `NOERROR`, `NXDOMAIN`, ...
    code: String,
    /// Who knows it.
    by: String,
    records: Vec<RecordLine>,
    /// Why there are no records, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

#[derive(Serialize)]
struct RecordLine {
    name: String,
    #[serde(rename = "type")]
    record_type: String,
    #[serde(rename = "ttlSeconds")]
    ttl_s: u32,
    data: String,
}

pub(super) fn answer(answers: &Answers, query: &Query) -> Result<Answer, Unanswered> {
    let agent = answers.agent.as_ref().ok_or(Unanswered::AgentAway)?;
    let name = query.get("name").ok_or_else(|| invalid("which name? such as web.default"))?;
    let types = match query.get("type") {
        None => ADDRESS_TYPES.to_vec(),
        Some(text) => vec![record_type(text)?],
    };
    let from = query.get("from").map_or("host", String::as_str);
    let resolver = resolver(agent, from)?;
    let ndots = search::ndots(&resolver.options);
    let candidates = search::candidates(name, &resolver.searches, ndots)
        .map_err(|error| invalid(&format!("{name:?} cannot be a name: {error}")))?;
    let mut asked = Vec::new();
    for candidate in &candidates {
        let before = asked.len();
        for record_type in &types {
            asked.push(ask(agent, &resolver, candidate, *record_type));
        }
        if asked[before..].iter().any(|one| !one.records.is_empty()) {
            break;
        }
    }
    let verdict = verdict(name, &asked);
    let Resolver { servers, searches, options } = resolver;
    Ok(Answer { from: from.into(), servers, searches, options, asked, verdict })
}

fn invalid(text: &str) -> Unanswered {
    Unanswered::Invalid(text.into())
}

fn record_type(text: &str) -> Result<RecordType, Unanswered> {
    text.to_ascii_uppercase().parse().map_err(|_| {
        invalid(&format!("{text:?} is no type of records: A, AAAA, SRV, PTR, CNAME, TXT, ..."))
    })
}

/// Of a pod of this node by `namespace/name`, or of the machine itself.
fn resolver(agent: &Agent, from: &str) -> Result<Resolver, Unanswered> {
    let kubelet = agent.kubelet.as_ref();
    let kubelet = kubelet.ok_or_else(|| invalid("an agent with --manifests answers no names"))?;
    if from == "host" {
        return Ok(kubelet.node_resolver());
    }
    let (namespace, name) = from.split_once('/').unwrap_or(("default", from));
    let asked = Handle::current().block_on(kubelet.resolver_of(namespace, name));
    asked.ok_or_else(|| {
        invalid(&format!(
            "there is no pod {namespace}/{name} on this node: ask on the node where it is"
        ))
    })
}

/// One question to the first server of resolv.conf, as a resolver puts it.
fn ask(agent: &Agent, resolver: &Resolver, name: &Name, record_type: RecordType) -> Asked {
    let line = |code: &str, by: String| Asked {
        name: name.to_string(),
        record_type: record_type.to_string(),
        code: code.into(),
        by,
        records: Vec::new(),
        why: None,
    };
    let first = resolver.servers.iter().find_map(|server| server.parse::<IpAddr>().ok());
    let Some(first) = first else {
        let why = Some("resolv.conf names no server".into());
        return Asked { why, ..line(NOBODY, NOBODY.into()) };
    };
    let server = agent.names.get().filter(|server| server.dns_addresses().contains(&first));
    let Some(server) = server else {
        let address = SocketAddr::new(first, DNS_PORT);
        return match Handle::current().block_on(ask_server(address, name, record_type)) {
            Ok(reply) => filled(line(code(&reply), first.to_string()), &reply),
            Err(error) => Asked { why: Some(error), ..line(NOBODY, first.to_string()) },
        };
    };
    let Found { reply, is_from_upstream, why } =
        Handle::current().block_on(server.lookup(name, record_type));
    let by = if is_from_upstream { "upstream" } else { "this node" };
    let why = why.map(|why| why.to_string());
    Asked { why, ..filled(line(code(&reply), by.into()), &reply) }
}

fn code(reply: &Reply) -> &'static str {
    CodeLabel::from(reply.code).text()
}

fn filled(asked: Asked, reply: &Reply) -> Asked {
    let records = reply.answers.iter().map(|record| RecordLine {
        name: record.name.to_string(),
        record_type: record.record_type().to_string(),
        ttl_s: record.ttl,
        data: record.data.to_string(),
    });
    Asked { records: records.collect(), ..asked }
}

/// The end of it, in a sentence.
fn verdict(name: &str, asked: &[Asked]) -> String {
    let last = asked.iter().rfind(|asked| !asked.records.is_empty());
    if let Some(last) = last {
        return format!("{name} is found as {}", last.name);
    }
    let failed = asked.iter().any(|asked| !["NOERROR", "NXDOMAIN"].contains(&&*asked.code));
    let mut whys: Vec<&str> = asked.iter().filter_map(|asked| asked.why.as_deref()).collect();
    // One for each type that was asked for.
    whys.dedup();
    let why = if whys.is_empty() { String::new() } else { format!(": {}", whys.join(", ")) };
    match failed {
        true => format!("{name} cannot be looked up{why}"),
        false => format!("{name} is not found{why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str, code: &str, records: usize, why: Option<&str>) -> Asked {
        let record = || RecordLine {
            name: name.into(),
            record_type: "A".into(),
            ttl_s: 5,
            data: "10.96.0.7".into(),
        };
        Asked {
            name: name.into(),
            record_type: "A".into(),
            code: code.into(),
            by: "this node".into(),
            records: (0..records).map(|_| record()).collect(),
            why: why.map(Into::into),
        }
    }

    #[test]
    fn the_verdict_says_where_it_was_found_or_why_it_was_not() {
        let missing = asked("web.shop.", "NXDOMAIN", 0, Some("there is no Service shop/web"));
        let found = asked("web.", "NOERROR", 1, None);
        assert_eq!(verdict("web", &[missing, found]), "web is found as web.");
        let missing = asked("web.shop.", "NXDOMAIN", 0, Some("there is no Service shop/web"));
        assert_eq!(verdict("web", &[missing]), "web is not found: there is no Service shop/web");
        let twice = ["no Service shop/web", "no Service shop/web", "no Service web/shop"]
            .map(|why| asked("web.shop.", "NXDOMAIN", 0, Some(why)));
        let both = "web is not found: no Service shop/web, no Service web/shop";
        assert_eq!(verdict("web", &twice), both);
        let failed = asked("web.shop.", "SERVFAIL", 0, None);
        assert_eq!(verdict("web", &[failed]), "web cannot be looked up");
    }

    #[test]
    fn types_are_read_in_either_case() {
        assert_eq!(record_type("aaaa").unwrap(), RecordType::AAAA);
        assert!(record_type("address").unwrap_err().to_string().contains("\"address\" is no type"));
    }
}
