//! The Service `kubernetes` in namespace `default`: how pods reach the API server.

use std::net::IpAddr;

use serde_json::{Value, json};
use sheave_api::{GroupResource, ObjectKey, Status, resource};
use sheave_client::Client;

const NAMESPACE: &str = "default";
const NAME: &str = "kubernetes";

/// Ensures the Service, its Endpoints and its EndpointSlice.
///
/// # Errors
/// What the registry says, for instance that the address is taken by another Service.
pub async fn ensure(
    client: &dyn Client,
    service_ip: IpAddr,
    server_ip: IpAddr,
    server_port: u16,
) -> Result<(), Status> {
    let family = if server_ip.is_ipv4() { "IPv4" } else { "IPv6" };
    let port = json!({ "name": "https", "protocol": "TCP", "port": server_port });
    let labels = json!({ "component": "apiserver", "provider": "kubernetes" });
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": NAME, "namespace": NAMESPACE, "labels": labels },
        "spec": {
            "type": "ClusterIP", "clusterIP": service_ip.to_string(),
            "sessionAffinity": "None",
            "ports": [{ "name": "https", "protocol": "TCP", "port": 443, "targetPort": server_port }],
        },
    });
    let endpoints = json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": { "name": NAME, "namespace": NAMESPACE, "labels": {
            "endpointslice.kubernetes.io/skip-mirror": "true" } },
        "subsets": [{ "addresses": [{ "ip": server_ip.to_string() }], "ports": [port] }],
    });
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": { "name": NAME, "namespace": NAMESPACE, "labels": {
            "kubernetes.io/service-name": NAME } },
        "addressType": family, "ports": [port],
        "endpoints": [{ "addresses": [server_ip.to_string()], "conditions": { "ready": true } }],
    });
    create_if_absent(client, &resource::SERVICES, service).await?;
    create_or_replace(client, &resource::ENDPOINTS, endpoints, &["subsets"]).await?;
    create_or_replace(client, &resource::ENDPOINT_SLICES, slice, &["ports", "endpoints"]).await
}

/// Looks first: to create the Service again would be refused because its address is taken, by itself.
async fn create_if_absent(
    client: &dyn Client,
    of: &GroupResource,
    object: Value,
) -> Result<(), Status> {
    match client.get(of, &ObjectKey::new(NAMESPACE, NAME)).await {
        Err(status) if status.is_not_found() => {
            client.create(of, NAMESPACE, object).await.map(drop)
        }
        result => result.map(drop),
    }
}

/// The server's address may have changed since the last start.
async fn create_or_replace(
    client: &dyn Client,
    of: &GroupResource,
    object: Value,
    fields: &[&str],
) -> Result<(), Status> {
    let key = ObjectKey::new(NAMESPACE, NAME);
    match client.create(of, NAMESPACE, object.clone()).await {
        Err(status) if status.is_already_exists() => {}
        result => return result.map(drop),
    }
    let stored = client.get(of, &key).await?;
    let mut current: Value = serde_json::from_slice(&stored.json)
        .map_err(|error| Status::internal(error.to_string()))?;
    for field in fields {
        current[*field] = object[*field].clone();
    }
    client.update(of, &key, None, current).await.map(drop)
}
