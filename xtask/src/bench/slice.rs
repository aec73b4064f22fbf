//! EndpointSlices that benches write in place of their controller, as it writes them for pods.

use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// The only one of a Service, and named as that. Its port is called `http`, as the Service's is.
pub(super) fn endpoint_slice(service: &str, port: u16, endpoints: &[Value]) -> Value {
    json!({
        "metadata": {
            "name": service,
            "labels": {
                "kubernetes.io/service-name": service,
                "endpointslice.kubernetes.io/managed-by": "xtask-bench",
            },
        },
        "addressType": "IPv4",
        "ports": [{ "name": "http", "port": port, "protocol": "TCP" }],
        "endpoints": endpoints,
    })
}

/// What serves there if it is ready, and nothing else if it is not.
pub(super) fn endpoint(address: Ipv4Addr, is_ready: bool) -> Value {
    let conditions = json!({ "ready": is_ready, "serving": is_ready, "terminating": false });
    json!({ "addresses": [address], "conditions": conditions })
}
