//! Where desired state comes from: the push stream of our control plane, or files.
//!
//! A source decodes its wire format once, here, into `sheave_core::model`; what cannot be decoded is
//! reported with the field that is wrong and left out, and never harms the rest. Sources do not know the
//! dataplane or the kubelet: what is for the kubelet is passed on in the node protocol's own words.
//!
//! ```text
//! push     tonic, mutual TLS -> message (protocol messages -> model) -> Change
//!          outbox: statuses, events and acks on their way back, kept until a connection takes them
//!          view: the last complete state on disk, for a node that starts while the server is away
//! file     manifests below a path -> manifest (Kubernetes objects -> model) -> Update
//! ```

pub mod file;
pub mod invalid;
pub mod manifest;
pub mod message;
mod outbox;
pub mod push;
mod renewal;
mod session;
mod tunnel;
mod view;

pub use push::{Change, Connection, Generation, PodChange, Push, PushConfig, ThisNode, What};
pub use sheave_join::NodeFiles;
pub use tunnel::{FromClient, Tunnels};
