//! Who is a node of the cluster, asked over the node protocol: the push server on a registry of its own, and
//! machines that say which certificate they have.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod labels;
mod removed;
mod serving;
mod tunnels;
