//! The tc programs: what a pod sends, what comes in from the network, what leaves to it.

#![no_std]
#![no_main]

use core::ptr::null_mut;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::{
    __sk_buff, BPF_F_CURRENT_NETNS, BPF_F_INGRESS, BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR,
    BPF_F_TUNINFO_IPV6, BPF_F_ZERO_CSUM_TX, BPF_FIB_LKUP_RET_FRAG_NEEDED,
    BPF_FIB_LKUP_RET_NO_NEIGH, BPF_FIB_LKUP_RET_SUCCESS, BPF_TCP_LISTEN, TC_ACT_OK,
    TC_ACT_REDIRECT, TC_ACT_SHOT, TC_ACT_UNSPEC, bpf_redir_neigh, bpf_tunnel_key,
};
use aya_ebpf::helpers::generated::{
    bpf_csum_diff, bpf_csum_update, bpf_fib_lookup, bpf_get_socket_cookie, bpf_l4_csum_replace,
    bpf_redirect, bpf_redirect_neigh, bpf_redirect_peer, bpf_sk_lookup_udp, bpf_sk_release,
    bpf_skb_change_tail, bpf_skb_get_tunnel_key, bpf_skb_set_tunnel_key, bpf_skc_lookup_tcp,
};
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use sheave_abi::flow::FlowKey;
use sheave_abi::order::{Addr, Be16};
use sheave_ebpf::fib::Question;
use sheave_ebpf::maps::Maps;
use sheave_ebpf::packet::{Action, Packet, Socket, Verdict};
use sheave_ebpf::tunnel::{self, Outer, Wrapped};
use sheave_ebpf::wire::{Header, protocol};
use sheave_ebpf::{pod, uplink};

/// Ingress of the host's end of a pod's veth.
#[classifier]
fn pod_ingress(context: TcContext) -> i32 {
    let verdict = pod::ingress(&mut Skb(&context), &Maps);
    act(&context, verdict)
}

/// Ingress of an interface that leads out of the node.
#[classifier]
fn uplink_ingress(context: TcContext) -> i32 {
    let verdict = uplink::ingress(&mut Skb(&context), &Maps);
    act(&context, verdict)
}

/// Egress of the same.
#[classifier]
fn uplink_egress(context: TcContext) -> i32 {
    let verdict = uplink::egress(&mut Skb(&context), &Maps);
    act(&context, verdict)
}

/// Ingress of the tunnel's device, before the program of an uplink.
#[classifier]
fn tunnel_ingress(context: TcContext) -> i32 {
    let verdict = tunnel::ingress(&mut Skb(&context), &Maps);
    act(&context, verdict)
}

/// Egress of the same, likewise.
#[classifier]
fn tunnel_egress(context: TcContext) -> i32 {
    let verdict = tunnel::egress(&mut Skb(&context), &Maps);
    act(&context, verdict)
}

/// The one place where a verdict becomes what tc understands. UNSPEC lets the next program have its say.
#[inline(always)]
fn act(context: &TcContext, verdict: Verdict) -> i32 {
    say(context, verdict);
    let ifindex = verdict.ifindex;
    // SAFETY: helpers that take plain numbers; redirect_neigh without parameters asks the routes itself.
    unsafe {
        match verdict.action {
            Action::Pass => TC_ACT_UNSPEC,
            Action::Done => TC_ACT_OK as i32,
            Action::Drop => TC_ACT_SHOT as i32,
            Action::Peer => bpf_redirect_peer(ifindex, 0) as i32,
            Action::Told => TC_ACT_REDIRECT as i32,
            Action::Neighbour => bpf_redirect_neigh(ifindex, null_mut(), 0, 0) as i32,
            Action::Egress => bpf_redirect(ifindex, 0) as i32,
            Action::Ingress => bpf_redirect(ifindex, BPF_F_INGRESS.into()) as i32,
        }
    }
}

// A function of its own: what it needs of the stack is needed after all else.
#[cfg(feature = "log")]
#[inline(never)]
fn say(context: &TcContext, verdict: Verdict) {
    // SAFETY: the context is the one the kernel gave us.
    let (at, protocol) = unsafe { ((*context.skb.skb).ifindex, (*context.skb.skb).protocol) };
    let (len, action, to) = (context.len(), verdict.action as u32, verdict.ifindex);
    aya_log_ebpf::debug!(
        context,
        "interface {} protocol {:x} length {}: action {} interface {}",
        at,
        u16::from_be(protocol as u16),
        len,
        action,
        to
    );
}

#[cfg(not(feature = "log"))]
#[inline(always)]
fn say(_: &TcContext, _: Verdict) {}

struct Skb<'a>(&'a TcContext);

/// In `tc_index`, which the kernel leaves alone on a packet's way from hook to hook, around the tunnel's header
/// too, and which nobody in a pod can write without being heard by the hook that takes it away.
const SENT: u32 = 0x5e17;

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
    fn address_changes(&mut self, offset: usize, from: &Addr, to: &Addr, udp: bool) -> bool {
        let flags = u64::from(BPF_F_PSEUDO_HDR) | if udp { BPF_F_MARK_MANGLED_0.into() } else { 0 };
        if to.is_v4() {
            let (from, to) = (from.words()[3], to.words()[3]);
            return self.0.l4_csum_replace(offset, from.into(), to.into(), flags | 4).is_ok();
        }
        let (mut from, mut to) = (*from, *to);
        let context = self.0.skb.skb;
        // SAFETY: both addresses are 16 bytes on our stack; the context is the one the kernel gave us.
        unsafe {
            let (from, to) = ((&raw mut from).cast(), (&raw mut to).cast());
            let change = bpf_csum_diff(from, 16, to, 16, 0);
            if change < 0
                || bpf_l4_csum_replace(context, offset as u32, 0, change as u64, flags) != 0
            {
                return false;
            }
            // The helper takes the sum of the whole packet for changed, as it would be if an IPv4 header's
            // checksum had changed too; with IPv6 it is not (fixed by a flag in 6.16, 6043b794c766).
            bpf_csum_update(context, change as u32);
        }
        true
    }

    #[inline(always)]
    fn word_changes(&mut self, offset: usize, from: Be16, to: Be16, udp: bool) -> bool {
        let (from, to) = (u16::from_ne_bytes(from.0), u16::from_ne_bytes(to.0));
        let flags = 2 | if udp { BPF_F_MARK_MANGLED_0.into() } else { 0 };
        self.0.l4_csum_replace(offset, from.into(), to.into(), flags).is_ok()
    }

    #[inline(always)]
    fn socket(&mut self, ends: &FlowKey) -> Socket {
        socket(self.0.skb.skb, ends)
    }

    #[inline(always)]
    fn way_out(&mut self, src: &Addr, dst: &Addr) -> u32 {
        way_out(self.0.skb.skb, src, dst)
    }

    #[inline(always)]
    fn wrap(&mut self, node: &Addr, vni: u32) -> bool {
        wrap(self.0.skb.skb, node, vni)
    }

    #[inline(always)]
    fn note_sent(&mut self, is_sent: bool) {
        let _ = self.0.as_ptr();
        // SAFETY: the context is the one the kernel gave us, and lets this word be written.
        unsafe { (*self.0.skb.skb).tc_index = if is_sent { SENT } else { 0 } }
    }

    #[inline(always)]
    fn is_sent(&self) -> bool {
        let _ = self.0.as_ptr();
        // SAFETY: the context is the one the kernel gave us.
        unsafe { (*self.0.skb.skb).tc_index == SENT }
    }

    #[inline(always)]
    fn to_neighbour(&mut self, ifindex: u32, neighbour: &Addr) -> Verdict {
        to_neighbour(ifindex, neighbour)
    }

    #[inline(always)]
    fn socket_cookie(&mut self) -> u64 {
        // SAFETY: the context is the one the kernel gave us.
        unsafe { bpf_get_socket_cookie(self.0.as_ptr()) }
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        let _ = self.0.as_ptr();
        // SAFETY: the context is the one the kernel gave us.
        unsafe { (*self.0.skb.skb).ifindex }
    }

    #[inline(always)]
    fn frame_len(&self) -> u32 {
        self.0.len()
    }

    #[inline(always)]
    fn gso_size(&self) -> u32 {
        // SAFETY: the context is the one the kernel gave us.
        unsafe { (*self.0.skb.skb).gso_size }
    }
}

/// `struct bpf_redir_neigh` in words: the family, an address of it.
#[repr(C, align(8))]
struct NextHop([u32; 5]);

#[inline(never)]
fn to_neighbour(ifindex: u32, neighbour: &Addr) -> Verdict {
    const AF_INET: u32 = 2;
    const AF_INET6: u32 = 10;
    const LEN: i32 = 20;
    let to = neighbour.words();
    let mut next = NextHop([AF_INET6, to[0], to[1], to[2], to[3]]);
    let words = core::hint::black_box(&mut next.0);
    if neighbour.is_v4() {
        (words[0], words[1]) = (AF_INET, to[3]);
    }
    // SAFETY: the next hop is on our stack, as long as is said.
    unsafe { bpf_redirect_neigh(ifindex, (&raw mut *words).cast::<bpf_redir_neigh>(), LEN, 0) };
    Verdict { action: Action::Told, ifindex }
}

#[inline(never)]
fn socket(context: *mut __sk_buff, ends: &FlowKey) -> Socket {
    // A `bpf_sock_tuple`: source, destination, both ports. That is how a key of flows begins.
    let (a, b) = (ends.src_port.0, ends.dst_port.0);
    let ports = u32::from_ne_bytes([a[0], a[1], b[0], b[1]]);
    let short = [ends.src.words()[3], ends.dst.words()[3], ports];
    let (tuple, len) = match ends.src.is_v4() {
        true => (short.as_ptr().cast_mut().cast(), 12),
        false => ((&raw const *ends).cast_mut().cast(), 36),
    };
    let here = i64::from(BPF_F_CURRENT_NETNS) as u64;
    // SAFETY: the context is the one the kernel gave us, the tuple as long as is said; a socket is given
    // back as soon as it was found.
    unsafe {
        match ends.protocol {
            protocol::TCP => {
                let socket = bpf_skc_lookup_tcp(context.cast(), tuple, len, here, 0);
                if socket.is_null() {
                    return Socket::None;
                }
                let state = (&raw const (*socket).state).read_volatile();
                bpf_sk_release(socket.cast());
                if state == BPF_TCP_LISTEN { Socket::Listens } else { Socket::Connected }
            }
            protocol::UDP => {
                let socket = bpf_sk_lookup_udp(context.cast(), tuple, len, here, 0);
                if socket.is_null() {
                    return Socket::None;
                }
                // With the zeroes behind it: kernels before 5.17 let nobody read the port alone.
                let port = (&raw const (*socket).dst_port).cast::<u32>().read_volatile();
                bpf_sk_release(socket.cast());
                if port == 0 { Socket::Listens } else { Socket::Connected }
            }
            _ => Socket::None,
        }
    }
}

impl Wrapped for Skb<'_> {
    #[inline(always)]
    fn outer(&mut self) -> Option<Outer> {
        let context = self.0.skb.skb;
        let mut key = TunnelKey::empty();
        // SAFETY: the context is the one the kernel gave us, the key as long as is said.
        let is_v4 = unsafe { bpf_skb_get_tunnel_key(context, key.ptr(), TunnelKey::LEN, 0) == 0 };
        if is_v4 {
            return Some(Outer { vni: key.vni(), node: key.remote_v4() });
        }
        let flags = BPF_F_TUNINFO_IPV6.into();
        // SAFETY: likewise.
        let is_v6 =
            unsafe { bpf_skb_get_tunnel_key(context, key.ptr(), TunnelKey::LEN, flags) == 0 };
        is_v6.then(|| Outer { vni: key.vni(), node: key.remote_v6() })
    }
}

/// `struct bpf_tunnel_key` in words, behind one that is none of it, so that the address begins at a multiple of 8:
/// identifier, the other end (of IPv4 the first word, in host order), type of service and time to live, flow
/// label. Later kernels know more.
#[repr(C, align(8))]
struct TunnelKey([u32; 8]);

impl TunnelKey {
    const LEN: u32 = 28;

    #[inline(always)]
    const fn empty() -> Self {
        Self([0; 8])
    }

    #[inline(always)]
    fn ptr(&mut self) -> *mut bpf_tunnel_key {
        (&raw mut self.0[1]).cast()
    }

    #[inline(always)]
    const fn vni(&self) -> u32 {
        self.0[1]
    }

    /// All zero of what is about to be sent: that has another end to go to, but comes from nobody.
    #[inline(always)]
    fn remote_v4(&self) -> Addr {
        match self.0[2] {
            0 => Addr::default(),
            ip => Addr::v4(ip.to_be_bytes()),
        }
    }

    /// Word by word: two at once would be put where the verifier wants none of 8 bytes.
    #[inline(always)]
    fn remote_v6(&self) -> Addr {
        // SAFETY: the words are ours, and initialized.
        let word = |index: usize| unsafe { (&raw const self.0[index]).read_volatile() };
        Addr::from_words([word(2), word(3), word(4), word(5)])
    }
}

#[inline(never)]
fn wrap(context: *mut __sk_buff, node: &Addr, vni: u32) -> bool {
    const TTL: u32 = 64;
    let mut key = TunnelKey::empty();
    let words = core::hint::black_box(&mut key.0);
    words[1] = vni;
    words[6] = u32::from_ne_bytes([0, TTL as u8, 0, 0]);
    let to = node.words();
    let flags = if node.is_v4() {
        words[2] = u32::from_be(to[3]);
        // The inner checksum covers what counts.
        BPF_F_ZERO_CSUM_TX
    } else {
        words[2..6].copy_from_slice(&to);
        BPF_F_TUNINFO_IPV6
    };
    // SAFETY: the context is the one the kernel gave us, the key as long as is said.
    unsafe { bpf_skb_set_tunnel_key(context, key.ptr(), TunnelKey::LEN, flags.into()) == 0 }
}

#[inline(never)]
fn way_out(context: *mut __sk_buff, src: &Addr, dst: &Addr) -> u32 {
    let mut question = Question::empty();
    // SAFETY: the context is the one the kernel gave us.
    question.ask(unsafe { (*context).ifindex }, src, dst);
    let len = size_of_val(&question) as i32;
    // SAFETY: the context is the one the kernel gave us, the question as long as is said.
    let said = unsafe { bpf_fib_lookup(context.cast(), (&raw mut question).cast(), len, 0) };
    match said as u32 {
        // With one of these it has said which interface (since 5.10, d1c362e1dd68).
        BPF_FIB_LKUP_RET_SUCCESS | BPF_FIB_LKUP_RET_NO_NEIGH | BPF_FIB_LKUP_RET_FRAG_NEEDED => {
            question.ifindex()
        }
        _ => 0,
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
