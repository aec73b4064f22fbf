//! The CNI plugin as a library: addresses, veth, routes, and the pinned endpoint map.
//!
//! A pod gets an address of the node's range, a veth whose host end carries the pinned program
//! `pod_ingress`, and an entry in the pinned map `ENDPOINTS`. None of this needs the agent to be running,
//! only to have run once. The plugin knows no pod, no Service and no API server; it never forwards packets
//! itself, and it leaves sysctls alone.
//!
//! ```text
//! pod netns                              host netns
//! eth0 10.244.0.7/32                     shv<hash>      (program pod_ingress at its ingress)
//! default via 169.254.1.1 onlink mtu M   10.244.0.7/32 dev shv<hash> mtu M
//! 10.244.0.0/24 via 169.254.1.1 onlink
//! 169.254.1.1 lladdr <host end>          10.244.0.7 lladdr <pod end>
//! ```
//!
//! `M` is the MTU of the node's uplink, or the one that was configured. Pods of one node send each other packets
//! as wide as a veth takes. Both neighbours are permanent, so neither side ever asks by ARP and proxy_arp stays off.

pub mod add;
pub mod address;
pub mod attachment;
pub mod bpf;
pub mod check;
pub mod classifier;
pub mod config;
pub mod failure;
pub mod netns;
pub mod network;
pub mod plugin;
pub mod remove;
pub mod route;
pub mod store;
