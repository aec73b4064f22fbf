//! Packet logic, pure: the same functions run in the kernel programs and in host tests.
//!
//! ```text
//! wire      headers as bytes            checksum  RFC 1624
//! packet    trait Packet: bounds-checked access; parsing       } what the kernel gives,
//! tables    trait Tables: the maps, the clock, chance          } as traits
//! select    frontend -> backend          flow      a packet's flow and its backend
//! nat       rewriting an address and a port
//! refuse    TCP reset, ICMP port unreachable, echo reply
//! deliver   into a pod of this node, or out to a client
//! pod, uplink   the two sides of the packet path, one function a hook
//! socket    the socket hooks
//! ```
//!
//! Nothing here panics, allocates or loops without a bound: the verifier proves it for every path.

#![no_std]

pub mod checksum;
pub mod deliver;
pub mod flow;
pub mod nat;
pub mod packet;
pub mod pod;
pub mod refuse;
pub mod select;
pub mod socket;
pub mod tables;
pub mod uplink;
pub mod wire;

#[cfg(feature = "programs")]
pub mod maps;

#[cfg(test)]
extern crate std;
#[cfg(test)]
mod fake;
