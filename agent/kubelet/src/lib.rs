//! The only owner of CRI: pods, volumes, probes, images, logs, exec, status.
//!
//! It is told what this node's pods are and makes the container runtime run them; it says back what it
//! sees. It knows nothing of Services, of the dataplane or of how its input reached the node.
//!
//! # Entry points
//!
//! ```text
//! let (kubelet, mut outgoing) = Kubelet::start(KubeletConfig::new("node-1", vec![node_ip])).await?;
//! kubelet.node_object()            -> v1 Node as JSON, for Hello and for registration
//! kubelet.update(Update::...).await   what the node must run, in the order the source sends it
//! kubelet.tunnel(request, from_client)    exec, attach, port-forward, logs: a stream of answers
//! outgoing.recv().await            -> Outgoing::{PodStatus, PodEnded, Event, NodeStatus, HostPorts}
//! kubelet.stop()                   ends the agent's part; pods and runtime go on
//! cleanup::run(&config, cleanup::Mode::DryRun)   takes everything away, or lists it
//! ```
//!
//! A source sends [`Update::Init`], everything it knows, then [`Update::InitDone`]; only then does the
//! absence of a pod mean that it is gone, and not after [`Update::Recalled`]. ConfigMaps and Secrets go before the pods that use them.
//!
//! # The house
//!
//! ```text
//! pod/decode   v1 Pod -> pod::spec types, once; what we do not support is named, never dropped
//! pod/plan     (spec, observed, progress) -> actions       pure
//! pod/status   (spec, observed, progress) -> v1 PodStatus  pure
//! pod/worker   one task a pod: observes, plans, applies, reports
//! cri          the interface to the runtime and its events
//! runtime      the containerd we supervise, its configuration, its first images
//! host_ports   which ports of the node lead to which pod
//! socket_hooks pods whose sockets are left alone
//! volumes env network cgroups probes hooks logs tunnel node cleanup: what the names say
//! ```

mod cgroups;
pub mod cleanup;
mod config;
mod context;
mod cri;
mod data;
mod dispatch;
mod env;
mod hooks;
mod host_ports;
mod images;
mod interface;
mod kubelet;
mod log_files;
mod logs;
mod machine;
mod network;
mod node;
mod pod;
mod probes;
mod pull_secrets;
mod quantity;
mod recorder;
mod runtime;
mod service_links;
mod socket_hooks;
mod termination;
mod tunnel;
mod volumes;

pub use config::{CgroupDriver, ClusterDns, KubeletConfig, ManagedRuntime, RuntimeChoice};
pub use interface::{HostPorts, Outgoing, Update};
pub use kubelet::{Kubelet, StartError};
pub use network::Resolver;
pub use service_links::{ServiceLink, ServiceLinks};
pub use socket_hooks::SocketHooks;

/// An error with its causes, for messages that users read.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
