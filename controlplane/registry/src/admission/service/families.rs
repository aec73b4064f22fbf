//! Which address families a Service has (KEP-563). Pure.
//!
//! What the client leaves out follows from what it says: families from addresses, the policy from the
//! object before. Nothing ever goes from one family to two or back unless the policy says so.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};
use sheave_api::field::Path;
use sheave_api::kinds::service as rules;
use sheave_api::{FieldErrors, meta};

const SINGLE: &str = "SingleStack";
const REQUIRE: &str = "RequireDualStack";
const PREFER: &str = "PreferDualStack";

/// As `spec.ipFamilies` names it.
pub(super) fn name(address: &IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

/// The families of a Service.
pub(super) fn of(spec: &Value) -> impl Iterator<Item = &'static str> + '_ {
    meta::list(&spec["ipFamilies"]).iter().filter_map(|family| match family.as_str()? {
        "IPv4" => Some("IPv4"),
        "IPv6" => Some("IPv6"),
        _ => None,
    })
}

/// Completes `ipFamilies` and `ipFamilyPolicy` of a Service that is not ExternalName; cuts `clusterIPs`
/// when the second family is given up.
pub(super) fn complete(
    spec: &mut Value,
    old: Option<&Value>,
    service_cidrs: &[IpNet],
) -> Result<(), FieldErrors> {
    // A Service that prefers two families is not changed by a cluster that has come to have two.
    let fields = ["ipFamilyPolicy", "clusterIPs", "ipFamilies"];
    if spec["ipFamilyPolicy"] == PREFER
        && old.is_some_and(|old| fields.iter().all(|field| spec[*field] == old[*field]))
    {
        return Ok(());
    }
    let is_free_form = spec["clusterIP"] == "None" && is_empty(&spec["selector"]);
    if spec["ipFamilyPolicy"].as_str().unwrap_or_default().is_empty() {
        spec["ipFamilyPolicy"] = json!(if is_free_form { REQUIRE } else { SINGLE });
    }
    refuse(rules::validate_cluster_ips(spec))?;
    let configured: Vec<_> = service_cidrs.iter().map(|range| name(&range.addr())).collect();
    refuse(agree_with_policy(spec, old))?;
    refuse(infer_from_addresses(spec, &configured))?;
    if !is_free_form {
        refuse(check_cluster(spec, &configured))?;
    }
    add_missing(spec, &configured, is_free_form);
    Ok(())
}

fn refuse(errors: FieldErrors) -> Result<(), FieldErrors> {
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// SingleStack on an otherwise unchanged Service gives up the second family; anything else that names
/// more or less than the policy means is a contradiction.
fn agree_with_policy(spec: &mut Value, old: Option<&Value>) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let path = Path::root("spec").child("ipFamilyPolicy");
    let policy = spec["ipFamilyPolicy"].clone();
    let fields =
        [("clusterIPs", "cluster IPs", "cluster IP"), ("ipFamilies", "IP families", "IP family")];
    for (field, plural, singular) in fields {
        let before = old.map(|old| meta::list(&old[field])).unwrap_or_default();
        let now = meta::list(&spec[field]);
        if policy == SINGLE && now.len() > 1 {
            if now == before {
                spec[field] = json!(before[..1]);
                continue;
            }
            let why = format!(
                "must be 'RequireDualStack' or 'PreferDualStack' when multiple {plural} are specified"
            );
            errors.invalid(&path, policy.clone(), why);
        } else if policy != SINGLE && !now.is_empty() && now.len() < before.len() {
            let why = format!("must be 'SingleStack' to release the secondary {singular}");
            errors.invalid(&path, policy.clone(), why);
        }
    }
    errors
}

fn infer_from_addresses(spec: &mut Value, configured: &[&str]) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let mut families: Vec<_> = of(spec).collect();
    let addresses = meta::list(&spec["clusterIPs"]);
    for (index, address) in addresses.iter().enumerate().skip(families.len()) {
        let Some(address) = super::address(address) else { break };
        let family = name(&address);
        if configured.contains(&family) {
            families.push(family);
        } else {
            let path = Path::root("spec").child("clusterIPs").index(index);
            let why = format!("{family} is not configured on this cluster");
            errors.invalid(&path, json!(addresses), why);
        }
    }
    if !families.is_empty() {
        spec["ipFamilies"] = json!(families);
    }
    errors
}

fn check_cluster(spec: &Value, configured: &[&str]) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let path = Path::root("spec");
    if spec["ipFamilyPolicy"] == REQUIRE && configured.len() < 2 {
        let why = "this cluster is not configured for dual-stack services";
        errors.invalid(&path.child("ipFamilyPolicy"), REQUIRE, why);
    }
    for (index, family) in of(spec).enumerate() {
        if !configured.contains(&family) {
            let path = path.child("ipFamilies").index(index);
            errors.invalid(&path, family, "not configured on this cluster");
        }
    }
    errors
}

/// A headless Service whose endpoints are written by hand may have families the cluster has not.
fn add_missing(spec: &mut Value, configured: &[&'static str], is_free_form: bool) {
    let mut families: Vec<_> = of(spec).collect();
    if families.is_empty() {
        families.extend(configured.first());
    }
    if spec["ipFamilyPolicy"] != SINGLE
        && let [only] = families[..]
    {
        let other = if only == "IPv4" { "IPv6" } else { "IPv4" };
        if is_free_form || configured.contains(&other) {
            families.push(other);
        }
    }
    spec["ipFamilies"] = json!(families);
}

fn is_empty(selector: &Value) -> bool {
    selector.as_object().is_none_or(|labels| labels.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(spec: Value, old: Option<&Value>, cidrs: &[&str]) -> Result<Value, String> {
        let cidrs: Vec<IpNet> = cidrs.iter().map(|cidr| cidr.parse().unwrap()).collect();
        let mut spec = spec;
        spec["selector"] = json!({ "a": "b" });
        complete(&mut spec, old, &cidrs).map_err(|errors| errors.to_string())?;
        Ok(json!([spec["ipFamilyPolicy"], spec["ipFamilies"], spec["clusterIPs"]]))
    }

    const V4: &[&str] = &["10.96.0.0/16"];
    const BOTH: &[&str] = &["10.96.0.0/16", "fd00::/112"];

    #[test]
    fn what_is_left_out_follows_from_what_is_said() {
        let nothing = Value::Null;
        for (spec, cidrs, expected) in [
            (json!({}), BOTH, json!([SINGLE, ["IPv4"], nothing])),
            (json!({}), &BOTH[1..], json!([SINGLE, ["IPv6"], nothing])),
            (json!({ "ipFamilyPolicy": PREFER }), V4, json!([PREFER, ["IPv4"], nothing])),
            (json!({ "ipFamilyPolicy": PREFER }), BOTH, json!([PREFER, ["IPv4", "IPv6"], nothing])),
            (
                json!({ "ipFamilyPolicy": REQUIRE, "ipFamilies": ["IPv6"] }),
                BOTH,
                json!([REQUIRE, ["IPv6", "IPv4"], nothing]),
            ),
            (
                json!({ "clusterIP": "fd00::5", "clusterIPs": ["fd00::5"] }),
                BOTH,
                json!([SINGLE, ["IPv6"], ["fd00::5"]]),
            ),
        ] {
            assert_eq!(completed(spec.clone(), None, cidrs), Ok(expected), "{spec}");
        }
    }

    #[test]
    fn contradictions_are_told_as_kubernetes_tells_them() {
        for (spec, sentence) in [
            (
                json!({ "ipFamilyPolicy": REQUIRE }),
                "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not \
                 configured for dual-stack services",
            ),
            (
                json!({ "ipFamilies": ["IPv6"] }),
                "spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster",
            ),
            (
                json!({ "clusterIP": "fd00::5", "clusterIPs": ["fd00::5"] }),
                "spec.clusterIPs[0]: Invalid value: [\"fd00::5\"]: IPv6 is not configured on this \
                 cluster",
            ),
            (
                json!({ "ipFamilies": ["IPv4", "IPv6"] }),
                "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or \
                 'PreferDualStack' when multiple IP families are specified",
            ),
        ] {
            assert_eq!(completed(spec, None, V4), Err(sentence.to_owned()));
        }
    }

    #[test]
    fn a_second_family_comes_and_goes_with_the_policy_alone() {
        let single = json!({ "ipFamilyPolicy": SINGLE, "ipFamilies": ["IPv4"],
            "clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5"] });
        let mut more = single.clone();
        more["ipFamilyPolicy"] = json!(PREFER);
        let grown = completed(more.clone(), Some(&single), BOTH).unwrap();
        assert_eq!(grown, json!([PREFER, ["IPv4", "IPv6"], ["10.96.0.5"]]));
        let same = completed(more.clone(), Some(&more), BOTH).unwrap();
        assert_eq!(same, json!([PREFER, ["IPv4"], ["10.96.0.5"]]), "it had one, and preferred two");

        let dual = json!({ "ipFamilyPolicy": REQUIRE, "ipFamilies": ["IPv4", "IPv6"],
            "clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5", "fd00::5"] });
        let mut less = dual.clone();
        less["ipFamilyPolicy"] = json!(SINGLE);
        let shrunk = completed(less, Some(&dual), BOTH).unwrap();
        assert_eq!(shrunk, json!([SINGLE, ["IPv4"], ["10.96.0.5"]]));
        let mut cut = dual.clone();
        cut["clusterIPs"] = json!(["10.96.0.5"]);
        let refused = completed(cut, Some(&dual), BOTH).unwrap_err();
        assert!(refused.contains("must be 'SingleStack' to release the secondary cluster IP"));
    }
}
