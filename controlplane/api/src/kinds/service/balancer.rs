//! What only Services of type LoadBalancer have: fields that say how they are balanced, and the addresses
//! in their status.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::{is_zero, needs_health_check_port};
use crate::field::Path;
use crate::kinds::rules::{fill_zero, legal, list_mut, one_of, optional_legal, text, within};
use crate::{FieldErrors, meta, name};

const ONLY_BALANCERS: &str = "may only be used when `type` is 'LoadBalancer'";
const BAD_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const BAD_CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

pub(super) fn validate(spec: &Value, path: &Path, errors: &mut FieldErrors) {
    let is_balancer = spec["type"] == "LoadBalancer";
    let ranges = meta::list(&spec["loadBalancerSourceRanges"]);
    // Clients know the path with this capital.
    let ranges_path = path.child("LoadBalancerSourceRanges");
    if !ranges.is_empty() && !is_balancer {
        errors.forbidden(&ranges_path, ONLY_BALANCERS);
    }
    for (index, range) in ranges.iter().map(text).enumerate() {
        if range.trim().parse::<IpNet>().is_err() {
            errors.invalid(&ranges_path.index(index), range, BAD_CIDR);
        }
    }
    for field in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
        if !spec[field].is_null() && !is_balancer {
            errors.forbidden(&path.child(field), ONLY_BALANCERS);
        }
    }
    if is_balancer && let Some(class) = spec["loadBalancerClass"].as_str() {
        legal(name::qualified, class, &path.child("loadBalancerClass"), errors);
    }
    let port = &spec["healthCheckNodePort"];
    let path = path.child("healthCheckNodePort");
    if needs_health_check_port(spec) {
        within(port, 0, 65535, &path, errors);
    } else if !is_zero(port) {
        let why =
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        errors.invalid(&path, port.clone(), why);
    }
}

/// Addresses are served by nodes unless it is said that they are not (KEP-1860).
pub(super) fn default_status(service: &mut Value) {
    let Some(status) = service.pointer_mut("/status/loadBalancer") else { return };
    for ingress in list_mut(status.get_mut("ingress")) {
        if !text(&ingress["ip"]).is_empty() {
            fill_zero(ingress, "ipMode", "VIP");
        }
    }
}

pub(super) fn validate_status(service: &Value) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let ingress = meta::list(&service["status"]["loadBalancer"]["ingress"]);
    let path = Path::root("status").child("loadBalancer").child("ingress");
    if service["spec"]["type"] != "LoadBalancer" && !ingress.is_empty() {
        errors.forbidden(&path, "may only be used when `spec.type` is 'LoadBalancer'");
        return errors;
    }
    for (index, ingress) in ingress.iter().enumerate() {
        validate_ingress(ingress, &path.index(index), &mut errors);
    }
    errors
}

fn validate_ingress(ingress: &Value, path: &Path, errors: &mut FieldErrors) {
    let address = text(&ingress["ip"]);
    if !address.is_empty() && address.parse::<IpAddr>().is_err() {
        errors.invalid(&path.child("ip"), address, BAD_IP);
    }
    let mode = &ingress["ipMode"];
    if address.is_empty() && !is_zero(mode) {
        let why = "may not be specified when `ip` is not set";
        errors.forbidden(&path.child("ipMode"), why);
    } else {
        one_of(mode, &["Proxy", "VIP"], &path.child("ipMode"), errors);
    }
    let hostname = &ingress["hostname"];
    optional_legal(name::dns1123_subdomain, hostname, &path.child("hostname"), errors);
    if text(hostname).parse::<IpAddr>().is_ok() {
        let why = "must be a DNS name, not an IP address";
        errors.invalid(&path.child("hostname"), hostname.clone(), why);
    }
}
