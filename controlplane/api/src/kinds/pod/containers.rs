//! Rules of containers: names, images, ports, and all that hangs on them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::rules::{
    one_of, optional_legal, port_number, required_legal, required_one_of, text, within,
};
use super::{Owner, actions, environment, resources, volumes};
use crate::field::Path;
use crate::{FieldErrors, meta, name};

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const PULL_POLICIES: [&str; 3] = ["Always", "IfNotPresent", "Never"];

/// Checks both lists of containers; `volume_names` are the pod's volumes.
pub(super) fn validate(
    spec: &Value,
    owner: Owner,
    volume_names: &BTreeSet<&str>,
    path: &Path,
    errors: &mut FieldErrors,
) {
    if meta::list(&spec["containers"]).is_empty() {
        errors.required(&path.child("containers"), "");
    }
    let mut names = BTreeSet::new();
    let mut host_ports = BTreeSet::new();
    for (list, index, container) in super::containers(spec) {
        let path = path.child(list).index(index);
        let name = text(&container["name"]);
        required_legal(name::dns1123_label, &container["name"], &path.child("name"), errors);
        if !name.is_empty() && !names.insert(name) {
            errors.duplicate(&path.child("name"), name);
        }
        validate_ports(container, spec["hostNetwork"] == true, owner, &path, errors);
        if list == "containers" {
            validate_host_ports(container, &mut host_ports, &path, errors);
        }
        let is_init = list == "initContainers";
        let restart = text(&container["restartPolicy"]);
        if is_init && !restart.is_empty() && restart != "Always" {
            errors.not_supported(&path.child("restartPolicy"), restart, &["Always"]);
        }
        actions::validate_probes(container, is_init && restart != "Always", &path, errors);
        validate_one(container, volume_names, &path, errors);
    }
}

fn validate_one(
    container: &Value,
    volume_names: &BTreeSet<&str>,
    path: &Path,
    errors: &mut FieldErrors,
) {
    let image = text(&container["image"]);
    if image.is_empty() {
        errors.required(&path.child("image"), "");
    } else if image.trim() != image {
        let why = "must not have leading or trailing whitespace";
        errors.invalid(&path.child("image"), image, why);
    }
    let policy_path = path.child("imagePullPolicy");
    required_one_of(&container["imagePullPolicy"], &PULL_POLICIES, &policy_path, errors);
    one_of(
        &container["terminationMessagePolicy"],
        &["FallbackToLogsOnError", "File"],
        &path.child("terminationMessagePolicy"),
        errors,
    );
    environment::validate(container, path, errors);
    volumes::validate_mounts(container, volume_names, path, errors);
    resources::validate(&container["resources"], &path.child("resources"), errors);
    let security = &container["securityContext"];
    let security_path = path.child("securityContext");
    if security["privileged"] == true && security["allowPrivilegeEscalation"] == false {
        errors.invalid(
            &security_path,
            security.clone(),
            "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
        );
    }
    for id in ["runAsUser", "runAsGroup"] {
        within(&security[id], 0, i64::from(i32::MAX), &security_path.child(id), errors);
    }
}

fn validate_ports(
    container: &Value,
    host_network: bool,
    owner: Owner,
    path: &Path,
    errors: &mut FieldErrors,
) {
    let mut names = BTreeSet::new();
    for (index, port) in meta::list(&container["ports"]).iter().enumerate() {
        let path = path.child("ports").index(index);
        let name = text(&port["name"]);
        optional_legal(name::port, &port["name"], &path.child("name"), errors);
        if !name.is_empty() && !names.insert(name) {
            errors.duplicate(&path.child("name"), name);
        }
        match port["containerPort"].as_i64() {
            None | Some(0) => errors.required(&path.child("containerPort"), ""),
            Some(_) => port_number(&port["containerPort"], &path.child("containerPort"), errors),
        }
        let host_port = port["hostPort"].as_i64().unwrap_or(0);
        if host_port != 0 {
            port_number(&port["hostPort"], &path.child("hostPort"), errors);
        }
        let must_match = host_network && (host_port != 0 || owner == Owner::Pod);
        if must_match && port["containerPort"].as_i64() != Some(host_port) {
            let why = "must match `containerPort` when `hostNetwork` is true";
            errors.invalid(&path.child("hostPort"), host_port, why);
        }
        required_one_of(&port["protocol"], &PROTOCOLS, &path.child("protocol"), errors);
    }
}

/// Two containers of a pod cannot take the same port of the node.
fn validate_host_ports(
    container: &Value,
    taken: &mut BTreeSet<String>,
    path: &Path,
    errors: &mut FieldErrors,
) {
    for (index, port) in meta::list(&container["ports"]).iter().enumerate() {
        let Some(number) = port["hostPort"].as_i64().filter(|number| *number != 0) else {
            continue;
        };
        let claim = format!("{}/{}/{number}", text(&port["protocol"]), text(&port["hostIP"]));
        if !taken.insert(claim.clone()) {
            errors.duplicate(&path.child("ports").index(index).child("hostPort"), claim);
        }
    }
}
