//! `sheave services`: the Services of this node, from the kernel's maps and not from intentions.

use std::process::ExitCode;

use anyhow::Result;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::Value;

use crate::agent_socket;
use crate::directories::Directories;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    directories: Directories,
    /// Print the agent's answer as it is.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let socket = arguments.directories.agent_socket();
    let services = runtime.block_on(agent_socket::get(&socket, "/services"))?;
    if arguments.json {
        println!("{services:#}");
    } else {
        println!("{}", table(&services));
    }
    Ok(ExitCode::SUCCESS)
}

fn table(services: &Value) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["FRONTEND", "PROTOCOL", "SERVICE", "BACKENDS"]);
    for frontend in services["frontends"].as_array().into_iter().flatten() {
        let text = |field: &str| frontend[field].as_str().unwrap_or_default().to_owned();
        let backends = frontend["backends"].as_array().into_iter().flatten();
        let backends: Vec<&str> = backends.filter_map(Value::as_str).collect();
        let backends = if backends.is_empty() { "none".to_owned() } else { backends.join(", ") };
        table.add_row([text("address"), text("protocol"), text("service"), backends]);
    }
    table
}
