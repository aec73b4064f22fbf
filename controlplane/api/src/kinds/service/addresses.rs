//! Cluster IPs with their families, and external IPs.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::field::Path;
use crate::kinds::rules::{one_of, text};
use crate::{FieldErrors, meta};

const BAD_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

/// Writes allocated cluster IPs, the first one also where older clients look.
pub fn with_cluster_ips(spec: &mut Value, addresses: &[String]) {
    spec["clusterIP"] = addresses.first().map(String::as_str).into();
    spec["clusterIPs"] = json!(addresses);
}

/// A client that only knows `clusterIP` means a list of one.
pub(super) fn list_single(spec: &mut Value) {
    let address = text(&spec["clusterIP"]);
    if !address.is_empty() && meta::list(&spec["clusterIPs"]).is_empty() {
        spec["clusterIPs"] = json!([address]);
    }
}

/// Rules of `clusterIP`, `clusterIPs`, `ipFamilies` and `ipFamilyPolicy` among each other, for Services
/// of any type but ExternalName.
pub fn validate_cluster_ips(spec: &Value) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let path = Path::root("spec");
    validate_families(spec, &path, &mut errors);
    let address = text(&spec["clusterIP"]);
    let all: Vec<&str> = meta::list(&spec["clusterIPs"]).iter().map(text).collect();
    let path = path.child("clusterIPs");
    let list = json!(all);
    match all.first() {
        None if !address.is_empty() => errors.required(&path, ""),
        Some(_) if address.is_empty() => {
            errors.invalid(&path, list.clone(), "must be empty when `clusterIP` is not specified");
        }
        Some(first) if *first != address => {
            errors.invalid(&path, list.clone(), "first value must match `clusterIP`");
        }
        _ => {}
    }
    let kind = text(&spec["type"]);
    if matches!(kind, "NodePort" | "LoadBalancer") && address == "None" {
        let why = format!("may not be set to 'None' for {kind} services");
        errors.invalid(&path.index(0), "None", why);
    }
    if all.len() > 2 {
        errors.invalid(&path, list.clone(), "may only hold up to 2 values");
    }
    if all.len() > 1 && all[0] == "None" {
        errors.invalid(&path, list, "'None' must be the first and only value");
        return errors;
    }
    let mut parsed = Vec::new();
    for (index, text) in all.iter().enumerate().filter(|(_, text)| **text != "None") {
        match text.parse::<IpAddr>() {
            Ok(address) => parsed.push(address),
            Err(_) => errors.invalid(&path.index(index), *text, BAD_IP),
        }
    }
    if parsed.len() == all.len() {
        validate_one_a_family(spec, &parsed, &path, &mut errors);
    }
    errors
}

fn validate_families(spec: &Value, path: &Path, errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for (index, family) in meta::list(&spec["ipFamilies"]).iter().enumerate() {
        let path = path.child("ipFamilies").index(index);
        one_of(family, &["IPv4", "IPv6"], &path, errors);
        if !seen.insert(text(family)) {
            errors.duplicate(&path, family.clone());
        }
    }
    let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    one_of(&spec["ipFamilyPolicy"], &policies, &path.child("ipFamilyPolicy"), errors);
}

fn validate_one_a_family(
    spec: &Value,
    addresses: &[IpAddr],
    path: &Path,
    errors: &mut FieldErrors,
) {
    if let [first, second] = addresses
        && first.is_ipv4() == second.is_ipv4()
    {
        let why = "may specify no more than one IP for each IP family";
        errors.invalid(path, json!(addresses), why);
    }
    let families = meta::list(&spec["ipFamilies"]);
    for (index, (address, family)) in addresses.iter().zip(families).enumerate() {
        let expected = text(family);
        if matches!(expected, "IPv4" | "IPv6") && (expected == "IPv4") != address.is_ipv4() {
            let why = format!("expected an {expected} value as indicated by `ipFamilies[{index}]`");
            errors.invalid(&path.index(index), address.to_string(), why);
        }
    }
}

/// Addresses outside: neither unspecified, loopback nor link-local.
pub(super) fn validate_external_ips(spec: &Value, path: &Path, errors: &mut FieldErrors) {
    for (index, address) in meta::list(&spec["externalIPs"]).iter().map(text).enumerate() {
        let path = path.child("externalIPs").index(index);
        match address.parse::<IpAddr>() {
            Err(_) => errors.invalid(&path, address, BAD_IP),
            Ok(parsed) => {
                if let Some(why) = why_not_outside(parsed) {
                    errors.invalid(&path, address, why);
                }
            }
        }
    }
}

fn why_not_outside(address: IpAddr) -> Option<String> {
    let is_link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    if address.is_unspecified() {
        return Some(format!("may not be unspecified ({address})"));
    }
    let why = if address.is_loopback() {
        "may not be in the loopback range (127.0.0.0/8, ::1/128)"
    } else if is_link_local {
        "may not be in the link-local range (169.254.0.0/16, fe80::/10)"
    } else if address.is_multicast() {
        "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
    } else {
        return None;
    };
    Some(why.to_owned())
}
