//! The lab: several nodes on one machine, real in all but the hardware. Each has a network with its own
//! uplink, its own containerd, agent, CNI configuration, BPF file system, cgroups, processes, host name and
//! disk; clients that belong to no cluster are machines likewise.
//!
//! It knows Sheave from outside, as a person with several machines does: programs, files, kubectl. It asserts
//! nothing; tests do.

mod cgroups;
mod error;
mod lab;
mod machine;
mod node;
mod plan;
mod run;
mod spec;
mod wire;

pub use error::LabError;
pub use lab::Lab;
pub use machine::Machine;
pub use plan::{Network, Place, Plan};
pub use spec::{Layout, Spec};
