//! What an update of a Service keeps, drops, and may not change.

use serde_json::{Value, json};

use super::{is_external, is_zero, may_have_node_ports, needs_health_check_port, ports};
use crate::field::Path;
use crate::kinds::rules::{fill_zero, list_mut, remove, text};
use crate::{FieldErrors, meta};

/// Fields that go with a type; a client that merely sent them back does not mean them.
const OF_EXTERNAL_NAME_NOT: [&str; 5] =
    ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"];
const OF_BALANCERS: [&str; 2] = ["allocateLoadBalancerNodePorts", "loadBalancerClass"];

/// A client that leaves out what was allocated keeps it: cluster IPs, node ports of the same ports, the
/// health check port.
pub(super) fn keep_allocated(spec: &mut Value, before: &Value) {
    if spec["type"] != "ExternalName" && before["type"] != "ExternalName" {
        keep_cluster_ips(spec, before);
    }
    super::addresses::list_single(spec);
    ports::keep_node_ports(spec, before);
    if needs_health_check_port(spec)
        && needs_health_check_port(before)
        && !is_zero(&before["healthCheckNodePort"])
    {
        fill_zero(spec, "healthCheckNodePort", before["healthCheckNodePort"].clone());
    }
}

fn keep_cluster_ips(spec: &mut Value, before: &Value) {
    let same_list = spec["clusterIPs"] == before["clusterIPs"];
    if same_list && text(&spec["clusterIP"]) != text(&before["clusterIP"]) {
        // Who changes or clears the one field does not know the other.
        remove(spec, "clusterIPs");
    }
    if !is_zero(&before["clusterIP"]) {
        fill_zero(spec, "clusterIP", before["clusterIP"].clone());
    }
    if spec["clusterIP"] == before["clusterIP"] && meta::list(&spec["clusterIPs"]).is_empty() {
        remove(spec, "clusterIPs");
        fill_if_there(spec, "clusterIPs", before);
    }
    if spec["clusterIPs"] == before["clusterIPs"] {
        fill_if_there(spec, "ipFamilies", before);
    }
    fill_if_there(spec, "ipFamilyPolicy", before);
}

fn fill_if_there(spec: &mut Value, field: &str, before: &Value) {
    if !before[field].is_null() {
        fill_zero(spec, field, before[field].clone());
    }
}

/// A change of type drops fields of the old type that the client merely sent back.
pub(super) fn drop_what_the_type_has_not(spec: &mut Value, before: &Value) {
    if spec["type"] == "ExternalName" && before["type"] != "ExternalName" {
        drop_unchanged(spec, before, &OF_EXTERNAL_NAME_NOT);
    }
    if !may_have_node_ports(spec) {
        let old_ports = meta::list(&before["ports"]);
        for port in list_mut(spec.get_mut("ports")) {
            if old_ports.iter().any(|old| old["nodePort"] == port["nodePort"]) {
                remove(port, "nodePort");
            }
        }
    }
    if !is_external(spec) {
        drop_unchanged(spec, before, &["externalTrafficPolicy"]);
    }
    if !needs_health_check_port(spec) {
        drop_unchanged(spec, before, &["healthCheckNodePort"]);
    }
    if spec["type"] != "LoadBalancer" && before["type"] == "LoadBalancer" {
        drop_unchanged(spec, before, &OF_BALANCERS);
    }
}

fn drop_unchanged(spec: &mut Value, before: &Value, fields: &[&str]) {
    for field in fields {
        if spec[*field] == before[*field] {
            remove(spec, field);
        }
    }
}

/// What may not change once it is set.
pub(super) fn validate(spec: &Value, before: &Value) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let path = Path::root("spec");
    if spec["type"] != "ExternalName" && before["type"] != "ExternalName" {
        validate_cluster_ips(spec, before, &path, &mut errors);
        validate_families(spec, before, &path, &mut errors);
    }
    let class = "loadBalancerClass";
    if spec["type"] == "LoadBalancer"
        && before["type"] == "LoadBalancer"
        && spec[class] != before[class]
    {
        errors.invalid(&path.child(class), spec[class].clone(), "may not change once set");
    }
    let port = "healthCheckNodePort";
    if needs_health_check_port(spec)
        && needs_health_check_port(before)
        && !is_zero(&before[port])
        && spec[port] != before[port]
    {
        errors.forbidden(&path.child(port), "field is immutable");
    }
    errors
}

fn validate_cluster_ips(spec: &Value, before: &Value, path: &Path, errors: &mut FieldErrors) {
    let (new, old) = (meta::list(&spec["clusterIPs"]), meta::list(&before["clusterIPs"]));
    let headless = [json!("None")];
    if new == headless && old == headless {
        return;
    }
    let field = path.child("clusterIPs");
    if new.is_empty() && !old.is_empty() {
        errors.invalid(&field.index(0), json!(new), "primary clusterIP can not be unset");
        return;
    }
    for (index, (now, then)) in new.iter().zip(old).enumerate() {
        if now != then {
            errors.invalid(&field.index(index), json!(new), "may not change once set");
        }
    }
    if new.len() < old.len() && spec["ipFamilyPolicy"] != "SingleStack" {
        let why = "must be set to 'SingleStack' when releasing the secondary clusterIP";
        errors.invalid(&path.child("ipFamilyPolicy"), spec["ipFamilyPolicy"].clone(), why);
    }
}

fn validate_families(spec: &Value, before: &Value, path: &Path, errors: &mut FieldErrors) {
    let is_headless = |spec: &Value| spec["clusterIP"] == "None";
    if is_headless(spec) || is_headless(before) {
        return;
    }
    let (new, old) = (meta::list(&spec["ipFamilies"]), meta::list(&before["ipFamilies"]));
    let field = path.child("ipFamilies").index(0);
    if new.iter().zip(old).any(|(now, then)| now != then) {
        errors.invalid(&field, json!(new), "may not change once set");
    }
    if new.len() < old.len() && spec["ipFamilyPolicy"] != "SingleStack" {
        let why = "must be set to 'SingleStack' when releasing the secondary ipFamily";
        errors.invalid(&path.child("ipFamilyPolicy"), spec["ipFamilyPolicy"].clone(), why);
    }
}
