//! Candidates to EndpointSlices, touching as few existing slices as possible. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::{Value, json};
use sheave_api::ObjectKey;

use super::candidates::{Candidate, Port, family_name};
use super::hints::Hints;
use crate::controller_reference;

const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Endpoints a slice.
const SLICE_LEN_MAX: usize = 100;

/// Writes that make the slices right.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) create: Vec<Value>,
    /// By name.
    pub(super) update: Vec<(String, Value)>,
    /// By name.
    pub(super) delete: Vec<String>,
}

/// The Service that one of our slices belongs to; `None` for slices of others.
pub(super) fn service_of(slice: &EndpointSlice, key: &ObjectKey) -> Option<ObjectKey> {
    let labels = slice.metadata.labels.as_ref()?;
    if labels.get(MANAGED_BY).map(String::as_str) != Some(MANAGER) {
        return None;
    }
    Some(ObjectKey::new(&key.namespace, labels.get(SERVICE_NAME)?))
}

/// Endpoints that may share a slice: same family, same ports.
type Group = (&'static str, Vec<Port>);

/// Compares candidates with the slices there are.
pub(super) fn plan(
    key: &ObjectKey,
    service: &Service,
    candidates: &[Candidate],
    existing: &[Value],
) -> Plan {
    let hints = Hints::of(service);
    let mut groups: BTreeMap<Group, BTreeMap<String, Value>> = BTreeMap::new();
    for candidate in candidates {
        let mut ports = candidate.ports.clone();
        ports.sort();
        let group = groups.entry((family_name(&candidate.address), ports)).or_default();
        group.insert(candidate.address.to_string(), endpoint(candidate, hints));
    }
    for family in families(service) {
        // A family without endpoints has an empty slice, so that everybody knows that there are none.
        if !groups.keys().any(|(of, _)| *of == family) {
            groups.insert((family, Vec::new()), BTreeMap::new());
        }
    }
    let mut plan = Plan::default();
    let mut used = BTreeSet::new();
    for ((family, ports), endpoints) in groups {
        let ports: Vec<Value> = ports.iter().map(port).collect();
        let slices: Vec<&Value> = existing
            .iter()
            .filter(|s| s["addressType"] == family && list(s, "ports") == ports)
            .collect();
        used.extend(slices.iter().map(|slice| name(slice).to_owned()));
        let template = template(key, service, family, &ports);
        fill(&mut plan, &template, &slices, endpoints);
    }
    let unused = existing.iter().map(name).filter(|name| !used.contains(*name));
    plan.delete.extend(unused.map(str::to_owned));
    plan
}

/// `spec.ipFamilies`, of which there is at least one.
fn families(service: &Service) -> Vec<&'static str> {
    let families = service.spec.as_ref().and_then(|spec| spec.ip_families.as_ref());
    let names = families.into_iter().flatten();
    let mut known: Vec<_> =
        names.map(|name| if name == "IPv6" { "IPv6" } else { "IPv4" }).collect();
    if known.is_empty() {
        known.push("IPv4");
    }
    known
}

/// Keeps every endpoint in the slice where it is; puts new ones where there is room.
fn fill(
    plan: &mut Plan,
    template: &Value,
    slices: &[&Value],
    mut endpoints: BTreeMap<String, Value>,
) {
    let mut contents: Vec<(&Value, Vec<Value>)> = Vec::new();
    for slice in slices {
        let kept = list(slice, "endpoints")
            .iter()
            .filter_map(|endpoint| endpoints.remove(endpoint["addresses"][0].as_str()?))
            .collect();
        contents.push((slice, kept));
    }
    let mut new = endpoints.into_values();
    for (_, content) in &mut contents {
        let room = SLICE_LEN_MAX.saturating_sub(content.len());
        content.extend(new.by_ref().take(room));
    }
    let no_slices = contents.is_empty();
    let emptiable = contents.iter().filter(|(_, content)| !content.is_empty()).count();
    let mut kept_empty = emptiable > 0;
    for (slice, content) in contents {
        // One slice stays even when it is empty, so that the next endpoint only means an update.
        if content.is_empty() && std::mem::replace(&mut kept_empty, true) {
            plan.delete.push(name(slice).to_owned());
            continue;
        }
        let mut wanted = (*slice).clone();
        for field in ["addressType", "ports", "endpoints"] {
            wanted[field] = template[field].clone();
        }
        for part in ["labels", "ownerReferences"] {
            wanted["metadata"][part] = template["metadata"][part].clone();
        }
        wanted["endpoints"] = Value::from(content);
        if !same(slice, &wanted) {
            plan.update.push((name(slice).to_owned(), wanted));
        }
    }
    let mut rest: Vec<Value> = new.collect();
    let mut wants_one = no_slices;
    while !rest.is_empty() || wants_one {
        wants_one = false;
        let mut slice = template.clone();
        let chunk: Vec<Value> = rest.drain(..rest.len().min(SLICE_LEN_MAX)).collect();
        slice["endpoints"] = Value::from(chunk);
        plan.create.push(slice);
    }
}

fn template(key: &ObjectKey, service: &Service, family: &str, ports: &[Value]) -> Value {
    let uid = service.metadata.uid.as_deref().unwrap_or_default();
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.insert(SERVICE_NAME.to_owned(), key.name.clone());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    let headless =
        service.spec.as_ref().and_then(|s| s.cluster_ip.as_deref()).is_some_and(|ip| ip == "None");
    if headless {
        labels.insert("service.kubernetes.io/headless".to_owned(), String::new());
    }
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "generateName": format!("{}-", key.name), "namespace": key.namespace,
            "labels": labels,
            "ownerReferences": [controller_reference("v1", "Service", &key.name, uid)],
        },
        "addressType": family, "ports": ports, "endpoints": [],
    })
}

fn port(port: &Port) -> Value {
    let mut value = json!({ "name": port.name, "protocol": port.protocol, "port": port.number });
    if let Some(app_protocol) = &port.app_protocol {
        value["appProtocol"] = json!(app_protocol);
    }
    value
}

fn endpoint(candidate: &Candidate, hints: Hints) -> Value {
    let mut value = json!({
        "addresses": [candidate.address.to_string()],
        "conditions": {
            "ready": candidate.ready(),
            "serving": candidate.serving || candidate.publish_not_ready,
            "terminating": candidate.terminating,
        },
        "nodeName": candidate.node_name,
        "targetRef": {
            "kind": "Pod", "namespace": candidate.pod.namespace, "name": candidate.pod.name,
            "uid": candidate.pod_uid,
        },
    });
    if !candidate.zone.is_empty() {
        value["zone"] = json!(candidate.zone);
    }
    if let Some(hints) = hints.of_endpoint(candidate) {
        value["hints"] = hints;
    }
    if let Some(hostname) = &candidate.hostname {
        value["hostname"] = json!(hostname);
    }
    value
}

fn same(slice: &Value, wanted: &Value) -> bool {
    list(slice, "endpoints") == list(wanted, "endpoints")
        && list(slice, "ports") == list(wanted, "ports")
        && slice["metadata"]["labels"] == wanted["metadata"]["labels"]
        // Of a Service that was deleted and made again, the old one's slices would be collected.
        && slice["metadata"]["ownerReferences"] == wanted["metadata"]["ownerReferences"]
}

fn list<'a>(slice: &'a Value, field: &str) -> &'a [Value] {
    slice[field].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn name(slice: &Value) -> &str {
    slice["metadata"]["name"].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        serde_json::from_value(json!({ "metadata": { "name": "web", "uid": "s" } })).unwrap()
    }

    fn candidate(last_octet: u8, serving: bool, terminating: bool) -> Candidate {
        Candidate {
            address: std::net::Ipv4Addr::new(10, 244, 0, last_octet).into(),
            ports: vec![Port {
                name: "http".into(),
                protocol: "TCP".into(),
                number: 8080,
                app_protocol: None,
            }],
            serving,
            terminating,
            publish_not_ready: false,
            node_name: "n1".into(),
            zone: String::new(),
            hostname: None,
            pod: ObjectKey::new("default", format!("p{last_octet}")),
            pod_uid: format!("u{last_octet}"),
        }
    }

    fn planned(candidates: &[Candidate], existing: &[Value]) -> Plan {
        plan(&ObjectKey::new("default", "web"), &service(), candidates, existing)
    }

    /// Carries out a plan, naming new slices in order.
    fn apply(existing: &[Value], plan: Plan) -> Vec<Value> {
        let mut slices: BTreeMap<String, Value> =
            existing.iter().map(|s| (name(s).to_owned(), s.clone())).collect();
        for name in plan.delete {
            slices.remove(&name);
        }
        slices.extend(plan.update);
        for mut slice in plan.create {
            let name = format!("web-{}", slices.len());
            slice["metadata"]["name"] = json!(name);
            slices.insert(name, slice);
        }
        slices.into_values().collect()
    }

    #[test]
    fn the_plan_reaches_a_fixed_point_and_then_writes_nothing() {
        let candidates: Vec<_> = (1..=150).map(|i| candidate(i, true, false)).collect();
        let slices = apply(&[], planned(&candidates, &[]));
        assert_eq!(slices.len(), 2);
        assert_eq!(planned(&candidates, &slices), Plan::default());
    }

    #[test]
    fn one_pod_less_touches_one_slice() {
        let mut candidates: Vec<_> = (1..=150).map(|i| candidate(i, true, false)).collect();
        let slices = apply(&[], planned(&candidates, &[]));
        candidates.remove(7);
        let plan = planned(&candidates, &slices);
        assert_eq!((plan.create.len(), plan.update.len(), plan.delete.len()), (0, 1, 0));
    }

    #[test]
    fn conditions_follow_the_pod() {
        let slices = apply(
            &[],
            planned(
                &[candidate(1, true, false), candidate(2, false, false), candidate(3, true, true)],
                &[],
            ),
        );
        let conditions: Vec<_> = list(&slices[0], "endpoints")
            .iter()
            .map(|e| {
                let c = &e["conditions"];
                [&c["ready"], &c["serving"], &c["terminating"]].map(|v| v.as_bool().unwrap())
            })
            .collect();
        assert_eq!(conditions, [[true, true, false], [false, false, false], [false, true, true]]);
    }

    #[test]
    fn a_change_of_traffic_distribution_changes_every_hint_and_nothing_else() {
        let mut candidate = candidate(1, true, false);
        candidate.zone = "a".into();
        let slices = apply(&[], planned(std::slice::from_ref(&candidate), &[]));
        assert_eq!(list(&slices[0], "endpoints")[0].get("hints"), None);
        let key = ObjectKey::new("default", "web");
        let mut service = service();
        let spec = service.spec.get_or_insert_default();
        spec.traffic_distribution = Some("PreferSameZone".into());
        let candidates = [candidate];
        let changed = plan(&key, &service, &candidates, &slices);
        assert_eq!(changed.update[0].1["endpoints"][0]["hints"]["forZones"][0]["name"], "a");
        let slices = apply(&slices, changed);
        assert_eq!(plan(&key, &service, &candidates, &slices), Plan::default());
        let back = apply(&slices, planned(&candidates, &slices));
        assert_eq!(list(&back[0], "endpoints")[0].get("hints"), None);
    }

    #[test]
    fn each_family_has_a_slice_of_its_own_were_it_an_empty_one() {
        let mut dual = service();
        let both = ["IPv6", "IPv4"].map(str::to_owned).to_vec();
        dual.spec.get_or_insert_default().ip_families = Some(both);
        let key = ObjectKey::new("default", "web");
        let mut candidates = vec![candidate(1, true, false)];
        let slices = apply(&[], plan(&key, &dual, &candidates, &[]));
        let len = |slices: &[Value], family: &str| -> Vec<usize> {
            let of_family = slices.iter().filter(|slice| slice["addressType"] == family);
            of_family.map(|slice| list(slice, "endpoints").len()).collect()
        };
        assert_eq!((len(&slices, "IPv4"), len(&slices, "IPv6")), (vec![1], vec![0]));
        assert_eq!(plan(&key, &dual, &candidates, &slices), Plan::default());
        let mut v6 = candidates[0].clone();
        v6.address = "fd00::1".parse().unwrap();
        candidates.push(v6);
        let slices = apply(&slices, plan(&key, &dual, &candidates, &slices));
        assert_eq!((len(&slices, "IPv4"), len(&slices, "IPv6")), (vec![1], vec![1]));
    }

    #[test]
    fn slices_of_a_service_made_again_change_their_owner() {
        let candidates = [candidate(1, true, false)];
        let slices = apply(&[], planned(&candidates, &[]));
        let mut again = service();
        again.metadata.uid = Some("other".into());
        let key = ObjectKey::new("default", "web");
        let plan = plan(&key, &again, &candidates, &slices);
        assert_eq!((plan.create.len(), plan.update.len(), plan.delete.len()), (0, 1, 0));
        assert_eq!(plan.update[0].1["metadata"]["ownerReferences"][0]["uid"], "other");
    }

    #[test]
    fn a_service_without_pods_has_one_empty_slice() {
        let slices = apply(&[], planned(&[], &[]));
        assert_eq!(slices.len(), 1);
        assert_eq!(planned(&[], &slices), Plan::default());
        let filled = apply(&slices, planned(&[candidate(1, true, false)], &slices));
        assert_eq!(filled.len(), 1);
        let emptied = apply(&filled, planned(&[], &filled));
        assert_eq!((emptied.len(), list(&emptied[0], "endpoints").len()), (1, 0));
    }
}
