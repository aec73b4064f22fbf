//! The only user of the store: authorize, default, validate, admit, write; and the watch cache.
//!
//! Reads and watches are served from memory, as shared serialized bytes. Every write, from wherever
//! it comes, takes the same path (module `write`); what it relied on is a condition of its
//! transaction, so that no race and no crash leaves anything half done. [`Registry`] also
//! implements `sheave_client::Client`, the door of the control plane's own parts.

mod admission;
mod authorize;
mod cache;
mod client;
mod expiry;
mod identity;
mod keys;
mod options;
mod page;
mod pool_claims;
mod read;
mod registry;
mod watch;
mod write;

pub use identity::{Action, Identity};
pub use options::{
    DeleteOptions, Deleted, Event, ListOptions, ListResult, ResourceVersion, ResourceVersionMatch,
    Target, WatchOptions, WriteOptions,
};
pub use registry::{OpenError, Registry, RegistryConfig};
pub use watch::Watch;
