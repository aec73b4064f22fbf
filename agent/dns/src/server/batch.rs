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
    questions: Headers,
    answers: Headers,
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

/// What the kernel is told of datagrams: where each lies, and whose it is. Made once: to fill it in for
/// datagrams that may come would be work for each that does.
struct Headers {
    parts: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
}

impl Headers {
    fn new() -> Self {
        let mut of = Self {
            parts: (0..DATAGRAMS_MAX).map(|_| none()).collect(),
            headers: (0..DATAGRAMS_MAX).map(|_| none()).collect(),
        };
        for (header, part) in of.headers.iter_mut().zip(&mut of.parts) {
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
        }
        of
    }

    /// The datagram of this number lies there, and is from or for this client.
    fn set(&mut self, index: usize, bytes: &mut [u8], client: &mut libc::sockaddr_storage) {
        let part = &mut self.parts[index];
        part.iov_base = bytes.as_mut_ptr().cast();
        part.iov_len = bytes.len();
        self.headers[index].msg_hdr.msg_name = ptr::from_mut(client).cast();
    }
}

impl Default for Batch {
    fn default() -> Self {
        let slot = |_| Slot {
            question: [0; QUESTION_BYTES_MAX],
            length: 0,
            client: none(),
            client_length: 0,
            answer: Vec::new(),
            answered: None,
        };
        let mut slots: Box<[Slot]> = (0..DATAGRAMS_MAX).map(slot).collect();
        let mut questions = Headers::new();
        for (index, slot) in slots.iter_mut().enumerate() {
            questions.set(index, &mut slot.question, &mut slot.client);
            questions.headers[index].msg_hdr.msg_namelen = ADDRESS_BYTES;
        }
        Self { slots, received: 0, questions, answers: Headers::new() }
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
        let headers = &mut self.questions.headers;
        // SAFETY: the headers point to buffers and addresses of the slots, which are as long as they say
        // and live as long as the headers.
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
        for (slot, header) in self.slots.iter_mut().zip(headers).take(self.received) {
            let is_cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            slot.length = if is_cut { 0 } else { header.msg_len as usize };
            // The kernel has written how long this address is; the next may be longer.
            slot.client_length = mem::replace(&mut header.msg_hdr.msg_namelen, ADDRESS_BYTES);
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
        let slots = &mut self.slots[..self.received];
        let mut count = 0;
        for slot in slots.iter_mut().filter(|slot| slot.answered.is_some()) {
            self.answers.set(count, &mut slot.answer, &mut slot.client);
            self.answers.headers[count].msg_hdr.msg_namelen = slot.client_length;
            count += 1;
        }
        let mut is_sent = [false; DATAGRAMS_MAX];
        let mut done = 0;
        while done < count {
            let rest = &mut self.answers.headers[done..count];
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

/// An address of no family, and headers that point nowhere.
fn none<T>() -> T {
    // SAFETY: used for sockaddr_storage, iovec and mmsghdr alone, for which zeros are no family, null pointers
    // and lengths of 0.
    unsafe { mem::zeroed() }
}
