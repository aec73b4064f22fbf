//! Services and their endpoints, made through the API.

use super::super::proxy::for_each;
use super::super::slice::{endpoint, endpoint_slice};
use super::server::Server;
use crate::traffic::Ask;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// How many Services.
pub(super) const SERVICES: usize = 5000;
/// Of each Service.
pub(super) const ENDPOINTS: usize = 10;
pub(super) const NAMESPACE: &str = "push";

/// The first pod's address: the cluster's range.
const FIRST_POD: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 0);
const JSON: &str = "application/json";

/// Makes all of them.
pub(super) fn create(server: &Server) -> Result<()> {
    let namespace = json!({ "metadata": { "name": NAMESPACE } });
    post(server, "/api/v1/namespaces", &namespace)?;
    for_each(0..SERVICES as u32, |number| {
        let number = number as usize;
        post(server, &slices_path(), &slice(number))?;
        post(server, &format!("/api/v1/namespaces/{NAMESPACE}/services"), &service(number))
    })
}

/// Replaces the endpoints of a Service: one of them is ready no more.
pub(super) fn change(server: &Server, number: usize, endpoint: usize) -> Result<()> {
    let mut endpoints = endpoints(number);
    endpoints[endpoint]["conditions"]["ready"] = false.into();
    let patch = json!({ "endpoints": endpoints }).to_string();
    let path = format!("{}/{}", slices_path(), name(number));
    let body = Some(("application/merge-patch+json", patch.as_str()));
    server.ask(&Ask { method: "PATCH", path: &path, body }).map(drop)
}

/// Of a Service, and of its slice.
pub(super) fn name(number: usize) -> String {
    format!("web-{number}")
}

fn slices_path() -> String {
    format!("/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices")
}

fn post(server: &Server, path: &str, object: &Value) -> Result<()> {
    let body = object.to_string();
    let asked = server.ask(&Ask { method: "POST", path, body: Some((JSON, &body)) });
    asked.map(drop).with_context(|| format!("create {}", object["metadata"]["name"]))
}

/// Without a selector: its slice is ours.
fn service(number: usize) -> Value {
    json!({
        "metadata": { "name": name(number) },
        "spec": { "ports": [{ "name": "http", "port": 80, "targetPort": 8080 }] },
    })
}

fn slice(number: usize) -> Value {
    endpoint_slice(&name(number), 8080, &endpoints(number))
}

fn endpoints(number: usize) -> Vec<Value> {
    (0..ENDPOINTS).map(|endpoint| endpoint_of(number * ENDPOINTS + endpoint)).collect()
}

/// Of a pod, by its number among all.
fn endpoint_of(pod: usize) -> Value {
    let name = format!("web-{}-{:05x}", pod / ENDPOINTS, pod);
    let mut endpoint = endpoint(Ipv4Addr::from(u32::from(FIRST_POD) + pod as u32), true);
    endpoint["nodeName"] = format!("hollow-{:03}", pod % super::NODES + 1).into();
    endpoint["targetRef"] = json!({
        "kind": "Pod", "namespace": NAMESPACE, "name": name,
        "uid": format!("5ea7e000-0000-4000-8000-{pod:012x}"),
    });
    endpoint
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_endpoint_has_an_address_of_its_own_in_the_clusters_range() {
        let all = (0..SERVICES).flat_map(endpoints);
        let addresses: BTreeSet<Ipv4Addr> =
            all.map(|one| one["addresses"][0].as_str().unwrap().parse().unwrap()).collect();
        assert_eq!(addresses.len(), SERVICES * ENDPOINTS);
        assert!(addresses.iter().all(|address| address.octets()[..2] == [10, 244]));
    }
}
