//! `sheave explain`: which backend a connection would get, and why.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;

use crate::ask::Asking;
use crate::table::{list, text};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Who would connect: a pod of this node by namespace/name or address, `host`, `outside`, or
    /// `outside:ADDRESS`.
    client: String,
    /// To where: an address and a port, or a Service and a port of it, as in default/web:80.
    #[arg(value_name = "ADDRESS:PORT")]
    to: String,
    /// tcp, udp or sctp.
    #[arg(short, long, default_value = "tcp")]
    protocol: String,
    #[command(flatten)]
    asking: Asking,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let words = [
        ("client", Some(arguments.client.as_str())),
        ("to", Some(arguments.to.as_str())),
        ("protocol", Some(arguments.protocol.as_str())),
    ];
    arguments.asking.print("/explain", &words, shown)?;
    Ok(ExitCode::SUCCESS)
}

fn shown(answer: &Value) -> String {
    let mut said = format!(
        "{} -> {}/{}\n\n",
        text(answer, "client"),
        text(answer, "to"),
        text(answer, "protocol")
    );
    for (number, step) in list(answer, "steps").iter().enumerate() {
        said += &format!("  {}. At {}: {}.\n", number + 1, text(step, "hook"), text(step, "finds"));
    }
    said += &format!("\n{}\n", text(answer, "verdict"));
    for backend in list(answer, "candidates") {
        let place = if backend["here"] == true { "on this node" } else { "on another node" };
        let name = backend["pod"].as_str().map(|pod| format!(", pod {pod}")).unwrap_or_default();
        let remark = backend["remark"].as_str().filter(|remark| !remark.is_empty());
        let remark = remark.map(|remark| format!(": {remark}")).unwrap_or_default();
        said += &format!("  {}, {place}{name}{remark}\n", text(backend, "address"));
    }
    if !list(answer, "leftOut").is_empty() {
        said += "\nLeft out:\n";
    }
    for endpoint in list(answer, "leftOut") {
        let name = endpoint["pod"].as_str().map(|pod| format!(", pod {pod}")).unwrap_or_default();
        said += &format!("  {}{name}: {}\n", text(endpoint, "address"), text(endpoint, "reason"));
    }
    if let Some(advice) = answer["advice"].as_str().filter(|advice| !advice.is_empty()) {
        said += &format!("\nWhat to do: {advice}\n");
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_explanation_reads_from_top_to_bottom() {
        let answer = json!({
            "client": "shop/a", "to": "10.96.0.1:80", "protocol": "TCP",
            "steps": [{ "hook": "the socket's connect (cgroup hook)", "finds": "nobody answers" }],
            "verdict": "It is refused at once (connection refused).",
            "candidates": [],
            "leftOut": [{ "address": "10.244.0.3:8080", "pod": "shop/b", "reason": "not ready" }],
            "advice": "Make it ready."
        });
        assert_eq!(
            shown(&answer),
            "shop/a -> 10.96.0.1:80/TCP\n\n  1. At the socket's connect (cgroup hook): nobody \
             answers.\n\nIt is refused at once (connection refused).\n\nLeft out:\n  \
             10.244.0.3:8080, pod shop/b: not ready\n\nWhat to do: Make it ready.\n"
        );
    }
}
