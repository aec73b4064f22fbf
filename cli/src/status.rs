//! `sheave status`: is the cluster well, in one screen.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::Value;

use crate::agent_socket::{self, Got};
use crate::announcing;
use crate::api::Api;
use crate::directories::Directories;
use crate::kubeconfig;
use crate::progress::Progress;
use crate::table::list;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    directories: Directories,
    /// Another kubeconfig than the administrator's on this machine.
    #[arg(long, env = "KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

/// Exits with 1 when a node is not Ready, or this machine is a node alone and has no control plane.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let path = arguments.kubeconfig.clone();
    let path = path.unwrap_or_else(|| arguments.directories.admin_kubeconfig());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let of_agent = runtime.block_on(of_agent(&arguments.directories.agent_socket()));
    let of_node = of_agent.as_ref().map(of_node).unwrap_or_default();
    if let Some(status) = of_agent.filter(|_| kubeconfig::is_node_alone(&path)) {
        print!("{of_node}");
        println!("This machine is a node alone: its control plane's machine tells of the cluster.");
        let is_well = status["server"]["connected"] != false;
        return Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    // What the node says needs no API server, and when there is none one wants to know.
    let access = kubeconfig::read(&path).inspect_err(|_| print!("{of_node}"))?;
    let api = Api::new(&access)?;
    let asked = runtime.block_on(async {
        Ok::<_, anyhow::Error>((
            api.get("/version").await?,
            api.get("/api/v1/nodes").await?,
            api.get("/api/v1/pods").await?,
            // A server of an older version does not tell.
            api.get("/sheave/v1/progress").await.unwrap_or_default(),
        ))
    });
    let (version, nodes, pods, progress) = asked.inspect_err(|_| print!("{of_node}"))?;
    println!("API server {} is ready", version["gitVersion"].as_str().unwrap_or("?"));
    let rows = node_rows(&nodes, &pods);
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["NODE", "READY", "ADDRESS", "PODS RUNNING", "PODS NOT RUNNING", "SERVICES"]);
    let progress = Progress::of(&progress);
    for row in &rows {
        table.add_row([
            row.name.clone(),
            row.ready.clone(),
            row.address.clone(),
            row.running.to_string(),
            row.not_running.to_string(),
            progress.node(&row.name),
        ]);
    }
    println!("{table}");
    print!("{of_node}");
    let well = !rows.is_empty() && rows.iter().all(|row| row.ready == "True");
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Nothing where there is no agent to ask, or somebody else asks than root.
async fn of_agent(socket: &Path) -> Option<Value> {
    match agent_socket::get(socket, "/status").await {
        Ok(Got::Answer(status)) => Some(status),
        Ok(Got::Away(_)) | Err(_) => None,
    }
}

fn of_node(status: &Value) -> String {
    server(status)
        + &reached(status)
        + &served(status)
        + &pod_network(status)
        + &announcing::render(status)
}

/// How the node stands with its control plane; nothing while it is connected.
fn server(status: &Value) -> String {
    let server = &status["server"];
    let why = server["why"].as_str().unwrap_or("?");
    match (server["connected"] == false, server["refused"] == true) {
        (false, _) => String::new(),
        (true, false) => format!("This node has no connection to its control plane: {why}.\n"),
        (true, true) => format!(
            "The control plane does not take this machine for a node: {why}.\n\
             What runs here goes on as it was, until `sheave down` or until it is a node again.\n"
        ),
    }
}

/// Where clients outside reach Services by the node's flags.
fn reached(status: &Value) -> String {
    let addresses = list(status, "nodePortAddresses").iter().filter_map(Value::as_str);
    let said = match addresses.collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => "This node serves NodePorts to itself alone".to_owned(),
        addresses => format!("This node serves NodePorts on {addresses}"),
    };
    match status["externalClusterIPs"] == true {
        true => said + ", and cluster IPs to clients outside\n",
        false => said + "\n",
    }
}

/// By which way clients outside are served at each uplink of this node.
fn served(status: &Value) -> String {
    let line = |uplink: &Value| {
        let name = uplink["uplink"].as_str().unwrap_or("?");
        match uplink["why"].as_str() {
            None => format!("Uplink {name}: XDP in the driver, and tc.\n"),
            Some(why) => format!("Uplink {name}: tc; {why}.\n"),
        }
    };
    status["served"].as_array().into_iter().flatten().map(line).collect()
}

/// How this node reaches the pods of others; nothing where there is no other.
fn pod_network(status: &Value) -> String {
    let of = |node: &Value| {
        let name = node["node"].as_str().unwrap_or("?").to_owned();
        let ranges = list(node, "ranges").iter();
        let line = |range: &Value| {
            let text = |field: &str| range[field].as_str().unwrap_or("?").to_owned();
            let (to, why) = (text("range"), range["why"].as_str());
            match (range["by"].as_str(), why) {
                (Some("native"), _) => {
                    format!(
                        "Pods of {name} in {to}: by {} to {}.\n",
                        text("interface"),
                        text("via")
                    )
                }
                (Some(_), _) => {
                    format!("Pods of {name} in {to}: through the tunnel to {}.\n", text("via"))
                }
                (None, why) => format!("Pods of {name} in {to}: {}.\n", why.unwrap_or("?")),
            }
        };
        ranges.map(line).collect::<String>()
    };
    let ranges: String = list(&status["podNetwork"], "nodes").iter().map(of).collect();
    if ranges.is_empty() {
        return ranges;
    }
    ranges
        + match status["podNetwork"]["clientAddress"].as_str() {
            Some("keep") => "Clients outside are seen by pods of other nodes as they are.\n",
            Some(_) => "Clients outside are seen by pods of other nodes as this node.\n",
            None => "",
        }
}

#[derive(Debug, PartialEq, Eq)]
struct Row {
    name: String,
    ready: String,
    address: String,
    running: usize,
    not_running: usize,
}

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn node_rows(nodes: &Value, pods: &Value) -> Vec<Row> {
    let rows = items(nodes).iter().map(|node| {
        let name = node["metadata"]["name"].as_str().unwrap_or_default();
        let status = &node["status"];
        let find = |list: &str, kind: &str, field: &str| {
            let entries = status[list].as_array().into_iter().flatten();
            let mut found = entries.into_iter().filter(|entry| entry["type"] == kind);
            found.next().and_then(|entry| entry[field].as_str()).unwrap_or("?").to_owned()
        };
        let here = || items(pods).iter().filter(|pod| pod["spec"]["nodeName"] == name);
        let running = here().filter(|pod| pod["status"]["phase"] == "Running").count();
        Row {
            name: name.to_owned(),
            ready: find("conditions", "Ready", "status"),
            address: find("addresses", "InternalIP", "address"),
            running,
            not_running: here().count() - running,
        }
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_without_its_control_plane_says_so_and_whether_it_was_refused() {
        let said = |stands: Value| server(&json!({ "server": stands }));
        assert_eq!(said(json!({ "connected": true, "version": "v" })), "");
        assert_eq!(said(Value::Null), "", "its state comes from a file");
        let away = said(json!({ "connected": false, "why": "cannot reach the server" }));
        let expected =
            "This node has no connection to its control plane: cannot reach the server.\n";
        assert_eq!(away, expected);
        let refused = said(json!({ "connected": false, "refused": true, "why": "removed" }));
        assert!(
            refused
                .starts_with("The control plane does not take this machine for a node: removed.\n")
        );
        assert!(refused.contains("`sheave down`"), "{refused}");
    }

    #[test]
    fn where_services_are_reached_is_said_in_one_line() {
        let status = |addresses: &[&str], open: bool| json!({ "nodePortAddresses": addresses, "externalClusterIPs": open });
        let expected = "This node serves NodePorts on 192.0.2.1, 2001:db8::1\n";
        assert_eq!(reached(&status(&["192.0.2.1", "2001:db8::1"], false)), expected);
        let expected =
            "This node serves NodePorts to itself alone, and cluster IPs to clients outside\n";
        assert_eq!(reached(&status(&[], true)), expected);
    }

    #[test]
    fn uplinks_are_told_with_what_serves_them() {
        let status = json!({ "served": [
            { "uplink": "eth0", "by": "XDP" },
            { "uplink": "eth1", "by": "tc", "why": "the driver e1000 has no native XDP" }] });
        let expected = "Uplink eth0: XDP in the driver, and tc.\n\
                        Uplink eth1: tc; the driver e1000 has no native XDP.\n";
        assert_eq!(served(&status), expected);
        assert_eq!(served(&json!({})), "");
    }

    #[test]
    fn each_range_of_another_node_is_told_with_its_way() {
        let status = json!({ "podNetwork": { "mode": "auto", "nodes": [{ "node": "b", "ranges": [
            { "range": "10.244.1.0/24", "by": "native", "via": "192.0.2.2", "interface": "eth0" },
            { "range": "fd00:1::/64", "by": "vxlan", "via": "192.0.2.2", "interface": "sheave-vxlan" },
            { "range": "10.1.0.0/16", "by": null, "why": "it overlaps" }] }], "clientAddress": "keep" } });
        let expected = "Pods of b in 10.244.1.0/24: by eth0 to 192.0.2.2.\n\
                        Pods of b in fd00:1::/64: through the tunnel to 192.0.2.2.\n\
                        Pods of b in 10.1.0.0/16: it overlaps.\n\
                        Clients outside are seen by pods of other nodes as they are.\n";
        assert_eq!(pod_network(&status), expected);
        assert_eq!(pod_network(&json!({})), "");
    }

    #[test]
    fn pods_are_counted_on_their_node() {
        let nodes = json!({ "items": [{ "metadata": { "name": "a" }, "status": {
            "conditions": [{ "type": "Ready", "status": "True" }],
            "addresses": [{ "type": "InternalIP", "address": "10.0.0.1" }] } }] });
        let pod = |node: &str, phase: &str| json!({ "spec": { "nodeName": node }, "status": { "phase": phase } });
        let pods =
            json!({ "items": [pod("a", "Running"), pod("a", "Pending"), pod("b", "Running")] });
        let expected = Row {
            name: "a".into(),
            ready: "True".into(),
            address: "10.0.0.1".into(),
            running: 1,
            not_running: 1,
        };
        assert_eq!(node_rows(&nodes, &pods), [expected]);
    }
}
