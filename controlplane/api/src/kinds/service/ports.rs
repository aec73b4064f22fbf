//! Ports of a Service and their node ports.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{may_have_node_ports, needs_node_ports};
use crate::field::Path;
use crate::kinds::rules::{
    list_mut, optional_legal, port_number, port_number_or_name, required_one_of, text,
};
use crate::{FieldErrors, meta, name};

/// The node ports a Service asks for or has, with their protocol; a port number of several protocols may be
/// one node port.
pub fn node_ports(service: &Value) -> impl Iterator<Item = (&str, u16)> {
    meta::list(&service["spec"]["ports"]).iter().filter_map(|port| {
        let number = u16::try_from(port["nodePort"].as_i64()?).ok().filter(|n| *n != 0)?;
        Some((text(&port["protocol"]), number))
    })
}

/// Node ports of the same ports, when the client left them out and the Service goes on to need them.
pub(super) fn keep_node_ports(spec: &mut Value, before: &Value) {
    if !needs_node_ports(spec) || !may_have_node_ports(before) {
        return;
    }
    let mut taken: BTreeSet<(String, i64)> = BTreeSet::new();
    for port in meta::list(&spec["ports"]) {
        if let Some(number) = port["nodePort"].as_i64().filter(|number| *number != 0) {
            taken.insert((text(&port["protocol"]).to_owned(), number));
        }
    }
    for port in list_mut(spec.get_mut("ports")) {
        if port["nodePort"].as_i64().unwrap_or(0) != 0 {
            continue;
        }
        let same = |old: &&Value| {
            old["port"] == port["port"] && text(&old["protocol"]) == text(&port["protocol"])
        };
        let old = meta::list(&before["ports"]).iter().find(same);
        let Some(number) = old.and_then(|old| old["nodePort"].as_i64()).filter(|n| *n != 0) else {
            continue;
        };
        if taken.insert((text(&port["protocol"]).to_owned(), number)) {
            port["nodePort"] = Value::from(number);
        }
    }
}

pub(super) fn validate(spec: &Value, path: &Path, errors: &mut FieldErrors) {
    let ports = meta::list(&spec["ports"]);
    let path = path.child("ports");
    let is_headless = spec["clusterIP"] == "None";
    if ports.is_empty() && !is_headless && spec["type"] != "ExternalName" {
        errors.required(&path, "");
    }
    let (mut names, mut numbers, mut node_ports) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (index, port) in ports.iter().enumerate() {
        let path = path.index(index);
        validate_port(port, ports.len() > 1, &path, errors);
        let (name, protocol) = (text(&port["name"]), text(&port["protocol"]));
        if !name.is_empty() && !names.insert(name) {
            errors.duplicate(&path.child("name"), name);
        }
        if !numbers.insert((protocol, port["port"].as_i64())) {
            let twin = json!({ "protocol": protocol, "port": port["port"] });
            errors.duplicate(&path, twin);
        }
        let Some(node_port) = port["nodePort"].as_i64().filter(|number| *number != 0) else {
            continue;
        };
        let path = path.child("nodePort");
        if !may_have_node_ports(spec) {
            let why = "may not be used when `type` is 'ClusterIP'";
            errors.forbidden(&path, why);
        } else if !node_ports.insert((protocol, node_port)) {
            errors.duplicate(&path, node_port);
        }
    }
}

fn validate_port(port: &Value, must_have_name: bool, path: &Path, errors: &mut FieldErrors) {
    if text(&port["name"]).is_empty() && must_have_name {
        errors.required(&path.child("name"), "");
    }
    optional_legal(name::dns1123_label, &port["name"], &path.child("name"), errors);
    port_number(&port["port"], &path.child("port"), errors);
    let protocols = ["SCTP", "TCP", "UDP"];
    required_one_of(&port["protocol"], &protocols, &path.child("protocol"), errors);
    port_number_or_name(&port["targetPort"], &path.child("targetPort"), errors);
    optional_legal(name::qualified, &port["appProtocol"], &path.child("appProtocol"), errors);
}
