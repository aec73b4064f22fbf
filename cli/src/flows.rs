//! `sheave flows -f`: what happens to flows on the packet path and at sockets, as it happens.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;

use crate::ask::{Asking, question};
use crate::table::text;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Go on until interrupted. There is nothing else to show: `sheave connections` shows what is open.
    #[arg(short, long, required = true)]
    follow: bool,
    /// Only those to one Service: its name, or namespace/name.
    #[arg(long)]
    service: Option<String>,
    /// Only those with this address as source or destination.
    #[arg(long)]
    address: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let filters =
        [("service", arguments.service.as_deref()), ("address", arguments.address.as_deref())];
    let is_json = arguments.asking.is_json();
    arguments.asking.follow(&question("/flows", &filters), |line| {
        if is_json {
            return line.to_owned();
        }
        match serde_json::from_str(line) {
            Ok(value) => shown(&value),
            Err(_) => line.to_owned(),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn shown(line: &Value) -> String {
    if let Some(lost) = line["lost"].as_u64() {
        return format!("({lost} were too many to show)");
    }
    let mut said = format!(
        "{}  {:<18} {:<4} {} -> {}",
        text(line, "time"),
        text(line, "event"),
        text(line, "protocol"),
        with_pod(line, "source", "sourcePod"),
        with_pod(line, "destination", "destinationPod"),
    );
    if let Some(service) = line["service"].as_str() {
        said += &format!(" ({service})");
    }
    if line["backend"].is_string() {
        said += &format!(" -> {}", with_pod(line, "backend", "backendPod"));
    }
    said + &match line["interface"].as_str() {
        Some(interface) => format!(" at {interface}"),
        None if line["event"] == "SocketTranslated" => " at its socket".into(),
        // An interface that has gone since.
        None => String::new(),
    }
}

fn with_pod(line: &Value, address: &str, pod: &str) -> String {
    match line[pod].as_str() {
        Some(pod) => format!("{} [{pod}]", text(line, address)),
        None => text(line, address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_names_both_ends_and_the_backend() {
        let line = json!({
            "time": "2026-01-01T00:00:00.000Z", "event": "FlowOpened", "protocol": "TCP",
            "source": "10.244.0.4:40000", "sourcePod": "shop/a", "destination": "10.96.0.1:80",
            "service": "shop/web", "backend": "10.244.0.2:8080", "interface": "pod4"
        });
        assert_eq!(
            shown(&line),
            "2026-01-01T00:00:00.000Z  FlowOpened         TCP  10.244.0.4:40000 [shop/a] -> \
             10.96.0.1:80 (shop/web) -> 10.244.0.2:8080 at pod4"
        );
        let line = json!({
            "time": "2026-01-01T00:00:00.000Z", "event": "SocketTranslated", "protocol": "TCP",
            "source": "10.244.0.4", "sourcePod": "shop/a", "destination": "10.96.0.1:80",
            "service": "shop/web", "backend": "10.244.0.2:8080", "interface": null
        });
        assert_eq!(
            shown(&line),
            "2026-01-01T00:00:00.000Z  SocketTranslated   TCP  10.244.0.4 [shop/a] -> \
             10.96.0.1:80 (shop/web) -> 10.244.0.2:8080 at its socket"
        );
        assert_eq!(shown(&json!({ "lost": 7 })), "(7 were too many to show)");
    }
}
