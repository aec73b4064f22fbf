//! Candidates to an Endpoints object, for clients that still read it. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};
use sheave_api::ObjectKey;

use super::candidates::{Candidate, Port};

/// Endpoints holds no more; larger Services are only complete in their slices.
const ADDRESSES_MAX: usize = 1000;
const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";

/// The object as it should be, or `None` when it already is.
pub(super) fn endpoints(
    key: &ObjectKey,
    service: &Service,
    candidates: &[Candidate],
    current: Option<&Value>,
) -> Option<Value> {
    // This form knows one family: the Service's first.
    let families = service.spec.as_ref().and_then(|spec| spec.ip_families.as_ref());
    let is_ipv6 = families.and_then(|names| names.first()).is_some_and(|name| name == "IPv6");
    let subsets = subsets(candidates, is_ipv6);
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.insert(MANAGED_BY.to_owned(), "endpoint-controller".to_owned());
    let mut wanted = current.cloned().unwrap_or_else(|| {
        json!({
            "apiVersion": "v1", "kind": "Endpoints",
            "metadata": { "name": key.name, "namespace": key.namespace },
        })
    });
    wanted["metadata"]["labels"] = json!(labels);
    match subsets.is_empty() {
        true => drop(wanted.as_object_mut().and_then(|o| o.remove("subsets"))),
        false => wanted["subsets"] = Value::from(subsets),
    }
    (current != Some(&wanted)).then_some(wanted)
}

/// One subset for each set of ports; addresses in order.
fn subsets(candidates: &[Candidate], is_ipv6: bool) -> Vec<Value> {
    let mut groups: BTreeMap<&[Port], BTreeMap<IpAddr, &Candidate>> = BTreeMap::new();
    let of_family = candidates.iter().filter(|c| c.address.is_ipv6() == is_ipv6);
    // A terminating pod was never part of this older form.
    for candidate in of_family.filter(|c| !c.terminating || c.publish_not_ready).take(ADDRESSES_MAX)
    {
        groups.entry(&candidate.ports).or_default().insert(candidate.address, candidate);
    }
    groups.into_iter().map(|(ports, members)| subset(ports, &members)).collect()
}

fn subset(ports: &[Port], members: &BTreeMap<IpAddr, &Candidate>) -> Value {
    let of = |ready: bool| -> Vec<Value> {
        members.values().filter(|c| c.ready() == ready).map(|c| address(c)).collect()
    };
    let mut subset = json!({});
    for (field, addresses) in [("addresses", of(true)), ("notReadyAddresses", of(false))] {
        if !addresses.is_empty() {
            subset[field] = Value::from(addresses);
        }
    }
    if !ports.is_empty() {
        subset["ports"] = ports.iter().map(port).collect();
    }
    subset
}

fn address(candidate: &Candidate) -> Value {
    let mut address = json!({
        "ip": candidate.address.to_string(), "nodeName": candidate.node_name,
        "targetRef": {
            "kind": "Pod", "namespace": candidate.pod.namespace, "name": candidate.pod.name,
            "uid": candidate.pod_uid,
        },
    });
    if let Some(hostname) = &candidate.hostname {
        address["hostname"] = json!(hostname);
    }
    address
}

fn port(port: &Port) -> Value {
    let mut value = json!({ "port": port.number, "protocol": port.protocol });
    if !port.name.is_empty() {
        value["name"] = json!(port.name);
    }
    if let Some(app_protocol) = &port.app_protocol {
        value["appProtocol"] = json!(app_protocol);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(last_octet: u8, serving: bool) -> Candidate {
        Candidate {
            address: std::net::Ipv4Addr::new(10, 244, 0, last_octet).into(),
            ports: vec![Port {
                name: String::new(),
                protocol: "TCP".into(),
                number: 8080,
                app_protocol: None,
            }],
            serving,
            terminating: false,
            publish_not_ready: false,
            node_name: "n1".into(),
            zone: String::new(),
            hostname: None,
            pod: ObjectKey::new("default", "p"),
            pod_uid: "u".into(),
        }
    }

    #[test]
    fn ready_and_not_ready_are_told_apart_and_nothing_is_written_twice() {
        let key = ObjectKey::new("default", "web");
        let service = Service::default();
        let candidates = [candidate(1, true), candidate(2, false)];
        let object = endpoints(&key, &service, &candidates, None).unwrap();
        assert_eq!(object["subsets"][0]["addresses"][0]["ip"], "10.244.0.1");
        assert_eq!(object["subsets"][0]["notReadyAddresses"][0]["ip"], "10.244.0.2");
        assert_eq!(endpoints(&key, &service, &candidates, Some(&object)), None);
        let empty = endpoints(&key, &service, &[], Some(&object)).unwrap();
        assert_eq!(empty.get("subsets"), None);
    }
}
