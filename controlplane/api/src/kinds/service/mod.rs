//! Services: defaults, rules, and pure helpers for whoever allocates addresses and ports.
//!
//! Allocation itself is the registry's: it needs to know what is taken. An unallocated Service passes the
//! rules here, an allocated one too.
//!
//! ```text
//! addresses   cluster IPs, IP families, external IPs
//! ports       ports and node ports
//! balancer    what only type LoadBalancer has, and its status
//! change      what an update keeps, drops, and may not change
//! ```

mod addresses;
mod balancer;
mod change;
mod ports;

use serde_json::{Value, json};

use super::metadata::validate_labels;
use super::rules::{
    empty, fill, fill_zero, legal, list_mut, one_of, remove, required_one_of, text,
};
use super::{Context, Strategy};
use crate::field::Path;
use crate::name::Broken;
use crate::{FieldErrors, meta, name};

pub use addresses::{validate_cluster_ips, with_cluster_ips};
pub use ports::node_ports;

/// Seconds a client stays with its backend under ClientIP affinity, unless the Service says otherwise.
const AFFINITY_SECONDS: i64 = 10_800;
const AFFINITY_SECONDS_MAX: i64 = 86_400;

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
        addresses::list_single(&mut service["spec"]);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, _: &Context) {
        change::keep_allocated(&mut new["spec"], &old["spec"]);
        change::drop_what_the_type_has_not(&mut new["spec"], &old["spec"]);
        if new["spec"]["type"] != "LoadBalancer" && old["spec"]["type"] == "LoadBalancer" {
            new["status"]["loadBalancer"] = empty();
        }
    }

    fn prepare_status_update(&self, new: &mut Value, _: &Value, _: &Context) {
        balancer::default_status(new);
    }

    fn validate_name(&self, name: &str) -> Result<(), Broken> {
        name::dns1035_label(name)
    }

    fn validate(&self, service: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        let (spec, path) = (&service["spec"], Path::root("spec"));
        ports::validate(spec, &path, &mut errors);
        validate_labels(&spec["selector"], &path.child("selector"), &mut errors);
        required_one_of(
            &spec["type"],
            &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
            &path.child("type"),
            &mut errors,
        );
        validate_affinity(spec, &path, &mut errors);
        match text(&spec["type"]) {
            "ExternalName" => validate_external_name(spec, &path, &mut errors),
            _ => errors.extend(validate_cluster_ips(spec)),
        }
        addresses::validate_external_ips(spec, &path, &mut errors);
        balancer::validate(spec, &path, &mut errors);
        validate_traffic(spec, &path, &mut errors);
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> FieldErrors {
        change::validate(&new["spec"], &old["spec"])
    }

    fn validate_status_update(&self, new: &Value, _: &Value) -> FieldErrors {
        balancer::validate_status(new)
    }
}

/// True if a Service of this type gets a cluster IP: all but ExternalName and headless ones.
pub fn needs_cluster_ip(service: &Value) -> bool {
    let spec = &service["spec"];
    spec["type"] != "ExternalName" && spec["clusterIP"] != "None"
}

/// True if the ports of a Service may have node ports: they are reserved when it names them.
pub fn may_have_node_ports(spec: &Value) -> bool {
    matches!(text(&spec["type"]), "NodePort" | "LoadBalancer")
}

/// True if every port of a Service gets a node port.
pub fn needs_node_ports(spec: &Value) -> bool {
    match text(&spec["type"]) {
        "NodePort" => true,
        "LoadBalancer" => spec["allocateLoadBalancerNodePorts"] != false,
        _ => false,
    }
}

/// True if load balancers ask each node whether it has endpoints.
pub fn needs_health_check_port(spec: &Value) -> bool {
    spec["type"] == "LoadBalancer" && spec["externalTrafficPolicy"] == "Local"
}

/// True if traffic from outside the cluster reaches the Service by its own fields.
fn is_external(spec: &Value) -> bool {
    may_have_node_ports(spec)
        || (spec["type"] == "ClusterIP" && !meta::list(&spec["externalIPs"]).is_empty())
}

fn is_zero(field: &Value) -> bool {
    field.is_null() || *field == 0 || *field == ""
}

fn validate_external_name(spec: &Value, path: &Path, errors: &mut FieldErrors) {
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        let given = !meta::list(&spec[field]).is_empty() || spec[field].is_string();
        if given {
            errors.forbidden(&path.child(field), "may not be set for ExternalName services");
        }
    }
    let external_name = text(&spec["externalName"]).trim_end_matches('.');
    let path = path.child("externalName");
    if external_name.is_empty() {
        errors.required(&path, "");
    } else {
        legal(name::dns1123_subdomain, external_name, &path, errors);
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

fn validate_traffic(spec: &Value, path: &Path, errors: &mut FieldErrors) {
    for field in ["internalTrafficPolicy", "externalTrafficPolicy"] {
        one_of(&spec[field], &["Cluster", "Local"], &path.child(field), errors);
    }
    if !spec["externalTrafficPolicy"].is_null() && !is_external(spec) {
        errors.invalid(
            &path.child("externalTrafficPolicy"),
            spec["externalTrafficPolicy"].clone(),
            "may only be set for externally-accessible services",
        );
    }
    let distributions = ["PreferClose", "PreferSameNode", "PreferSameZone"];
    let distribution = path.child("trafficDistribution");
    one_of(&spec["trafficDistribution"], &distributions, &distribution, errors);
}
