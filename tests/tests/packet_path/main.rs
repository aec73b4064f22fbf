//! The packet path with real interfaces: a node of network namespaces, two pods behind veths, clients
//! outside. No process is in a cgroup with socket hooks: what is translated is translated in packets.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test, and says where")]

mod elsewhere;
mod errors;
mod fragments;
mod ipv6;
mod mtu;
mod node;
mod programs;
mod traffic;
mod wire;
mod xdp;
mod xdp_programs;
