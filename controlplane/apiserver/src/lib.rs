//! The HTTP edge of the registry: TLS, identity, discovery, verbs, watches, tables, tunnels.
//!
//! A request passes, in this order: the TLS connection (`serve`, `tls`) with the identity its
//! certificate tells (`identity`); what its path means (`path`); limits, authentication and
//! authorization (`server`); and the verb. Lists and watches hand on the registry's own bytes, which are
//! never decoded to be sent.
//!
//! It knows no kind by name, apart from what hangs below pods (log, exec, attach, portforward), and decides
//! nothing about objects: that is the registry's.

mod accept;
mod authorize;
mod discovery;
mod etag;
mod health;
mod identity;
mod impersonate;
mod join;
mod limits;
mod metrics;
mod openapi;
mod path;
pub mod pki;
mod query;
mod respond;
mod review;
mod serve;
mod server;
pub mod streaming;
pub mod tls;
mod verbs;
mod version;

pub use join::Membership;
pub use server::{ApiServer, ApiServerConfig, Progress};
pub use version::{GIT_VERSION, version};
