//! What the test programs in `tests/` share: a real cluster that cleans up after itself, kubectl,
//! deadlines that explain themselves, and a record of what is on the machine.
//!
//! Not a place for assertions about Sheave: those stand in the test programs, where they are read.

pub mod agent_socket;
pub mod cgroup;
pub mod cluster;
pub mod command;
pub mod connections;
pub mod dns;
pub mod echo;
pub mod flood;
pub mod http;
pub mod image;
pub mod iperf;
pub mod joined;
pub mod kernel;
pub mod kubectl;
pub mod lab;
pub mod load;
pub mod lookups;
pub mod machine;
pub mod name_flood;
pub mod netns;
pub mod nfs;
pub mod node;
pub mod nodes;
pub mod peers;
pub mod pod_hook;
pub mod pod_server;
pub mod probe;
pub mod scratch;
pub mod server;
pub mod services;
pub mod site;
pub mod sole;
pub mod veth;
pub mod wait;
