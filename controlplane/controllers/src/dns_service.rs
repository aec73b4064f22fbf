//! The Service `kube-dns` in namespace `kube-system`: the address that pods ask for names. It selects no
//! pods and has no endpoints here: on every node the agent is its endpoint, for the processes of that node.

use std::net::IpAddr;

use serde_json::json;
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::Client;

const NAMESPACE: &str = "kube-system";
const NAME: &str = "kube-dns";

/// Ensures the Service. One that is there stays as it is: somebody may have changed it on purpose.
///
/// # Errors
/// What the registry says, for instance that the address is taken by another Service.
pub async fn ensure(client: &dyn Client, service_ip: IpAddr) -> Result<(), Status> {
    // Looks first: to create it again would be refused because its address is taken, by itself.
    match client.get(&resource::SERVICES, &ObjectKey::new(NAMESPACE, NAME)).await {
        Err(status) if status.is_not_found() => {}
        result => return result.map(drop),
    }
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": NAME, "namespace": NAMESPACE, "labels": {
            "k8s-app": NAME, "kubernetes.io/cluster-service": "true" } },
        "spec": {
            "type": "ClusterIP", "clusterIP": service_ip.to_string(),
            "ports": [
                { "name": "dns", "protocol": "UDP", "port": 53 },
                { "name": "dns-tcp", "protocol": "TCP", "port": 53 },
            ],
        },
    });
    client.create(&resource::SERVICES, NAMESPACE, service).await.map(drop)
}
