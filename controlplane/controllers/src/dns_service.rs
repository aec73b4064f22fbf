//! The Service `kube-dns` in namespace `kube-system`: the addresses that pods ask for names. It selects no
//! pods and has no endpoints here: on every node the agent is its endpoint, for the processes of that node.

use std::net::IpAddr;

use serde_json::{Value, json};
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::{Client, Patch};

const NAMESPACE: &str = "kube-system";
const NAME: &str = "kube-dns";

/// Ensures the Service, with these addresses, one of each family. One that is there stays as it is, for
/// somebody may have changed it on purpose; but to one that has the first address alone, the second is added.
///
/// # Errors
/// What the registry says, for instance that an address is taken by another Service.
pub async fn ensure(client: &dyn Client, addresses: &[IpAddr]) -> Result<(), Status> {
    let Some(first) = addresses.first() else { return Ok(()) };
    // Looks first: to create it again would be refused because its address is taken, by itself.
    let key = ObjectKey::new(NAMESPACE, NAME);
    match client.get(&resource::SERVICES, &key).await {
        Err(status) if status.is_not_found() => {
            client.create(&resource::SERVICES, NAMESPACE, service(addresses)).await.map(drop)
        }
        Ok(there) if addresses.len() == 2 && has_only(&there.json, first) => {
            let mut spec = service(addresses)["spec"].take();
            spec.as_object_mut().map(|spec| spec.remove("ports"));
            let patch = Patch::Merge(json!({ "spec": spec }));
            client.patch(&resource::SERVICES, &key, None, patch).await.map(drop)
        }
        result => result.map(drop),
    }
}

fn service(addresses: &[IpAddr]) -> Value {
    let family = |address: &IpAddr| if address.is_ipv4() { "IPv4" } else { "IPv6" };
    let families: Vec<_> = addresses.iter().map(family).collect();
    let policy = if addresses.len() > 1 { "RequireDualStack" } else { "SingleStack" };
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": NAME, "namespace": NAMESPACE, "labels": {
            "k8s-app": NAME, "kubernetes.io/cluster-service": "true" } },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": addresses.first(), "clusterIPs": addresses,
            "ipFamilyPolicy": policy, "ipFamilies": families,
            "ports": [
                { "name": "dns", "protocol": "UDP", "port": 53 },
                { "name": "dns-tcp", "protocol": "TCP", "port": 53 },
            ],
        },
    })
}

fn has_only(service: &[u8], address: &IpAddr) -> bool {
    let service: Value = serde_json::from_slice(service).unwrap_or_default();
    service["spec"]["clusterIPs"] == json!([address])
}
