//! Services: defaults, rules, and pure helpers for whoever allocates cluster IPs and node ports.
//!
//! Allocation itself is the registry's: it needs to know what is taken. An unallocated Service passes the
//! rules here, an allocated one too.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::metadata::validate_labels;
use super::rules::{
    empty, fill, fill_zero, legal, list_mut, one_of, optional_legal, port_number,
    port_number_or_name, remove, required_one_of, text,
};
use super::{Context, Strategy};
use crate::field::Path;
use crate::name::Broken;
use crate::{FieldErrors, meta, name};

/// Seconds a client stays with its backend under ClientIP affinity, unless the Service says otherwise.
const AFFINITY_SECONDS: i64 = 10_800;
const AFFINITY_SECONDS_MAX: i64 = 86_400;
const BAD_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

/// Rules of Services.
pub(super) struct Service;

impl Strategy for Service {
    fn default(&self, service: &mut Value) {
        let spec = &mut service["spec"];
        if !spec.is_object() {
            *spec = empty();
        }
        fill_zero(spec, "sessionAffinity", "None");
        match text(&spec["sessionAffinity"]) {
            "ClientIP" => {
                fill(spec, "sessionAffinityConfig", empty());
                fill(&mut spec["sessionAffinityConfig"], "clientIP", empty());
                let client = &mut spec["sessionAffinityConfig"]["clientIP"];
                fill_zero(client, "timeoutSeconds", AFFINITY_SECONDS);
            }
            _ => remove(spec, "sessionAffinityConfig"),
        }
        fill_zero(spec, "type", "ClusterIP");
        for port in list_mut(spec.get_mut("ports")) {
            fill_zero(port, "protocol", "TCP");
            let number = port["port"].clone();
            fill_zero(port, "targetPort", number);
        }
        if is_external(spec) {
            fill_zero(spec, "externalTrafficPolicy", "Cluster");
        }
        if spec["type"] != "ExternalName" {
            fill_zero(spec, "internalTrafficPolicy", "Cluster");
        }
        if spec["type"] == "LoadBalancer" {
            fill(spec, "allocateLoadBalancerNodePorts", true);
        }
    }

    fn prepare_create(&self, service: &mut Value, _: &Context) {
        service["status"] = json!({ "loadBalancer": {} });
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, _: &Context) {
        keep_allocated(&mut new["spec"], &old["spec"]);
        drop_what_the_type_has_not(&mut new["spec"], &old["spec"]);
    }

    fn validate_name(&self, name: &str) -> Result<(), Broken> {
        name::dns1035_label(name)
    }

    fn validate(&self, service: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        let (spec, path) = (&service["spec"], Path::root("spec"));
        validate_ports(spec, &path, &mut errors);
        validate_labels(&spec["selector"], &path.child("selector"), &mut errors);
        required_one_of(
            &spec["type"],
            &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
            &path.child("type"),
            &mut errors,
        );
        validate_affinity(spec, &path, &mut errors);
        validate_cluster_ips(spec, &path, &mut errors);
        for (index, address) in meta::list(&spec["externalIPs"]).iter().enumerate() {
            validate_external_ip(
                text(address),
                &path.child("externalIPs").index(index),
                &mut errors,
            );
        }
        if spec["type"] == "ExternalName" {
            let external_name = text(&spec["externalName"]).trim_end_matches('.');
            let path = path.child("externalName");
            if external_name.is_empty() {
                errors.required(&path, "");
            } else {
                legal(name::dns1123_subdomain, external_name, &path, &mut errors);
            }
        }
        for field in ["internalTrafficPolicy", "externalTrafficPolicy"] {
            one_of(&spec[field], &["Cluster", "Local"], &path.child(field), &mut errors);
        }
        if !spec["externalTrafficPolicy"].is_null() && !is_external(spec) {
            errors.invalid(
                &path.child("externalTrafficPolicy"),
                spec["externalTrafficPolicy"].clone(),
                "may only be set for externally-accessible services",
            );
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        let (spec, before) = (&new["spec"], &old["spec"]);
        let had = text(&before["clusterIP"]);
        let keeps_ip = before["type"] != "ExternalName" && spec["type"] != "ExternalName";
        if keeps_ip && !had.is_empty() && text(&spec["clusterIP"]) != had {
            let path = Path::root("spec").child("clusterIPs").index(0);
            let now = text(&spec["clusterIP"]);
            errors.invalid(&path, json!([now]), "may not change once set");
        }
        errors
    }
}

/// True if a Service of this type gets a cluster IP: all but ExternalName and headless ones.
pub fn needs_cluster_ip(service: &Value) -> bool {
    let spec = &service["spec"];
    spec["type"] != "ExternalName" && spec["clusterIP"] != "None"
}

/// True if the ports of a Service of this type get node ports.
pub fn needs_node_ports(service: &Value) -> bool {
    let spec = &service["spec"];
    match text(&spec["type"]) {
        "NodePort" => true,
        "LoadBalancer" => spec["allocateLoadBalancerNodePorts"] != false,
        _ => false,
    }
}

/// Writes an allocated cluster IP, or `None` for a headless Service, and the fields that follow from it.
pub fn set_cluster_ip(service: &mut Value, address: &str) {
    let spec = &mut service["spec"];
    spec["clusterIP"] = Value::from(address);
    spec["clusterIPs"] = json!([address]);
    let family = if address.contains(':') { "IPv6" } else { "IPv4" };
    fill(spec, "ipFamilies", json!([family]));
    fill_zero(spec, "ipFamilyPolicy", "SingleStack");
}

/// The node ports a Service asks for or has, with their protocol; a port number of several protocols may be
/// one node port.
pub fn node_ports(service: &Value) -> impl Iterator<Item = (&str, u16)> {
    meta::list(&service["spec"]["ports"]).iter().filter_map(|port| {
        let number = u16::try_from(port["nodePort"].as_i64()?).ok().filter(|n| *n != 0)?;
        Some((text(&port["protocol"]), number))
    })
}

/// True if traffic from outside the cluster reaches the Service by its own fields.
fn is_external(spec: &Value) -> bool {
    matches!(text(&spec["type"]), "NodePort" | "LoadBalancer")
        || (spec["type"] == "ClusterIP" && !meta::list(&spec["externalIPs"]).is_empty())
}

/// A client that leaves out what was allocated keeps it: the cluster IP, and node ports of the same ports.
fn keep_allocated(spec: &mut Value, before: &Value) {
    if spec["type"] != "ExternalName" && before["type"] != "ExternalName" {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            if !before[field].is_null() {
                fill_zero(spec, field, before[field].clone());
            }
        }
    }
    let both_have_node_ports =
        |spec: &Value| matches!(text(&spec["type"]), "NodePort" | "LoadBalancer");
    if both_have_node_ports(spec) && both_have_node_ports(before) {
        keep_node_ports(spec, before);
    }
}

fn keep_node_ports(spec: &mut Value, before: &Value) {
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

/// A change of type drops fields of the old type that the client merely sent back.
fn drop_what_the_type_has_not(spec: &mut Value, before: &Value) {
    if spec["type"] == "ExternalName" && before["type"] != "ExternalName" {
        for field in
            ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"]
        {
            if spec[field] == before[field] {
                remove(spec, field);
            }
        }
    }
    if matches!(text(&spec["type"]), "ClusterIP" | "ExternalName") {
        let old_ports = meta::list(&before["ports"]);
        for port in list_mut(spec.get_mut("ports")) {
            if old_ports.iter().any(|old| old["nodePort"] == port["nodePort"]) {
                remove(port, "nodePort");
            }
        }
    }
    if !is_external(spec) && spec["externalTrafficPolicy"] == before["externalTrafficPolicy"] {
        remove(spec, "externalTrafficPolicy");
    }
    if spec["type"] != "LoadBalancer" && before["type"] == "LoadBalancer" {
        remove(spec, "allocateLoadBalancerNodePorts");
    }
}

fn validate_ports(spec: &Value, path: &Path, errors: &mut FieldErrors) {
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
        let name = text(&port["name"]);
        if name.is_empty() && ports.len() > 1 {
            errors.required(&path.child("name"), "");
        }
        optional_legal(name::dns1123_label, &port["name"], &path.child("name"), errors);
        if !name.is_empty() && !names.insert(name) {
            errors.duplicate(&path.child("name"), name);
        }
        port_number(&port["port"], &path.child("port"), errors);
        let protocol = text(&port["protocol"]);
        required_one_of(
            &port["protocol"],
            &["SCTP", "TCP", "UDP"],
            &path.child("protocol"),
            errors,
        );
        port_number_or_name(&port["targetPort"], &path.child("targetPort"), errors);
        if !numbers.insert((protocol, port["port"].as_i64())) {
            let twin = json!({ "protocol": protocol, "port": port["port"] });
            errors.duplicate(&path, twin);
        }
        let Some(node_port) = port["nodePort"].as_i64().filter(|number| *number != 0) else {
            continue;
        };
        let path = path.child("nodePort");
        if !matches!(text(&spec["type"]), "NodePort" | "LoadBalancer") {
            let why = "may not be used when `type` is 'ClusterIP'";
            errors.forbidden(&path, why);
        } else if !node_ports.insert((protocol, node_port)) {
            errors.duplicate(&path, node_port);
        }
    }
}

fn validate_affinity(spec: &Value, path: &Path, errors: &mut FieldErrors) {
    let kinds = ["ClientIP", "None"];
    required_one_of(&spec["sessionAffinity"], &kinds, &path.child("sessionAffinity"), errors);
    let seconds = &spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"];
    let path = path.child("sessionAffinityConfig").child("clientIP").child("timeoutSeconds");
    if seconds.as_i64().is_some_and(|seconds| !(1..=AFFINITY_SECONDS_MAX).contains(&seconds)) {
        let why = format!("must be greater than 0 and less than {AFFINITY_SECONDS_MAX}");
        errors.invalid(&path, seconds.clone(), why);
    }
}

fn validate_cluster_ips(spec: &Value, path: &Path, errors: &mut FieldErrors) {
    let (address, all) = (text(&spec["clusterIP"]), meta::list(&spec["clusterIPs"]));
    if spec["type"] == "ExternalName" {
        if !address.is_empty() {
            let why = "may not be set when `type` is 'ExternalName'";
            errors.forbidden(&path.child("clusterIP"), why);
        }
        return;
    }
    if matches!(text(&spec["type"]), "NodePort" | "LoadBalancer") && address == "None" {
        let why = format!("may not be set to 'None' for {} services", text(&spec["type"]));
        errors.invalid(&path.child("clusterIPs").index(0), "None", why);
    }
    if let Some(first) = all.first()
        && text(first) != address
    {
        let value = Value::from(all.to_vec());
        errors.invalid(&path.child("clusterIPs"), value, "first value must match `clusterIP`");
    }
    for (index, address) in all.iter().map(text).enumerate() {
        if address != "None" && address.parse::<IpAddr>().is_err() {
            errors.invalid(&path.child("clusterIPs").index(index), address, BAD_IP);
        }
    }
    if all.is_empty() && !matches!(address, "" | "None") && address.parse::<IpAddr>().is_err() {
        errors.invalid(&path.child("clusterIPs").index(0), address, BAD_IP);
    }
}

/// An address outside: neither unspecified, loopback nor link-local.
fn validate_external_ip(address: &str, path: &Path, errors: &mut FieldErrors) {
    let Ok(parsed) = address.parse::<IpAddr>() else {
        errors.invalid(path, address, BAD_IP);
        return;
    };
    let why = match parsed {
        _ if parsed.is_unspecified() => format!("may not be unspecified ({address})"),
        _ if parsed.is_loopback() => {
            "may not be in the loopback range (127.0.0.0/8, ::1/128)".to_owned()
        }
        IpAddr::V4(v4) if v4.is_link_local() => {
            "may not be in the link-local range (169.254.0.0/16, fe80::/10)".to_owned()
        }
        _ if parsed.is_multicast() => {
            "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)".to_owned()
        }
        _ => return,
    };
    errors.invalid(path, address, why);
}

/// Refuses a node port outside the cluster's range, which only the registry knows.
pub fn validate_node_port_range(service: &Value, first: u16, last: u16) -> FieldErrors {
    let mut errors = FieldErrors::new();
    for (index, port) in meta::list(&service["spec"]["ports"]).iter().enumerate() {
        let Some(number) = port["nodePort"].as_i64().filter(|number| *number != 0) else {
            continue;
        };
        if !(i64::from(first)..=i64::from(last)).contains(&number) {
            errors.invalid(
                &Path::root("spec").child("ports").index(index).child("nodePort"),
                number,
                format!("provided port is not in the valid range. The range of valid ports is {first}-{last}"),
            );
        }
    }
    errors
}
