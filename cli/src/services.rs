//! `sheave services`: the Services of this node, from the kernel's maps and not from intentions.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;

use crate::ask::Asking;
use crate::progress::Progress;
use crate::table::{list, table, text};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// One Service: its name, or namespace/name.
    #[arg(value_name = "SERVICE")]
    service: Option<String>,
    /// Only those of one namespace.
    #[arg(short, long)]
    namespace: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let filters =
        [("service", arguments.service.as_deref()), ("namespace", arguments.namespace.as_deref())];
    let shown =
        |answer: &Value| shown(answer, &Progress::ask(&arguments.asking.admin_kubeconfig()));
    arguments.asking.print("/services", &filters, shown)?;
    Ok(ExitCode::SUCCESS)
}

fn shown(answer: &Value, progress: &Progress) -> String {
    let mut header = vec![
        "SERVICE",
        "PORT",
        "ADDRESS",
        "PROTOCOL",
        "AT",
        "BACKENDS",
        "FROM OUTSIDE",
        "POLICY",
        "AFFINITY",
    ];
    if progress.is_known() {
        header.push("LIVE ON ALL NODES SINCE");
    }
    let row = |frontend: &Value| {
        let live = progress.is_known().then(|| progress.service(&text(frontend, "service")));
        row(frontend).into_iter().chain(live).collect()
    };
    let mut said = table(&header, list(answer, "frontends").iter().map(row));
    for conflict in list(answer, "conflicts") {
        said += &format!(
            "\n{} {} is wanted by {} and {}; {} has it.",
            text(conflict, "address"),
            text(conflict, "protocol"),
            text(conflict, "kept"),
            text(conflict, "refused"),
            text(conflict, "kept"),
        );
    }
    if let Some(why) = answer["failing"].as_str() {
        said += &format!("\nThe newest changes are not in effect: {why}");
    }
    if let Some(at) = answer["inEffectAt"].as_str() {
        let second = at.split('.').next().unwrap_or(at).trim_end_matches('Z');
        said += &format!("\nWhat the source says has been in the kernel since {second}Z.");
    }
    said
}

fn row(frontend: &Value) -> Vec<String> {
    let draining = frontend["draining"].as_u64().unwrap_or(0);
    let mut backends = list(frontend, "backends").len().to_string();
    if draining != 0 {
        backends += &format!(" (+{draining} draining)");
    }
    vec![
        text(frontend, "service"),
        text(frontend, "portName"),
        text(frontend, "address"),
        text(frontend, "protocol"),
        text(frontend, "at"),
        backends,
        from_outside(frontend),
        policy(frontend),
        match frontend["affinitySeconds"].as_u64() {
            Some(0) | None => "-".into(),
            Some(seconds) => format!("{seconds}s"),
        },
    ]
}

fn from_outside(frontend: &Value) -> String {
    let Some(backends) = frontend["externalBackends"].as_array() else { return "-".into() };
    let mut said = backends.len().to_string();
    if frontend["selection"] == "maglev" {
        said += ", by hash";
    }
    if frontend["sourceRanges"] == true {
        said += ", source ranges";
    }
    said
}

/// The policies that are not the default.
fn policy(frontend: &Value) -> String {
    let local = |field: &str, name: &str| (frontend[field] == "Local").then(|| name.to_owned());
    let fields = [
        local("internalTrafficPolicy", "internal Local"),
        local("externalTrafficPolicy", "external Local"),
    ];
    let said: Vec<String> = fields.into_iter().flatten().collect();
    if said.is_empty() { "-".into() } else { said.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_control_plane_knows_is_a_column_where_it_can_be_asked() {
        let answer = json!({ "frontends": [{ "service": "a/web", "port": 80, "backends": [] }] });
        assert!(!shown(&answer, &Progress::default()).contains("LIVE"));
        let progress = Progress::of(&json!({
            "services": [{ "namespace": "a", "name": "web", "behind": ["n2"] }],
            "nodes": [{ "name": "n2", "connected": true }],
        }));
        let table = shown(&answer, &progress);
        assert!(table.contains("LIVE ON ALL NODES SINCE"), "{table}");
        assert!(table.contains("not on n2"), "{table}");
    }
}
