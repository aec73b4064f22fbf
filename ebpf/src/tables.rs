//! The maps, the clock and chance, as the packet logic sees them.

use sheave_abi::endpoint::Endpoint;
use sheave_abi::event::Event;
use sheave_abi::flow::{Flow, FlowKey};
use sheave_abi::order::Addr;
use sheave_abi::service::{Affinity, AffinityKey, Backend, Frontend, FrontendKey};
use sheave_abi::settings::Settings;
use sheave_abi::socket::{SocketKey, SocketPeer};

/// An entry could not be written; the caller decides what that means and counts it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapBusy;

/// What the programs ask of the kernel beside the packet. Entries are read where they lie; one may be
/// replaced at any moment, but none goes away before the program has ended.
pub trait Tables {
    /// `FRONTENDS`.
    fn frontend(&self, key: &FrontendKey) -> Option<&Frontend>;
    /// `SLOTS`: a backend id, 0 for none.
    fn slot(&self, index: u32) -> Option<u32>;
    /// `BACKENDS`.
    fn backend(&self, id: u32) -> Option<&Backend>;
    /// `ENDPOINTS`.
    fn endpoint(&self, addr: &Addr) -> Option<&Endpoint>;
    /// `FLOWS`.
    fn flow(&self, key: &FlowKey) -> Option<&Flow>;
    /// `FLOWS`.
    fn put_flow(&self, key: &FlowKey, flow: &Flow) -> Result<(), MapBusy>;
    /// `SOCKETS`.
    fn socket(&self, key: &SocketKey) -> Option<&SocketPeer>;
    /// `SOCKETS`.
    fn put_socket(&self, key: &SocketKey, peer: &SocketPeer) -> Result<(), MapBusy>;
    /// `AFFINITY`.
    fn affinity(&self, key: &AffinityKey) -> Option<&Affinity>;
    /// `AFFINITY`; an entry that cannot be kept costs the client its place, not its connection.
    fn put_affinity(&self, key: &AffinityKey, affinity: &Affinity);
    /// `SETTINGS`.
    fn settings(&self) -> Option<&Settings>;
    /// `COUNTERS`.
    fn count(&self, event: Event);
    /// Any 32 bits.
    fn random(&self) -> u32;
    /// Seconds of the monotonic clock.
    fn now_s(&self) -> u32;
}
