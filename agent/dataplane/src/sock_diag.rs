//! The open sockets of a network namespace, by the cookies that the socket hooks know them by: NETLINK_SOCK_DIAG
//! (`struct inet_diag_req_v2` and `inet_diag_msg` of linux/inet_diag.h).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const HEADER_LEN: usize = 16;
/// Of `struct inet_diag_msg`.
const MESSAGE_LEN: usize = 72;
/// Every state but LISTEN (10): a bit a state.
const STATES: u32 = !(1 << 10);

/// A socket that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenSocket {
    /// Kernel's cookie of it.
    pub cookie: u64,
    /// IANA protocol number.
    pub protocol: u8,
    /// Its own end; unspecified for a datagram socket that is not bound to an address.
    pub local: SocketAddr,
    /// The other end as the kernel has it: a backend, for a socket that dialled a service.
    pub remote: SocketAddr,
    /// As `ss` names it.
    pub state: &'static str,
}

/// The sockets of the namespace of the calling thread: TCP and UDP of both families. A protocol that the
/// kernel cannot list (no udp_diag, say) has none.
pub(crate) fn open_sockets() -> io::Result<Vec<OpenSocket>> {
    let socket = netlink_socket()?;
    let mut found = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        for protocol in [libc::IPPROTO_TCP, libc::IPPROTO_UDP] {
            dump(&socket, family as u8, protocol as u8, &mut found)?;
        }
    }
    Ok(found)
}

fn netlink_socket() -> io::Result<OwnedFd> {
    // SAFETY: plain numbers; the descriptor is checked before it is owned.
    unsafe {
        let fd = libc::socket(
            libc::AF_NETLINK,
            libc::SOCK_DGRAM | libc::SOCK_CLOEXEC,
            libc::NETLINK_SOCK_DIAG,
        );
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd)) }
    }
}

fn dump(socket: &OwnedFd, family: u8, protocol: u8, found: &mut Vec<OpenSocket>) -> io::Result<()> {
    let mut request = [0u8; 72];
    request[0..4].copy_from_slice(&72u32.to_ne_bytes());
    request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&NLM_F_REQUEST_DUMP.to_ne_bytes());
    request[16] = family;
    request[17] = protocol;
    request[20..24].copy_from_slice(&STATES.to_ne_bytes());
    // SAFETY: the buffer lives until the call returns.
    let sent = unsafe { libc::send(socket.as_raw_fd(), request.as_ptr().cast(), request.len(), 0) };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut buffer = vec![0u8; 32 << 10];
    loop {
        // SAFETY: the buffer lives until the call returns, and is as long as we say.
        let len =
            unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        if len < 0 {
            return Err(io::Error::last_os_error());
        }
        if read_messages(&buffer[..len as usize], protocol, found) {
            return Ok(());
        }
    }
}

/// Takes in one datagram of answers; true when it was the last, or an error in place of one.
fn read_messages(mut bytes: &[u8], protocol: u8, found: &mut Vec<OpenSocket>) -> bool {
    while let Some(header) = bytes.get(..HEADER_LEN) {
        let len = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        if kind == NLMSG_DONE || kind == NLMSG_ERROR || len < HEADER_LEN {
            return true;
        }
        if let Some(message) = bytes.get(HEADER_LEN..HEADER_LEN + MESSAGE_LEN) {
            found.extend(read_message(message, protocol));
        }
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    false
}

fn read_message(message: &[u8], protocol: u8) -> Option<OpenSocket> {
    let is_v4 = i32::from(message[0]) == libc::AF_INET;
    let port = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
    let ip = |at: usize| -> Option<IpAddr> {
        let bytes = message.get(at..at + 16)?;
        Some(match (is_v4, <[u8; 16]>::try_from(bytes).ok()?) {
            (true, [a, b, c, d, ..]) => Ipv4Addr::new(a, b, c, d).into(),
            (false, all) => IpAddr::from(Ipv6Addr::from(all)).to_canonical(),
        })
    };
    // family, state, timer, retrans; sport, dport, src[16], dst[16], if, cookie[2]; ...
    let word = |at: usize| {
        u32::from_ne_bytes([message[at], message[at + 1], message[at + 2], message[at + 3]])
    };
    Some(OpenSocket {
        cookie: u64::from(word(44)) | u64::from(word(48)) << 32,
        protocol,
        local: SocketAddr::new(ip(8)?, port(4)),
        remote: SocketAddr::new(ip(24)?, port(6)),
        state: state_name(message[1]),
    })
}

/// Numbers of net/tcp_states.h.
fn state_name(state: u8) -> &'static str {
    match state {
        1 => "established",
        2 => "syn-sent",
        3 => "syn-recv",
        4 => "fin-wait-1",
        5 => "fin-wait-2",
        6 => "time-wait",
        7 => "unconnected",
        8 => "close-wait",
        9 => "last-ack",
        11 => "closing",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_connection_is_listed_with_the_cookie_that_its_owner_reads() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut cookie = 0u64;
        let mut len = 8 as libc::socklen_t;
        // SAFETY: both pointers are to memory of the size given.
        let ret = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_COOKIE,
                (&raw mut cookie).cast(),
                &raw mut len,
            )
        };
        assert_eq!(ret, 0);
        let found = open_sockets().unwrap();
        let expected = OpenSocket {
            cookie,
            protocol: 6,
            local: stream.local_addr().unwrap(),
            remote: stream.peer_addr().unwrap(),
            state: "established",
        };
        assert!(found.contains(&expected), "{expected:?} is not in {found:?}");
    }
}
