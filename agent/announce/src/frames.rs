//! The sockets that carry ARP and NDP frames: AF_PACKET on one uplink, with a filter in the kernel, so that
//! nothing but address resolution ever reaches this process.
//!
//! They are bound to one EtherType each. A socket for all of them would be offered every packet of the
//! uplink; one for IPv6 is offered what the stack takes, not what the dataplane delivers past it.

use std::io;
use std::mem;

use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, SockFilter, Socket, Type};
use tokio::io::unix::AsyncFd;

use crate::packet::{ETHERNET_LEN, arp, ndp};

/// As long as an Ethernet's; what matters is far shorter.
const FRAME_LEN_MAX: usize = 1514;

/// A socket for frames of one EtherType.
#[derive(Debug)]
pub(crate) struct FrameSocket(AsyncFd<Socket>);

impl FrameSocket {
    /// ARP requests and replies.
    pub(crate) fn arp(index: u32) -> io::Result<Self> {
        Self::open(arp::ETHER_TYPE, index, &filter(&[]))
    }

    /// Neighbour solicitations and advertisements.
    pub(crate) fn ndp(index: u32) -> io::Result<Self> {
        let next_header = ETHERNET_LEN as u32 + 6;
        let kind = ndp::ICMPV6_AT as u32;
        Self::open(
            ndp::ETHER_TYPE,
            index,
            &filter(&[
                (next_header, &[ndp::NEXT_HEADER_ICMPV6]),
                (kind, &[ndp::NEIGHBOR_SOLICITATION, ndp::NEIGHBOR_ADVERTISEMENT]),
            ]),
        )
    }

    fn open(ether_type: u16, index: u32, filter: &[SockFilter]) -> io::Result<Self> {
        // Of no protocol until it is bound: nothing passes before the filter is there.
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
        socket.set_nonblocking(true)?;
        socket.attach_filter(filter)?;
        socket.bind(&link_layer_address(ether_type, index))?;
        Ok(Self(crate::receive::register(socket)?))
    }

    /// Sends a frame as it is. A full buffer loses it, as networks do.
    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.0.get_ref().send(frame).map(drop)
    }

    /// Waits until something is there, and hands over what is, up to a bound.
    pub(crate) async fn receive(&self, take: impl FnMut(&[u8])) -> io::Result<()> {
        crate::receive::some(&self.0, FRAME_LEN_MAX, take).await
    }
}

fn link_layer_address(ether_type: u16, index: u32) -> SockAddr {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: ether_type.to_be(),
        sll_ifindex: index.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: a sockaddr_ll is one of the addresses that the storage is made for.
    unsafe { *storage.view_as::<libc::sockaddr_ll>() = address };
    // SAFETY: the storage holds an address of this family and of this length.
    unsafe { SockAddr::new(storage, mem::size_of::<libc::sockaddr_ll>() as libc::socklen_t) }
}

/// Classic BPF: passes frames to this machine whose bytes at each offset are one of those given.
fn filter(wanted: &[(u32, &[u8])]) -> Vec<SockFilter> {
    const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
    const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let packet_type = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE).cast_unsigned();
    // What is for others is seen while somebody captures.
    let mut filter = vec![
        SockFilter::new(LOAD_WORD, 0, 0, packet_type),
        SockFilter::new(IF_EQUAL, 0, 1, libc::PACKET_OTHERHOST.into()),
        SockFilter::new(RETURN, 0, 0, 0),
    ];
    for (offset, values) in wanted {
        filter.push(SockFilter::new(LOAD_BYTE, 0, 0, *offset));
        for (index, value) in values.iter().enumerate() {
            // Past the comparisons that follow, and the refusal.
            let past = (values.len() - index) as u8;
            filter.push(SockFilter::new(IF_EQUAL, past, 0, (*value).into()));
        }
        filter.push(SockFilter::new(RETURN, 0, 0, 0));
    }
    filter.push(SockFilter::new(RETURN, 0, 0, FRAME_LEN_MAX as u32));
    filter
}
