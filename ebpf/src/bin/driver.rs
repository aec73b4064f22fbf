//! The XDP program: what comes in from the network, before the kernel has made a socket buffer of it. An
//! object of its own, loaded where a driver runs it.

#![no_std]
#![no_main]

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::{BPF_FIB_LKUP_RET_SUCCESS, xdp_action};
use aya_ebpf::helpers::generated::{bpf_fib_lookup, bpf_xdp_adjust_tail};
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use sheave_abi::flow::{Flow, FlowKey};
use sheave_abi::order::{Addr, Be16};
use sheave_ebpf::checksum::{of_addr, update, update_udp};
use sheave_ebpf::fib::Question;
use sheave_ebpf::maps::Maps;
use sheave_ebpf::packet::{Action, Packet, Socket, Verdict};
use sheave_ebpf::wire::{FrameAddresses, Header};
use sheave_ebpf::xdp::{self, Frame};

/// At an interface that leads out of the node, in its driver.
#[xdp]
fn uplink_xdp(context: XdpContext) -> u32 {
    act(xdp::ingress(&mut Buffer(&context), &Maps))
}

/// The one place where a verdict becomes what XDP understands.
#[inline(always)]
fn act(verdict: Verdict) -> u32 {
    match verdict.action {
        Action::Pass => xdp_action::XDP_PASS,
        Action::Drop => xdp_action::XDP_DROP,
        // Never another interface than the one it came in by.
        Action::Egress => xdp_action::XDP_TX,
        // The logic has no such verdicts; if it had, the kernel would count them.
        Action::Done | Action::Peer | Action::Neighbour | Action::Told | Action::Ingress => {
            xdp_action::XDP_ABORTED
        }
    }
}

struct Buffer<'a>(&'a XdpContext);

impl Packet for Buffer<'_> {
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
    fn pull(&mut self, _: u32) {
        // All of it is there.
    }

    #[inline(always)]
    fn resize(&mut self, len: u32) -> bool {
        let more = len.wrapping_sub(self.frame_len()) as i32;
        // SAFETY: the context is the one the kernel gave us.
        unsafe { bpf_xdp_adjust_tail(self.0.ctx, more) == 0 }
    }

    #[inline(always)]
    fn address_changes(&mut self, offset: usize, from: &Addr, to: &Addr, udp: bool) -> bool {
        self.word_changes(offset, of_addr(from), of_addr(to), udp)
    }

    #[inline(always)]
    fn word_changes(&mut self, offset: usize, from: Be16, to: Be16, udp: bool) -> bool {
        let Some(sum) = self.at::<Be16>(offset) else { return false };
        *sum = if udp { update_udp(*sum, from, to) } else { update(*sum, from, to) };
        true
    }

    #[inline(always)]
    fn way_out(&mut self, _: &Addr, _: &Addr) -> u32 {
        // Asked of what opens or renews a flow, which is tc's.
        0
    }

    #[inline(always)]
    fn wrap(&mut self, _: &Addr, _: u32) -> bool {
        // What leaves by the tunnel is tc's.
        false
    }

    #[inline(always)]
    fn socket(&mut self, _: &FlowKey) -> Socket {
        // Who opens flows asks; here nobody does.
        Socket::None
    }

    #[inline(always)]
    fn note_sent(&mut self, _: bool) {
        // There is no packet buffer yet to note it on, and a note of before is none.
    }

    #[inline(always)]
    fn is_sent(&self) -> bool {
        false
    }

    #[inline(always)]
    fn to_neighbour(&mut self, ifindex: u32, _: &Addr) -> Verdict {
        // What pods send is tc's.
        Verdict::neighbour(ifindex)
    }

    #[inline(always)]
    fn socket_cookie(&mut self) -> u64 {
        0
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        // SAFETY: the context is the one the kernel gave us.
        unsafe { (*self.0.ctx).ingress_ifindex }
    }

    #[inline(always)]
    fn frame_len(&self) -> u32 {
        (self.0.data_end() - self.0.data()) as u32
    }

    #[inline(always)]
    fn gso_size(&self) -> u32 {
        0
    }
}

impl Frame for Buffer<'_> {
    #[inline(always)]
    fn next_hop(&mut self, flow: &Flow, protocol: u8, ip_len: u16) -> Option<FrameAddresses> {
        let ifindex = self.ifindex();
        let mut question = Question::empty();
        question.ask(ifindex, &flow.src, &flow.dst);
        question.ask_of(protocol, flow.src_port.0, flow.dst_port.0, ip_len);
        let len = size_of_val(&question) as i32;
        // SAFETY: the context is the one the kernel gave us, the question as long as is said.
        let said = unsafe { bpf_fib_lookup(self.0.as_ptr(), (&raw mut question).cast(), len, 0) };
        if said as u32 != BPF_FIB_LKUP_RET_SUCCESS || question.ifindex() != ifindex {
            return None;
        }
        Some(question.frame_addresses())
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
