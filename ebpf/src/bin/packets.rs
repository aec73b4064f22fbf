//! The tc programs: what a pod sends, what comes in from the network, what leaves to it.

#![no_std]
#![no_main]

use core::ptr::null_mut;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::{BPF_F_INGRESS, BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR};
use aya_ebpf::bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC};
use aya_ebpf::helpers::generated::{
    bpf_redirect, bpf_redirect_neigh, bpf_redirect_peer, bpf_skb_change_tail,
};
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use sheave_ebpf::maps::Maps;
use sheave_ebpf::packet::{Covered, Packet, Verdict};
use sheave_ebpf::wire::Header;
use sheave_ebpf::{pod, uplink};

/// Ingress of the host's end of a pod's veth.
#[classifier]
fn pod_ingress(context: TcContext) -> i32 {
    let verdict = pod::ingress(&mut Skb(&context), &Maps);
    act(verdict)
}

/// Ingress of an interface that leads out of the node.
#[classifier]
fn uplink_ingress(context: TcContext) -> i32 {
    let verdict = uplink::ingress(&mut Skb(&context), &Maps);
    act(verdict)
}

/// Egress of the same.
#[classifier]
fn uplink_egress(context: TcContext) -> i32 {
    let verdict = uplink::egress(&mut Skb(&context), &Maps);
    act(verdict)
}

/// The one place where a verdict becomes what tc understands. UNSPEC lets the next program have its say.
#[inline(always)]
fn act(verdict: Verdict) -> i32 {
    match verdict {
        Verdict::Pass => TC_ACT_UNSPEC,
        Verdict::Drop => TC_ACT_SHOT as i32,
        // SAFETY: helpers that take plain numbers.
        Verdict::Peer(ifindex) => unsafe { bpf_redirect_peer(ifindex, 0) as i32 },
        // SAFETY: no parameters given: the helper asks the routes itself.
        Verdict::Neighbour(ifindex) => unsafe {
            bpf_redirect_neigh(ifindex, null_mut(), 0, 0) as i32
        },
        // SAFETY: as above.
        Verdict::Egress(ifindex) => unsafe { bpf_redirect(ifindex, 0) as i32 },
        // SAFETY: as above.
        Verdict::Ingress(ifindex) => unsafe { bpf_redirect(ifindex, BPF_F_INGRESS.into()) as i32 },
    }
}

struct Skb<'a>(&'a TcContext);

impl Packet for Skb<'_> {
    #[inline(always)]
    fn at<H: Header>(&mut self, offset: usize) -> Option<&mut H> {
        let start = self.0.data() + offset;
        if start + size_of::<H>() > self.0.data_end() {
            return None;
        }
        // SAFETY: the whole of H lies before data_end; any bytes are an H, at any alignment. The borrow
        // ends before the next call that could move the data.
        Some(unsafe { &mut *(start as *mut H) })
    }

    #[inline(always)]
    fn pull(&mut self, len: u32) {
        // If it fails the next bounds check does, and the packet is left to the stack.
        let _ = self.0.pull_data(len);
    }

    #[inline(always)]
    fn resize(&mut self, len: u32) -> bool {
        // SAFETY: the context is the one the kernel gave us.
        unsafe { bpf_skb_change_tail(self.0.skb.skb, len, 0) == 0 }
    }

    #[inline(always)]
    fn update_l4_checksum(
        &mut self,
        offset: usize,
        from: u32,
        to: u32,
        what: Covered,
        udp: bool,
    ) -> bool {
        let covered = match what {
            Covered::Address => u64::from(BPF_F_PSEUDO_HDR) | 4,
            Covered::Port => 2,
        };
        let udp = if udp { u64::from(BPF_F_MARK_MANGLED_0) } else { 0 };
        self.0.l4_csum_replace(offset, from.into(), to.into(), covered | udp).is_ok()
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        let _ = self.0.as_ptr();
        // SAFETY: the context is the one the kernel gave us.
        unsafe { (*self.0.skb.skb).ifindex }
    }
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier refuses a program in which this can be reached.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
