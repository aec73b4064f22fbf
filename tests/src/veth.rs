//! What a veth must be told before XDP at its other end works like at a network card: ends that poll, and
//! senders that complete their checksums; and who sees which packets there.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails, and says where")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use nix::net::if_::if_nametoindex;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

use crate::netns::Netns;

/// Loads an XDP program that lets everything pass, of another owner than Sheave's, and pins it.
pub fn load_foreign_program(pin: &Path) {
    const PROG_LOAD: libc::c_int = 5;
    const OBJ_PIN: libc::c_int = 6;
    const PROG_TYPE_XDP: u32 = 6;
    /// r0 = XDP_PASS; exit.
    const INSTRUCTIONS: [u64; 2] = [2 << 32 | 0xb7, 0x95];

    #[repr(C)]
    struct Load {
        program_type: u32,
        len: u32,
        instructions: u64,
        license: u64,
        rest: [u64; 3],
        name: [u8; 16],
    }
    #[repr(C)]
    struct Pin {
        path: u64,
        fd: u32,
        flags: u32,
    }
    let mut load = Load {
        program_type: PROG_TYPE_XDP,
        len: INSTRUCTIONS.len() as u32,
        instructions: INSTRUCTIONS.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        rest: [0; 3],
        name: *b"others\0\0\0\0\0\0\0\0\0\0",
    };
    let fd = bpf(PROG_LOAD, &mut load);
    let path = CString::new(pin.to_str().unwrap()).unwrap();
    bpf(OBJ_PIN, &mut Pin { path: path.as_ptr() as u64, fd: fd as u32, flags: 0 });
    // SAFETY: the kernel has just opened it for us; the pin holds the program.
    unsafe { libc::close(fd) };
}

fn bpf<T>(command: libc::c_int, attr: &mut T) -> i32 {
    // SAFETY: the attribute is a prefix of `union bpf_attr`, and what it points to outlives the call.
    let ret = unsafe {
        libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>() as u32)
    };
    assert!(ret >= 0, "bpf({command}): {}", io::Error::last_os_error());
    ret as i32
}

/// Has what leaves by an interface carry complete checksums, as on a wire.
pub fn complete_checksums(netns: &Netns, interface: &str) {
    const SIOCETHTOOL: libc::Ioctl = 0x8946;
    const STXCSUM: u32 = 0x17;
    netns.run(|| {
        let kind = SockType::Datagram;
        let socket = socket(AddressFamily::Inet, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
        // SAFETY: zero is a valid ifreq.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
            *to = from as libc::c_char;
        }
        let mut off = [STXCSUM, 0];
        request.ifr_ifru.ifru_data = off.as_mut_ptr().cast();
        // SAFETY: the request and what it points to live until the call returns.
        let ret = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
        assert_eq!(ret, 0, "{interface}: {}", io::Error::last_os_error());
    });
}

/// Counts the packets that come in by an interface and reach the stack: not those that XDP keeps.
pub struct Tap(OwnedFd);

impl Tap {
    /// From now on.
    pub fn new(netns: &Netns, interface: &str) -> Self {
        const PACKET_IGNORE_OUTGOING: i32 = 23;
        netns.run(|| {
            let flags = SockFlag::SOCK_CLOEXEC;
            let all = Some(SockProtocol::EthAll);
            let tap = socket(AddressFamily::Packet, SockType::Raw, flags, all).unwrap();
            let on = 1i32;
            // SAFETY: zero is a valid sockaddr_ll; the values live until the calls return.
            unsafe {
                let mut address: libc::sockaddr_ll = std::mem::zeroed();
                address.sll_family = libc::AF_PACKET as u16;
                address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
                address.sll_ifindex = if_nametoindex(interface).unwrap() as i32;
                let len = size_of::<libc::sockaddr_ll>() as u32;
                assert_eq!(libc::bind(tap.as_raw_fd(), (&raw const address).cast(), len), 0);
                let value = (&raw const on).cast();
                let fd = tap.as_raw_fd();
                let set = libc::setsockopt(fd, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, value, 4);
                assert_eq!(set, 0, "{}", io::Error::last_os_error());
            }
            let tap = Self(tap);
            tap.seen();
            tap
        })
    }

    /// Since the last time this was asked.
    pub fn seen(&self) -> u32 {
        const PACKET_STATISTICS: i32 = 6;
        // `struct tpacket_stats`: all of them, and those there was no room for.
        let mut stats = [0u32; 2];
        let mut len = size_of_val(&stats) as u32;
        // SAFETY: both pointers are to memory of the size given.
        let got = unsafe {
            let (fd, stats) = (self.0.as_raw_fd(), stats.as_mut_ptr().cast());
            libc::getsockopt(fd, libc::SOL_PACKET, PACKET_STATISTICS, stats, &raw mut len)
        };
        assert_eq!(got, 0, "{}", io::Error::last_os_error());
        stats[0]
    }
}
