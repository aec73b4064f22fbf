//! Rules of a whole pod spec, of a Pod or of a template.

use std::net::IpAddr;

use serde_json::Value;

use super::super::rules::{
    legal, non_negative, one_of, optional_legal, required_one_of, text, within,
};
use super::{containers, scheduling, volumes};
use crate::field::Path;
use crate::{FieldErrors, meta, name};

/// Whose pod spec it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A Pod.
    Pod,
    /// The template of what makes pods that are always restarted, by its kind as sentences name it.
    Template(&'static str),
}

/// Checks a pod spec with its defaults set.
pub(crate) fn validate_spec(spec: &Value, owner: Owner, path: &Path, errors: &mut FieldErrors) {
    let volume_names = volumes::validate(spec, path, errors);
    containers::validate(spec, owner, &volume_names, path, errors);
    if !meta::list(&spec["ephemeralContainers"]).is_empty() {
        let why = match owner {
            Owner::Pod => "cannot be set on create",
            Owner::Template(_) => "ephemeral containers not allowed in pod template",
        };
        errors.forbidden(&path.child("ephemeralContainers"), why);
    }
    let restart_path = path.child("restartPolicy");
    required_one_of(
        &spec["restartPolicy"],
        &["Always", "OnFailure", "Never"],
        &restart_path,
        errors,
    );
    let template_of = match owner {
        Owner::Template(kind) => Some(kind),
        Owner::Pod => None,
    };
    if template_of.is_some() && matches!(text(&spec["restartPolicy"]), "OnFailure" | "Never") {
        errors.not_supported(&restart_path, spec["restartPolicy"].clone(), &["Always"]);
    }
    validate_dns(spec, path, errors);
    scheduling::validate(spec, path, errors);
    let grace = "terminationGracePeriodSeconds";
    non_negative(&spec[grace], &path.child(grace), errors);
    let deadline = "activeDeadlineSeconds";
    if let Some(kind) = template_of.filter(|_| !spec[deadline].is_null()) {
        let why = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.forbidden(&path.child(deadline), why);
    } else {
        within(&spec[deadline], 1, i64::from(i32::MAX), &path.child(deadline), errors);
    }
    for field in ["serviceAccountName", "nodeName", "priorityClassName"] {
        optional_legal(name::dns1123_subdomain, &spec[field], &path.child(field), errors);
    }
    for field in ["hostname", "subdomain"] {
        optional_legal(name::dns1123_label, &spec[field], &path.child(field), errors);
    }
    one_of(
        &spec["preemptionPolicy"],
        &["PreemptLowerPriority", "Never"],
        &path.child("preemptionPolicy"),
        errors,
    );
    validate_security(spec, path, errors);
    for (index, gate) in meta::list(&spec["readinessGates"]).iter().enumerate() {
        let path = path.child("readinessGates").index(index).child("conditionType");
        legal(name::qualified, text(&gate["conditionType"]), &path, errors);
    }
    for (index, gate) in meta::list(&spec["schedulingGates"]).iter().enumerate() {
        let path = path.child("schedulingGates").index(index).child("name");
        legal(name::qualified, text(&gate["name"]), &path, errors);
    }
}

fn validate_security(spec: &Value, path: &Path, errors: &mut FieldErrors) {
    if spec["hostPID"] == true && spec["shareProcessNamespace"] == true {
        errors.invalid(
            &path.child("shareProcessNamespace"),
            true,
            "ShareProcessNamespace and HostPID cannot both be enabled",
        );
    }
    let security_path = path.child("securityContext");
    for id in ["runAsUser", "runAsGroup", "fsGroup"] {
        let value = &spec["securityContext"][id];
        within(value, 0, i64::from(i32::MAX), &security_path.child(id), errors);
    }
}

fn validate_dns(spec: &Value, path: &Path, errors: &mut FieldErrors) {
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    required_one_of(&spec["dnsPolicy"], &policies, &path.child("dnsPolicy"), errors);
    let servers = meta::list(&spec["dnsConfig"]["nameservers"]);
    let servers_path = path.child("dnsConfig").child("nameservers");
    if spec["dnsPolicy"] == "None" && servers.is_empty() {
        errors.required(
            &servers_path,
            "must provide at least one DNS nameserver when `dnsPolicy` is None",
        );
    }
    if servers.len() > 3 {
        errors.invalid(
            &servers_path,
            Value::from(servers.to_vec()),
            "must not have more than 3 nameservers",
        );
    }
    for (index, server) in servers.iter().enumerate() {
        validate_ip(text(server), &servers_path.index(index), errors);
    }
    for (index, alias) in meta::list(&spec["hostAliases"]).iter().enumerate() {
        let path = path.child("hostAliases").index(index);
        validate_ip(text(&alias["ip"]), &path.child("ip"), errors);
        for (index, host) in meta::list(&alias["hostnames"]).iter().enumerate() {
            let path = path.child("hostnames").index(index);
            legal(name::dns1123_subdomain, text(host), &path, errors);
        }
    }
}

fn validate_ip(address: &str, path: &Path, errors: &mut FieldErrors) {
    if address.parse::<IpAddr>().is_err() {
        let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        errors.invalid(path, address, why);
    }
}
