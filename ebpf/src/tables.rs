//! The maps, the clock and chance, as the packet logic sees them.

use sheave_abi::endpoint::Endpoint;
use sheave_abi::event::Event;
use sheave_abi::flow::{Flow, FlowKey, FragmentKey, FragmentPorts};
use sheave_abi::limits::UPDATE_TRIES;
use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::{Affinity, AffinityKey, Backend, Frontend, FrontendKey};
use sheave_abi::settings::Settings;
use sheave_abi::socket::{SocketKey, SocketPeer};
use sheave_abi::trace::Record;
use sheave_abi::tunnel::{Carriage, Overlay, Remote};
use sheave_abi::uplink::Uplink;

use crate::packet::Work;
use crate::{flow, masquerade, service};

/// An entry could not be written; the caller decides what that means and counts it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapBusy;

/// Makes an update until it does not meet a locked bucket, [`UPDATE_TRIES`] times at most. `retried` is told
/// of each time but the first.
#[inline(always)]
pub fn persist(mut update: impl FnMut() -> bool, mut retried: impl FnMut()) -> Result<(), MapBusy> {
    for attempt in 0..UPDATE_TRIES {
        if attempt != 0 {
            retried();
        }
        if update() {
            return Ok(());
        }
    }
    Err(MapBusy)
}

/// Which of the two maps of flows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Stage {
    /// `OPENING`.
    Opening,
    /// `FLOWS`.
    Established,
}

/// What the programs ask of the kernel beside the packet. Entries are read where they lie; one may be
/// replaced at any moment, but none goes away before the program has ended.
pub trait Tables {
    /// Room to work in, for one packet. The caller asks once.
    #[expect(
        clippy::mut_from_ref,
        reason = "each CPU has room of its own, asked for once a packet"
    )]
    fn work(&self) -> Option<&mut Work>;
    /// `FRONTENDS`: a copy, and what stood there when it was made.
    fn frontend(&self, key: &FrontendKey) -> Option<Frontend>;
    /// `FRONTENDS`: whether there is one.
    fn has_frontend(&self, key: &FrontendKey) -> bool;
    /// `SLOTS`: a backend id, 0 for none.
    fn slot(&self, index: u32) -> Option<u32>;
    /// `BACKENDS`.
    fn backend(&self, id: u32) -> Option<&Backend>;
    /// `SOURCES`: whether the service takes clients from `addr`.
    fn source(&self, service: u32, addr: &Addr) -> bool;
    /// `ENDPOINTS`.
    fn endpoint(&self, addr: &Addr) -> Option<&Endpoint>;
    /// `NAMESPACES`: the cookie of the network namespace that has this address.
    fn netns_cookie(&self, addr: &Addr) -> Option<u64>;
    /// `UPLINKS`.
    fn uplink(&self, ifindex: u32) -> Option<&Uplink>;
    /// `REMOTES`: how a pod of another node, or the node, is reached.
    fn remote(&self, addr: &Addr) -> Option<Remote>;
    /// `PEERS`: the number of the node of the cluster that has this address.
    fn peer(&self, addr: &Addr) -> Option<u32>;
    /// `CARRIERS`: that address again.
    fn carrier(&self, number: u32) -> Option<&Addr>;
    /// `OVERLAY`.
    fn overlay(&self) -> Overlay;
    /// `CARRIAGE`.
    fn carriage(&self) -> Option<&Carriage>;
    /// `ANSWERING`: whether flows may have been opened to whoever is behind this interface; 0 is the node.
    fn answers(&self, ifindex: u32) -> bool;
    /// `ANSWERING`: from now on.
    fn will_answer(&self, ifindex: u32);
    /// `FLOWS` or `OPENING`.
    fn flow(&self, stage: Stage, key: &FlowKey) -> Option<&Flow>;
    /// Likewise.
    fn put_flow(&self, stage: Stage, key: &FlowKey, flow: &Flow) -> Result<(), MapBusy>;
    /// Likewise: renews the time and adds flags, if the entry is there. Says whether it is.
    fn touch_flow(&self, stage: Stage, key: &FlowKey, seen_s: u32, flags: u32) -> bool;
    /// Likewise: takes the entry out, if it is there.
    fn end_flow(&self, stage: Stage, key: &FlowKey);
    /// `FRAGMENTS`.
    fn fragment(&self, key: &FragmentKey) -> Option<&FragmentPorts>;
    /// `FRAGMENTS`; one that cannot be kept costs the datagram.
    fn put_fragment(&self, key: &FragmentKey, ports: &FragmentPorts);
    /// `OPTED_OUT`: whether the sockets of the network namespace with this cookie are left alone.
    fn opted_out(&self, netns_cookie: u64) -> bool;
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
    /// `EVENTS`; lost when nobody reads.
    fn emit(&self, record: &Record);
    /// Any 32 bits.
    fn random(&self) -> u32;
    /// Seconds of the monotonic clock.
    fn now_s(&self) -> u32;
    /// Nanoseconds of the same.
    fn now_ns(&self) -> u64;

    // Steps that are taken many times over. The programs make each a function that the verifier walks by
    // itself, once, and not again for every time that it is called.

    /// [`flow::any_port`].
    fn any_port(&self) -> Option<Be16>
    where
        Self: Sized,
    {
        flow::any_port(self)
    }
    /// [`flow::is_told_apart`].
    fn is_told_apart(&self, work: &mut Work) -> bool
    where
        Self: Sized,
    {
        flow::is_told_apart(self, work)
    }
    /// [`service::forget`].
    fn forget(&self, work: &mut Work)
    where
        Self: Sized,
    {
        service::forget(self, work);
    }
    /// [`masquerade::is_free`].
    fn is_free(&self, work: &mut Work, hastily: bool) -> bool
    where
        Self: Sized,
    {
        masquerade::is_free(self, work, hastily)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_that_meets_a_locked_bucket_is_made_again_and_counted() {
        for busy in 0..UPDATE_TRIES {
            let (mut made, mut retried) = (0, 0);
            let update = || {
                made += 1;
                made > busy
            };
            assert_eq!(persist(update, || retried += 1), Ok(()), "busy {busy} times");
            assert_eq!((made, retried), (busy + 1, busy));
        }
        let mut retried = 0;
        assert_eq!(persist(|| false, || retried += 1), Err(MapBusy), "not for ever");
        assert_eq!(retried, UPDATE_TRIES - 1);
    }
}
