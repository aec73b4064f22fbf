//! `sheave connections`: connections to Services that are translated at this moment.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;

use crate::ask::Asking;
use crate::table::{list, table, text};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// From or to a pod of this node: its namespace/name, or its address.
    #[arg(long)]
    pod: Option<String>,
    /// To one Service: its name, or namespace/name.
    #[arg(long)]
    service: Option<String>,
    /// With this address at either end, or as what was dialled.
    #[arg(long)]
    address: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let filters = [
        ("pod", arguments.pod.as_deref()),
        ("service", arguments.service.as_deref()),
        ("address", arguments.address.as_deref()),
    ];
    arguments.asking.print("/connections", &filters, shown)?;
    Ok(ExitCode::SUCCESS)
}

fn shown(answer: &Value) -> String {
    let header = [
        "CLIENT",
        "FRONTEND",
        "PROTOCOL",
        "SERVICE",
        "BACKEND",
        "BACKEND IS",
        "TRANSLATED AT",
        "STATE",
        "AGE",
    ];
    let rows = list(answer, "connections").iter().map(|connection| {
        vec![
            client(connection),
            text(connection, "frontend"),
            text(connection, "protocol"),
            text(connection, "service"),
            with_pod(connection, "backend", "backendPod"),
            text(connection, "backendState"),
            text(connection, "path"),
            text(connection, "state"),
            connection["ageSeconds"].as_u64().map_or("-".into(), |age| format!("{age}s")),
        ]
    });
    table(&header, rows)
}

/// With what the backend sees in its place, where that is another.
fn client(connection: &Value) -> String {
    let client = with_pod(connection, "client", "clientPod");
    match connection["shownAs"].as_str() {
        Some(shown) => format!("{client} as {shown}"),
        None => client,
    }
}

fn with_pod(connection: &Value, address: &str, pod: &str) -> String {
    match connection[pod].as_str() {
        Some(pod) => format!("{} ({pod})", text(connection, address)),
        None => text(connection, address),
    }
}
