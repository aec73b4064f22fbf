//! Labels that a node brings, and what others make of them.

use serde_json::{Value, json};

use crate::serving::{OWN, Serving};

fn brought(hostname: &str, zone: &str) -> Value {
    json!({
        "kubernetes.io/hostname": hostname, "kubernetes.io/os": "linux", "example.com/zone": zone,
        "example.com/rack": "1",
    })
}

/// As kubelets have it: those that say what the machine is are its own, all others are for the first time.
#[tokio::test]
async fn what_an_administrator_made_of_labels_outlives_a_connection() {
    let serving = Serving::start().await;
    serving.join("vm-2", "a").await.unwrap();
    for machine in [serving.machine("vm-2", "a"), serving.machine(OWN, "b")] {
        let name = machine.node.as_str();
        machine.connect_with(brought("host", "a")).await.unwrap();
        assert_eq!(serving.node(name).await["metadata"]["labels"], brought("host", "a"), "{name}");
        let labels = json!({
            "example.com/zone": "b", "example.com/rack": null, "example.com/more": "c",
            "kubernetes.io/hostname": "other", "kubernetes.io/os": null,
        });
        serving.patch_node(name, json!({ "metadata": { "labels": labels } })).await;
        machine.connect_with(brought("host", "a")).await.unwrap();
        let expected = json!({
            "example.com/zone": "b", "example.com/more": "c", "kubernetes.io/hostname": "host",
            "kubernetes.io/os": "linux",
        });
        assert_eq!(serving.node(name).await["metadata"]["labels"], expected, "{name}");
    }
}
