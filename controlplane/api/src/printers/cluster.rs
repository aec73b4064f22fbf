//! Columns of Nodes, Namespaces and Leases.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{AGE, Column, NAME, Printer, age, column, meta, or_none, text, wide};

/// A label `node-role.kubernetes.io/worker` makes a node show the role `worker`.
const ROLE_PREFIX: &str = "node-role.kubernetes.io/";
/// The older form, with the role as value.
const ROLE_LABEL: &str = "kubernetes.io/role";

/// Columns of Nodes.
pub struct Node;

impl Printer for Node {
    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            NAME,
            column("Status", "The status of the node"),
            column("Roles", "The roles of the node"),
            AGE,
            column("Version", "Version of the node agent."),
            wide("Internal-IP", "The node's address inside the cluster."),
            wide("External-IP", "The node's address outside the cluster."),
            wide("OS-Image", "Operating system of the node."),
            wide("Kernel-Version", "Kernel of the node."),
            wide("Container-Runtime", "Container runtime of the node."),
        ];
        COLUMNS
    }

    fn cells(&self, node: &Value, now: Timestamp) -> Vec<Value> {
        let info = &node["status"]["nodeInfo"];
        let address = |sort: &str| {
            let addresses = meta::list(&node["status"]["addresses"]);
            let found = addresses.iter().find(|address| address["type"] == sort);
            or_none(found.map_or("", |address| text(&address["address"])).to_owned())
        };
        let or_unknown = |field: &str| match text(&info[field]) {
            "" => "<unknown>".to_owned(),
            value => value.to_owned(),
        };
        vec![
            json!(meta::name(node)),
            json!(status(node)),
            json!(roles(node)),
            json!(age(node, now)),
            json!(text(&info["kubeletVersion"])),
            json!(address("InternalIP")),
            json!(address("ExternalIP")),
            json!(or_unknown("osImage")),
            json!(or_unknown("kernelVersion")),
            json!(or_unknown("containerRuntimeVersion")),
        ]
    }
}

/// `Ready`, `NotReady`, `Unknown`, with `,SchedulingDisabled` when cordoned.
fn status(node: &Value) -> String {
    let conditions = meta::list(&node["status"]["conditions"]);
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
    let mut status = match ready {
        Some(condition) if condition["status"] == "True" => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if node["spec"]["unschedulable"] == true {
        status.push_str(",SchedulingDisabled");
    }
    status
}

fn roles(node: &Value) -> String {
    let labels = meta::labels(node).into_iter().flatten();
    let role = |(key, value): (&String, &Value)| match key.strip_prefix(ROLE_PREFIX) {
        Some(role) if !role.is_empty() => Some(role.to_owned()),
        _ if key == ROLE_LABEL && !text(value).is_empty() => Some(text(value).to_owned()),
        _ => None,
    };
    let mut roles: Vec<_> = labels.filter_map(role).collect();
    roles.sort_unstable();
    roles.dedup();
    or_none(roles.join(","))
}

/// Columns of Namespaces.
pub struct Namespace;

impl Printer for Namespace {
    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[NAME, column("Status", "The status of the namespace"), AGE];
        COLUMNS
    }

    fn cells(&self, namespace: &Value, now: Timestamp) -> Vec<Value> {
        let phase = text(&namespace["status"]["phase"]);
        vec![json!(meta::name(namespace)), json!(phase), json!(age(namespace, now))]
    }
}

/// Columns of Leases.
pub struct Lease;

impl Printer for Lease {
    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[NAME, column("Holder", "Who holds the lease."), AGE];
        COLUMNS
    }

    fn cells(&self, lease: &Value, now: Timestamp) -> Vec<Value> {
        let holder = text(&lease["spec"]["holderIdentity"]);
        vec![json!(meta::name(lease)), json!(holder), json!(age(lease, now))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_show_state_and_roles() {
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        let mut node = json!({
            "metadata": { "name": "n", "labels": {
                "node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/control-plane": "",
            }},
            "status": {
                "conditions": [{ "type": "Ready", "status": "True" }],
                "addresses": [{ "type": "InternalIP", "address": "192.0.2.7" }],
                "nodeInfo": { "kubeletVersion": "v1.36.0", "osImage": "Debian" },
            },
        });
        assert_eq!(
            json!(Node.cells(&node, now)),
            json!([
                "n",
                "Ready",
                "control-plane,worker",
                "<unknown>",
                "v1.36.0",
                "192.0.2.7",
                "<none>",
                "Debian",
                "<unknown>",
                "<unknown>"
            ])
        );
        node["spec"]["unschedulable"] = json!(true);
        node["status"]["conditions"][0]["status"] = json!("Unknown");
        assert_eq!(Node.cells(&node, now)[1], "NotReady,SchedulingDisabled");
        assert_eq!(Node.cells(&json!({}), now)[1], "Unknown");
    }
}
