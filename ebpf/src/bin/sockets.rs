//! The cgroup programs: sockets that dial services.

#![no_std]
#![no_main]

use core::ptr::{addr_of, null_mut, read_volatile, write_volatile};

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::bpf_sock_addr;
use aya_ebpf::helpers::generated::{bpf_get_netns_cookie, bpf_get_socket_cookie};
use aya_ebpf::macros::cgroup_sock_addr;
use aya_ebpf::programs::SockAddrContext;
use sheave_abi::order::{Addr, Be16};
use sheave_ebpf::maps::Maps;
use sheave_ebpf::socket::{self, Peer, Socket};
use sheave_ebpf::wire::protocol::{TCP, UDP};

/// `enum` of net/tcp_states.h, which the kernel uses for datagram sockets that are connected too.
const TCP_ESTABLISHED: u32 = 1;

/// The call goes on: refusing it could only say EPERM, which some callers retry for ever.
const ALLOW: i32 = 1;

macro_rules! hook {
    ($name:ident, $attach:ident, $family:ident, $translate:path) => {
        #[doc = concat!("The hook cgroup/", stringify!($attach), ".")]
        #[cgroup_sock_addr($attach)]
        fn $name(context: SockAddrContext) -> i32 {
            if let Some(socket) = socket_of(&context) {
                let peer = $family::read(&context);
                if let Some(peer) = $translate(&Maps, &socket, peer) {
                    $family::write(&context, peer);
                }
            }
            ALLOW
        }
    };
}

hook!(connect4, connect4, v4, socket::connect);
hook!(connect6, connect6, v6, socket::connect);
hook!(sendmsg4, sendmsg4, v4, socket::send);
hook!(sendmsg6, sendmsg6, v6, socket::send);
hook!(recvmsg4, recvmsg4, v4, socket::dialled);
hook!(recvmsg6, recvmsg6, v6, socket::dialled);
hook!(getpeername4, getpeername4, v4, socket::dialled);
hook!(getpeername6, getpeername6, v6, socket::dialled);

/// `None`: a protocol that is not served by sockets.
#[inline(always)]
fn socket_of(context: &SockAddrContext) -> Option<Socket> {
    // SAFETY: the context is the one the kernel gave us.
    let protocol = unsafe { (*context.sock_addr).protocol };
    let protocol = protocol as u8;
    if protocol != TCP && protocol != UDP {
        return None;
    }
    // SAFETY: both helpers take the context; the second also takes none, for the first namespace. The
    // context's socket is there.
    unsafe {
        Some(Socket {
            cookie: bpf_get_socket_cookie(context.as_ptr()),
            netns_cookie: bpf_get_netns_cookie(context.as_ptr()),
            init_netns_cookie: bpf_get_netns_cookie(null_mut()),
            protocol,
            is_connected: (*(*context.sock_addr).__bindgen_anon_1.sk).state == TCP_ESTABLISHED,
        })
    }
}

#[inline(always)]
fn port(context: *mut bpf_sock_addr) -> Be16 {
    // SAFETY: the context is the one the kernel gave us; the port is the first two bytes, network order.
    Be16((unsafe { read_volatile(addr_of!((*context).user_port)) } as u16).to_ne_bytes())
}

#[inline(always)]
fn set_port(context: *mut bpf_sock_addr, port: Be16) {
    // SAFETY: as above.
    unsafe { write_volatile(&raw mut (*context).user_port, u16::from_ne_bytes(port.0).into()) }
}

mod v4 {
    use super::*;

    #[inline(always)]
    pub(crate) fn read(context: &SockAddrContext) -> Peer {
        let context = context.sock_addr;
        // SAFETY: the context is the one the kernel gave us.
        let addr = unsafe { read_volatile(addr_of!((*context).user_ip4)) };
        Peer { addr: Addr::v4(addr.to_ne_bytes()), port: port(context) }
    }

    #[inline(always)]
    pub(crate) fn write(context: &SockAddrContext, peer: Peer) {
        let context = context.sock_addr;
        let addr = u32::from_ne_bytes(peer.addr.v4_octets());
        // SAFETY: the context is the one the kernel gave us.
        unsafe { write_volatile(&raw mut (*context).user_ip4, addr) };
        set_port(context, peer.port);
    }
}

mod v6 {
    use super::*;

    // The kernel allows reading and writing one word at a time everywhere; wider only since 5.3.
    #[inline(always)]
    pub(crate) fn read(context: &SockAddrContext) -> Peer {
        let context = context.sock_addr;
        let mut words = [0; 4];
        for (index, word) in words.iter_mut().enumerate() {
            // SAFETY: the context is the one the kernel gave us.
            *word = unsafe { read_volatile(addr_of!((*context).user_ip6[index])) };
        }
        Peer { addr: Addr::from_words(words), port: port(context) }
    }

    #[inline(always)]
    pub(crate) fn write(context: &SockAddrContext, peer: Peer) {
        let context = context.sock_addr;
        for (index, word) in peer.addr.words().into_iter().enumerate() {
            // SAFETY: the context is the one the kernel gave us.
            unsafe { write_volatile(&raw mut (*context).user_ip6[index], word) };
        }
        set_port(context, peer.port);
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
