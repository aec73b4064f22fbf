//! Many datagrams with one system call: recvmmsg(2) and sendmmsg(2).

use std::io;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use crate::counts::Response;

/// Datagrams of one call.
const DATAGRAMS_MAX: usize = 32;
/// A question is a name, some options, and hardly more; what is longer is dropped.
const QUESTION_BYTES_MAX: usize = 1232;

/// An address of any family.
const ADDRESS_BYTES: libc::socklen_t = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;

/// Datagrams that were read, and their answers.
pub(super) struct Batch {
    slots: Box<[Slot]>,
    received: usize,
}

struct Slot {
    question: [u8; QUESTION_BYTES_MAX],
    length: usize,
    client: libc::sockaddr_storage,
    client_length: libc::socklen_t,
    answer: Vec<u8>,
    /// Nothing when there is no answer, or not yet.
    answered: Option<Response>,
}

impl Default for Batch {
    fn default() -> Self {
        let slot = |_| Slot {
            question: [0; QUESTION_BYTES_MAX],
            length: 0,
            client: no_address(),
            client_length: 0,
            answer: Vec::new(),
            answered: None,
        };
        Self { slots: (0..DATAGRAMS_MAX).map(slot).collect(), received: 0 }
    }
}

impl Batch {
    /// Waits for a datagram, and takes what else is there.
    pub(super) fn receive(&mut self, socket: &UdpSocket) -> io::Result<()> {
        self.receive_with(socket, libc::MSG_WAITFORONE)
    }

    /// Takes what is there; fails when there is nothing.
    pub(super) fn receive_waiting(&mut self, socket: &UdpSocket) -> io::Result<()> {
        self.receive_with(socket, libc::MSG_DONTWAIT)
    }

    /// How many datagrams were read.
    pub(super) fn received(&self) -> usize {
        self.received
    }

    fn receive_with(&mut self, socket: &UdpSocket, flags: libc::c_int) -> io::Result<()> {
        self.received = 0;
        let mut parts: [libc::iovec; DATAGRAMS_MAX] = none();
        let mut headers: [libc::mmsghdr; DATAGRAMS_MAX] = none();
        for ((slot, part), header) in self.slots.iter_mut().zip(&mut parts).zip(&mut headers) {
            part.iov_base = slot.question.as_mut_ptr().cast();
            part.iov_len = QUESTION_BYTES_MAX;
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = ptr::from_mut(&mut slot.client).cast();
            header.msg_hdr.msg_namelen = ADDRESS_BYTES;
        }
        // SAFETY: the headers point to buffers and addresses of the slots, which are as long as they say
        // and outlive the call.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                DATAGRAMS_MAX as libc::c_uint,
                flags,
                ptr::null_mut(),
            )
        };
        self.received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for (slot, header) in self.slots.iter_mut().zip(&headers).take(self.received) {
            let is_cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            slot.length = if is_cut { 0 } else { header.msg_len as usize };
            slot.client_length = header.msg_hdr.msg_namelen;
        }
        Ok(())
    }

    /// Has each datagram answered: `answer` writes the response, and says which if there is one.
    pub(super) fn answer(
        &mut self,
        mut answer: impl FnMut(&[u8], SocketAddr, &mut Vec<u8>) -> Option<Response>,
    ) {
        for slot in &mut self.slots[..self.received] {
            let question = &slot.question[..slot.length];
            slot.answered =
                address(&slot.client).and_then(|client| answer(question, client, &mut slot.answer));
        }
    }

    /// Sends the responses, and says of each whether that could be done. One that cannot be sent is lost,
    /// as datagrams are.
    pub(super) fn send(&mut self, socket: &UdpSocket) -> impl Iterator<Item = (Response, bool)> {
        let mut parts: [libc::iovec; DATAGRAMS_MAX] = none();
        let mut headers: [libc::mmsghdr; DATAGRAMS_MAX] = none();
        let slots = &mut self.slots[..self.received];
        let answered = slots.iter_mut().filter(|slot| slot.answered.is_some());
        let mut count = 0;
        for ((slot, part), header) in answered.zip(&mut parts).zip(&mut headers) {
            part.iov_base = slot.answer.as_mut_ptr().cast();
            part.iov_len = slot.answer.len();
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = ptr::from_mut(&mut slot.client).cast();
            header.msg_hdr.msg_namelen = slot.client_length;
            count += 1;
        }
        let mut is_sent = [false; DATAGRAMS_MAX];
        let mut done = 0;
        while done < count {
            let rest = &mut headers[done..count];
            // SAFETY: as for receiving; the answers are only read.
            let taken = unsafe {
                libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as libc::c_uint, 0)
            };
            let taken = usize::try_from(taken).unwrap_or(0);
            is_sent[done..done + taken].fill(true);
            // After an error it is the first that cannot be sent.
            done += taken.max(1);
        }
        let responses = self.slots[..self.received].iter().filter_map(|slot| slot.answered);
        responses.zip(is_sent)
    }
}

/// An address as the kernel has written it.
fn address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let storage_of = ptr::from_ref(storage);
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: addresses of this family have this layout, and the storage is large enough and
            // aligned for all of them.
            let v4 = unsafe { &*storage_of.cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddr::from((ip, u16::from_be(v4.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6 = unsafe { &*storage_of.cast::<libc::sockaddr_in6>() };
            let (ip, port) = (Ipv6Addr::from(v6.sin6_addr.s6_addr), u16::from_be(v6.sin6_port));
            Some(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

fn no_address() -> libc::sockaddr_storage {
    // SAFETY: for an address of any family, zeros are one of none.
    unsafe { mem::zeroed() }
}

/// Headers that point nowhere.
fn none<T, const N: usize>() -> [T; N] {
    // SAFETY: used for iovec and mmsghdr alone, for which zeros are null pointers and lengths of 0.
    unsafe { mem::zeroed() }
}
