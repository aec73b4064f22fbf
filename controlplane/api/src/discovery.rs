//! What the API offers, told from the table of kinds: legacy lists and aggregated discovery v2.
//!
//! The documents depend on the table alone, so that they can be built once and served with an ETag.

use serde_json::{Value, json};

use crate::kinds::{Kind, Subresource, api_version};

/// The API groups with names, sorted: those below `/apis`.
pub fn groups(kinds: &'static [Kind]) -> Vec<&'static str> {
    let mut groups: Vec<_> =
        kinds.iter().map(|kind| kind.group).filter(|g| !g.is_empty()).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// `APIVersions`: legacy discovery of `/api`. `server_address` is `host:port`.
pub fn api_versions(server_address: &str) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [
            { "clientCIDR": "0.0.0.0/0", "serverAddress": server_address },
        ],
    })
}

/// `APIGroupList`: legacy discovery of `/apis`.
pub fn api_group_list(kinds: &'static [Kind]) -> Value {
    let groups: Vec<_> = groups(kinds).into_iter().map(|group| group_entry(kinds, group)).collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

/// `APIGroup`: legacy discovery of `/apis/<group>`; `None` if there is no such group.
pub fn api_group(kinds: &'static [Kind], group: &str) -> Option<Value> {
    let group = groups(kinds).into_iter().find(|known| *known == group)?;
    let mut entry = group_entry(kinds, group);
    entry["kind"] = json!("APIGroup");
    entry["apiVersion"] = json!("v1");
    Some(entry)
}

/// `APIResourceList`: legacy discovery of `/api/v1` and `/apis/<group>/<version>`; `None` if there is no
/// such version.
pub fn api_resource_list(kinds: &'static [Kind], group: &str, version: &str) -> Option<Value> {
    let mut resources = Vec::new();
    for kind in of_version(kinds, group, version) {
        resources.push(legacy_resource(kind));
        resources.extend(kind.subresources.iter().map(|sub| legacy_subresource(kind, sub)));
    }
    if resources.is_empty() {
        return None;
    }
    resources.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    let group_version = match group {
        "" => version.to_owned(),
        _ => format!("{group}/{version}"),
    };
    Some(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }))
}

/// `apidiscovery.k8s.io/v2 APIGroupDiscoveryList` of `/api`: the core group.
pub fn aggregated_core(kinds: &'static [Kind]) -> Value {
    aggregated(&[""], kinds)
}

/// `apidiscovery.k8s.io/v2 APIGroupDiscoveryList` of `/apis`: all groups with names.
pub fn aggregated_groups(kinds: &'static [Kind]) -> Value {
    aggregated(&groups(kinds), kinds)
}

fn aggregated(groups: &[&'static str], kinds: &'static [Kind]) -> Value {
    let items: Vec<_> = groups
        .iter()
        .map(|group| {
            let versions: Vec<_> = versions(kinds, group)
                .into_iter()
                .map(|version| {
                    let resources: Vec<_> =
                        of_version(kinds, group, version).map(aggregated_resource).collect();
                    json!({ "version": version, "resources": resources, "freshness": "Current" })
                })
                .collect();
            let metadata = match *group {
                "" => json!({ "creationTimestamp": null }),
                name => json!({ "name": name, "creationTimestamp": null }),
            };
            json!({ "metadata": metadata, "versions": versions })
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    })
}

fn aggregated_resource(kind: &Kind) -> Value {
    let mut entry = json!({
        "resource": kind.plural,
        "responseKind": { "group": kind.group, "version": kind.version, "kind": kind.kind },
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular,
        "verbs": kind.verbs,
    });
    add_names(&mut entry, kind);
    let subresources: Vec<_> = kind
        .subresources
        .iter()
        .map(|sub| {
            json!({
                "subresource": sub.name,
                "responseKind": { "group": sub.group, "version": sub.version, "kind": sub.kind },
                "verbs": sub.verbs,
            })
        })
        .collect();
    if !subresources.is_empty() {
        entry["subresources"] = Value::from(subresources);
    }
    entry
}

fn legacy_resource(kind: &Kind) -> Value {
    let mut entry = json!({
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": kind.verbs,
    });
    add_names(&mut entry, kind);
    entry
}

fn legacy_subresource(kind: &Kind, sub: &Subresource) -> Value {
    let mut entry = json!({
        "name": format!("{}/{}", kind.plural, sub.name),
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": sub.kind,
        "verbs": sub.verbs,
    });
    if (sub.group, sub.version) != (kind.group, kind.version) {
        entry["group"] = json!(sub.group);
        entry["version"] = json!(sub.version);
    }
    entry
}

fn add_names(entry: &mut Value, kind: &Kind) {
    if !kind.short_names.is_empty() {
        entry["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        entry["categories"] = json!(kind.categories);
    }
}

fn group_entry(kinds: &'static [Kind], group: &'static str) -> Value {
    let versions: Vec<_> = versions(kinds, group)
        .into_iter()
        .map(|version| json!({ "groupVersion": api_version(group, version), "version": version }))
        .collect();
    json!({ "name": group, "preferredVersion": versions[0], "versions": versions })
}

/// The versions of a group in the order of the table: the preferred one first.
fn versions(kinds: &'static [Kind], group: &str) -> Vec<&'static str> {
    let mut versions = Vec::new();
    for kind in kinds.iter().filter(|kind| kind.group == group) {
        if !versions.contains(&kind.version) {
            versions.push(kind.version);
        }
    }
    versions
}

fn of_version<'a>(
    kinds: &'static [Kind],
    group: &'a str,
    version: &'a str,
) -> impl Iterator<Item = &'static Kind> + 'a {
    kinds.iter().filter(move |kind| kind.group == group && kind.version == version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::KINDS;

    #[test]
    fn core_is_told_apart_from_groups() {
        assert_eq!(groups(KINDS), ["apps", "coordination.k8s.io", "discovery.k8s.io", "policy"]);
        let core = aggregated_core(KINDS);
        assert_eq!(core["items"].as_array().unwrap().len(), 1);
        assert_eq!(core["items"][0]["metadata"].get("name"), None);
        let apps = &aggregated_groups(KINDS)["items"][0];
        assert_eq!(apps["metadata"]["name"], "apps");
        let deployment = &apps["versions"][0]["resources"][2];
        assert_eq!(
            *deployment,
            json!({
                "resource": "deployments",
                "responseKind": { "group": "apps", "version": "v1", "kind": "Deployment" },
                "scope": "Namespaced",
                "singularResource": "deployment",
                "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
                "shortNames": ["deploy"],
                "categories": ["all"],
                "subresources": [
                    {
                        "subresource": "scale",
                        "responseKind": { "group": "autoscaling", "version": "v1", "kind": "Scale" },
                        "verbs": ["get", "patch", "update"],
                    },
                    {
                        "subresource": "status",
                        "responseKind": { "group": "apps", "version": "v1", "kind": "Deployment" },
                        "verbs": ["get", "patch", "update"],
                    },
                ],
            })
        );
    }

    #[test]
    fn legacy_lists_name_foreign_subresources() {
        let list = api_resource_list(KINDS, "", "v1").unwrap();
        assert_eq!(list["groupVersion"], "v1");
        let resources = list["resources"].as_array().unwrap();
        let named = |name: &str| resources.iter().find(|entry| entry["name"] == name).unwrap();
        assert_eq!(named("pods/eviction")["group"], "policy");
        assert_eq!(named("pods/log").get("group"), None);
        assert_eq!(named("pods")["shortNames"], json!(["po"]));
        assert_eq!(named("namespaces")["namespaced"], false);
        assert!(api_resource_list(KINDS, "apps", "v1beta1").is_none());
        assert_eq!(
            api_group(KINDS, "apps").unwrap()["preferredVersion"]["groupVersion"],
            "apps/v1"
        );
        assert!(api_group(KINDS, "batch").is_none());
    }
}
