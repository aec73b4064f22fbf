//! Load balancer addresses on the local network: of the nodes of a cluster, one answers for each address,
//! by ARP (RFC 826, RFC 5227) and NDP (RFC 4861), and another takes over within two seconds when that node,
//! its agent or its link dies. Without the API server, which may be down with that very node.
//!
//! ```text
//!  core's model --> candidates --+                    +-- announcements: gratuitous ARP, unsolicited NA
//!                                v                    |
//!  heartbeats <--> membership -> claims (by owner) ---+-- answers to ARP requests and solicitations
//! ```
//!
//! - [`candidates`]: the addresses this node could announce.
//! - `heartbeat`, `speaker`, `membership`: nodes find each other by small signed multicasts on the segment
//!   itself, because what must be known is who can be reached *there*: a node whose network card is dead may
//!   well reach an API server, and one that cannot reach it may serve.
//! - `owner`, `claims`: who announces which address, by rendezvous hashing and the claims that are heard.
//! - `announcements`, `packet`: what is said on the wire.
//! - `segment`: all of that for one uplink, as a state machine without I/O; `uplink` gives it sockets.
//!
//! The addresses are on no interface, so that nothing is left behind when an agent dies; and nothing here is
//! in the packet path: a node that announces nothing still serves what arrives. Who announces decides where
//! clients send packets, and nothing else.
//!
//! Not here: handing out addresses, which is the control plane's, and telling routers (BGP).

mod announcements;
mod announcer;
mod candidates;
mod claims;
mod counters;
mod frames;
mod groups;
mod heartbeat;
mod key;
mod link;
mod membership;
mod multicast;
mod owner;
mod packet;
mod pool;
mod receive;
mod segment;
mod speaker;
mod status;
mod timing;
mod uplink;

pub use announcer::{AnnounceError, Announcer, AnnouncerConfig};
pub use candidates::candidates;
pub use counters::Counters;
pub use key::{ClusterKey, SecretTooShort};
pub use pool::{AddressRange, NoRange};
pub use status::{Announced, Conflict, LeftToOthers, Member, UplinkStatus};
