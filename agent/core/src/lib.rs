//! The agent's pure heart: a model of what should be, a plan of what the kernel should hold, and the
//! difference to what it holds.
//!
//! No I/O, no clock, no aya, no tonic, no Kubernetes client: everything here is a function of its
//! arguments, so that every rule can be tested without a kernel.
//!
//! ```text
//! Update -> ledger -> Model -> plan -> Plan -+
//!                                            +-> diff -> Diff, written by the dataplane
//! maps -------------------------> Held ------+
//! ```

pub mod diff;
pub mod dump;
pub mod endpoints;
pub mod explain;
pub mod held;
pub mod ledger;
pub mod model;
pub mod plan;
mod slots;

#[cfg(test)]
mod tests;
