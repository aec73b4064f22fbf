//! The kubelet against a real containerd.
#![expect(clippy::unwrap_used, reason = "what a test cannot do without fails it")]

mod host_ports;
mod mishaps;
mod missing;
mod node;
mod running;
mod socket_hooks;
mod streams;
mod tunnel;

use node::{TestNode, key};
use serde_json::Value;
use sheave_push::v1;

fn ran(node: &TestNode, pod: &str) -> Value {
    node.status(pod)["containerStatuses"][0].clone()
}

fn object(name: &str, key_name: &str, value: &str) -> v1::DataObject {
    v1::DataObject {
        key: Some(key(name)),
        uid: name.into(),
        resource_version: String::new(),
        data: [(key_name.to_owned(), value.as_bytes().to_vec().into())].into(),
    }
}
