//! Fuzzing of what is pure: a target takes any bytes, makes of them what it needs, and panics when a promise
//! is broken. Coverage-guided search (`cargo xtask fuzz`) keeps the inputs that reached something new in
//! `corpus/`; the tests of this crate try all of them again, and each input that once broke something.
//!
//! ```text
//! dns        messages of clients and of upstreams, and the responses to them
//! packets    packets of any kind at all hooks of two nodes, on tables that change beneath them
//! services   Services and endpoints come, change and go at random: what is written to the maps, one entry
//!            after the other, and what readers find there meanwhile
//! ```

pub mod dns;
mod input;
pub mod packets;
pub mod services;

pub use input::Input;
