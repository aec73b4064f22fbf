//! `sheave backends`: who answers for Services on this node, and how many connections each has.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;

use crate::ask::Asking;
use crate::table::{list, table, text};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Of one Service: its name, or namespace/name.
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
    arguments.asking.print("/backends", &filters, shown)?;
    Ok(ExitCode::SUCCESS)
}

fn shown(answer: &Value) -> String {
    let header = [
        "SERVICE",
        "PORT",
        "ID",
        "ADDRESS",
        "STATE",
        "GENERATION",
        "POD",
        "HERE",
        "FLOWS",
        "SOCKETS",
    ];
    let rows = list(answer, "backends").iter().map(|backend| {
        vec![
            text(backend, "service"),
            text(backend, "portName"),
            text(backend, "id"),
            text(backend, "address"),
            text(backend, "state"),
            text(backend, "generation"),
            text(backend, "pod"),
            if backend["here"] == true { "yes" } else { "no" }.into(),
            text(backend, "flows"),
            text(backend, "sockets"),
        ]
    });
    table(&header, rows)
}
