//! What kernel programs and user space share in maps: layouts and names, nothing else.
//!
//! No logic and no dependencies. Every struct is `repr(C)` without implicit padding, holds only integers
//! and byte arrays, and its size is asserted at compile time. Network order is a type, never a comment.

#![no_std]

pub mod endpoint;
pub mod event;
pub mod flow;
pub mod limits;
pub mod namespace;
pub mod order;
pub mod pins;
pub mod service;
pub mod settings;
pub mod socket;
pub mod trace;
pub mod tunnel;
pub mod uplink;
