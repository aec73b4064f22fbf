//! Packet logic, pure: the same functions run in the kernel programs and in host tests.
//!
//! ```text
//! wire      headers as bytes            checksum  RFC 1624
//! packet    trait Packet: bounds-checked access; parsing       } what the kernel gives,
//! tables    trait Tables: the maps, the clock, chance          } as traits
//! family    what differs between IPv4 and IPv6
//! select    frontend -> backend          flow      a flow and its translation
//! nat       rewriting a packet's ends    service   to a backend, back to a client
//! refuse    TCP reset, ICMP errors, echo reply
//! expired   ICMP time exceeded
//! width     ICMP packet too big
//! icmp_error  errors of others about a translated packet
//! fib       what the node's routes are asked
//! deliver   into a pod of this node, or out to a client
//! report    counters, and records for those who watch
//! masquerade  pods that leave the cluster
//! remote    pods of other nodes            tunnel    what is wrapped and unwrapped
//! carry     clients outside, to a backend of another node as they are
//! pod, uplink   the two sides of the packet path, one function a hook
//! xdp       the uplink, before the kernel has a socket buffer
//! host      processes of the node that no socket hook served
//! socket    the socket hooks
//! steps     what the verifier walks by itself
//! ```
//!
//! Nothing here panics, allocates or loops without a bound: the verifier proves it for every path.

#![no_std]

pub mod carry;
pub mod checksum;
pub mod deliver;
pub mod expired;
pub mod family;
pub mod fib;
pub mod flow;
pub mod host;
pub mod icmp_error;
pub mod masquerade;
pub mod nat;
pub mod packet;
pub mod pod;
pub mod refuse;
pub mod remote;
pub mod report;
pub mod select;
pub mod service;
pub mod socket;
pub mod tables;
pub mod tunnel;
pub mod uplink;
pub mod width;
pub mod wire;
pub mod xdp;

#[cfg(feature = "programs")]
pub mod maps;
#[cfg(feature = "programs")]
mod steps;

#[cfg(test)]
extern crate std;
#[cfg(test)]
mod fake;
