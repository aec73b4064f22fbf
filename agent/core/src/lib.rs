//! The agent's pure heart: a model of what should be, a plan of what the kernel should hold, and the
//! difference to what it holds.
//!
//! No I/O, no clock, no aya, no tonic, no Kubernetes client: everything here is a function of its
//! arguments, so that every rule can be tested without a kernel.
//!
//! ```text
//! Update -> ledger -> Model -> plan (what changed) -+
//!                                                   +-> engine -> Diff, written by the dataplane
//! maps -> Held -> mirror ---------------------------+          -> Retired, once readers have ended
//! ```

mod backends;
mod claims;
pub mod diff;
pub mod dump;
pub mod endpoints;
pub mod engine;
pub mod explain;
pub mod frontends;
pub mod held;
pub mod ledger;
mod list;
pub mod maglev;
mod mirror;
pub mod model;
pub mod plan;
pub mod pod_network;
mod port;
pub mod retirement;
mod slots;

#[cfg(test)]
mod tests;
