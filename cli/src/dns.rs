//! `sheave dns lookup`: what a pod is told of a name, and why.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;

use crate::ask::Asking;
use crate::table::{list, table, text};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Look a name up as a pod of this node does, name by name of its search list.
    Lookup(Lookup),
}

#[derive(clap::Args)]
struct Lookup {
    /// Such as web, web.shop, or www.example.org; with a dot at its end as it is.
    name: String,
    /// Who asks: a pod of this node by namespace/name, or `host`.
    #[arg(short, long, value_name = "POD", default_value = "host")]
    from: String,
    /// A, AAAA, SRV, PTR, CNAME, TXT, ... [default: A and AAAA, as programs ask]
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    record_type: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Command::Lookup(lookup) = &arguments.command;
    let words = [
        ("name", Some(lookup.name.as_str())),
        ("from", Some(lookup.from.as_str())),
        ("type", lookup.record_type.as_deref()),
    ];
    lookup.asking.print("/dns/lookup", &words, shown)?;
    Ok(ExitCode::SUCCESS)
}

fn shown(answer: &Value) -> String {
    let words = |key: &str| {
        let words: Vec<&str> = list(answer, key).iter().filter_map(Value::as_str).collect();
        if words.is_empty() { "-".into() } else { words.join(" ") }
    };
    let header = ["NAME", "TYPE", "ANSWER", "TTL", "BY"];
    let rows = list(answer, "asked").iter().flat_map(rows);
    format!(
        "{} asks {}; search {}; options {}\n\n{}\n{}\n",
        text(answer, "from"),
        words("servers"),
        words("searches"),
        words("options"),
        table(&header, rows),
        text(answer, "verdict")
    )
}

/// Of one question: a row a record, or one that says why there is none.
fn rows(asked: &Value) -> Vec<Vec<String>> {
    let by = text(asked, "by");
    let records = list(asked, "records");
    if records.is_empty() {
        let code = match text(asked, "code") {
            code if code == "NOERROR" => "nothing of this type".into(),
            code => code,
        };
        let said = match asked["why"].as_str() {
            Some(why) => format!("{code}: {why}"),
            None => code,
        };
        return vec![vec![text(asked, "name"), text(asked, "type"), said, "-".into(), by]];
    }
    let row = |record: &Value| {
        let [name, record_type, data, ttl] =
            ["name", "type", "data", "ttlSeconds"].map(|key| text(record, key));
        vec![name, record_type, data, ttl, by.clone()]
    };
    records.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_lookup_reads_from_top_to_bottom() {
        let answer = json!({
            "from": "shop/box", "servers": ["10.96.0.10"],
            "searches": ["shop.svc.cluster.local"], "options": ["ndots:5"],
            "asked": [
                { "name": "web.shop.svc.cluster.local.", "type": "A", "code": "NXDOMAIN",
                  "by": "this node", "records": [], "why": "there is no Service shop/web" },
                { "name": "web.", "type": "A", "code": "NOERROR", "by": "upstream",
                  "records": [{ "name": "web.", "type": "A", "ttlSeconds": 60, "data": "192.0.2.7" }] },
                { "name": "web.", "type": "AAAA", "code": "NOERROR", "by": "upstream", "records": [] },
            ],
            "verdict": "web is found as web."
        });
        assert_eq!(
            shown(&answer),
            "shop/box asks 10.96.0.10; search shop.svc.cluster.local; options ndots:5\n\n\
             NAME                         TYPE  ANSWER                                  TTL  BY\n\
             web.shop.svc.cluster.local.  A     NXDOMAIN: there is no Service shop/web  -    this node\n\
             web.                         A     192.0.2.7                               60   upstream\n\
             web.                         AAAA  nothing of this type                    -    upstream\n\n\
             web is found as web.\n"
        );
    }
}
