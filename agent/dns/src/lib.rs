//! Names of the cluster, answered on every node from what its agent knows anyway: no question of a pod goes
//! to the control plane, and a question about a Service leaves the machine never.
//!
//! The protocol's messages are hickory-proto's; which names there are, and the server with its bounds, are
//! ours. Nothing here knows where Services come from, or that a dataplane leads pods to this server.
//!
//! ```text
//! Service, slices -> records -> zone <- answer <- respond (direct, request) <- server (UDP, TCP) <- pods
//!                                                                        |
//!                          forward: cache, upstreams, stub domains  <----+----> counts
//! ```

pub mod answer;
pub mod counts;
mod direct;
pub mod forward;
mod label;
pub mod records;
mod request;
pub mod respond;
mod reverse;
pub mod search;
mod server;
pub mod why;
pub mod zone;

pub use forward::Upstreams;
pub use hickory_proto::rr::RecordType;
pub use server::{Found, ListenError, Server, ServerConfig, Sockets, ask_server};
