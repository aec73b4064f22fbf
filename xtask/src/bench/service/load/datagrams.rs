//! Datagrams in batches, so that the calls cost less than the packets: sendmmsg and recvmmsg.

use super::message::{Answer, LEN, QUESTION};
use super::{Datagrams, PATIENCE, client, connect};
use anyhow::{Context, Result};
use nix::libc;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Sent or received by one call, at most.
const BATCH: usize = 64;
/// The first byte of a datagram that is only counted.
const COUNTED: u8 = b'.';
/// Datagrams may be on their way for so long after the last was sent.
const SETTLING: Duration = Duration::from_millis(50);

/// One question; asked again once, as datagrams may be lost.
pub(super) fn ask(server: SocketAddrV4) -> Result<Answer> {
    let socket = socket_to(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut answer = [0; LEN];
    let exchange = |answer: &mut [u8; LEN]| -> io::Result<()> {
        socket.send(&[QUESTION; LEN])?;
        socket.recv(answer).map(drop)
    };
    exchange(&mut answer).or_else(|_| exchange(&mut answer))?;
    Ok(Answer::decode(&answer))
}

/// As many as can be sent; the server says over TCP, by the same way, how many have come.
pub(super) fn flood(server: SocketAddrV4, lasts: Duration) -> Result<Datagrams> {
    let mut control = connect(server).context("the server does not answer")?;
    let before = client::ask(&mut control)?.datagrams;
    let socket = socket_to(server)?;
    let mut batch = Batch::new(COUNTED);
    let mut sent = 0;
    let began = Instant::now();
    while began.elapsed() < lasts {
        sent += batch.send(&socket)? as u64;
    }
    let seconds = began.elapsed().as_secs_f64();
    thread::sleep(SETTLING);
    let received = client::ask(&mut control)?.datagrams - before;
    Ok(Datagrams { sent, received, seconds })
}

/// Counts datagrams for ever, and answers those that want it.
pub(super) fn receive(socket: &UdpSocket, name: &str, received: &AtomicU64) {
    let mut batch = Batch::new(0);
    loop {
        // An error is one of an earlier answer.
        let Ok(count) = batch.receive(socket) else { continue };
        let questions = (0..count).filter(|index| batch.bytes[*index][0] == QUESTION);
        let mut asked = 0;
        for index in questions {
            asked += 1;
            let answer = Answer::encode(name, received.load(Ordering::Relaxed));
            let _ = socket.send_to(&answer, batch.sender(index));
        }
        received.fetch_add(count as u64 - asked, Ordering::Relaxed);
    }
}

fn socket_to(server: SocketAddrV4) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(server)?;
    Ok(socket)
}

/// Datagrams with what the calls want to know of them.
struct Batch {
    bytes: Box<[[u8; LEN]; BATCH]>,
    senders: Box<[libc::sockaddr_in; BATCH]>,
    parts: Box<[libc::iovec; BATCH]>,
    headers: Box<[libc::mmsghdr; BATCH]>,
}

impl Batch {
    /// Each begins with `first`.
    fn new(first: u8) -> Self {
        // SAFETY: plain data of C, for which all zeros are valid.
        let (senders, headers) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        let part = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: LEN };
        let mut batch = Self {
            bytes: Box::new([[first; LEN]; BATCH]),
            senders: Box::new(senders),
            parts: Box::new([part; BATCH]),
            headers: Box::new(headers),
        };
        // All are on the heap, where they stay when the batch is moved.
        for index in 0..BATCH {
            batch.parts[index].iov_base = batch.bytes[index].as_mut_ptr().cast();
            batch.headers[index].msg_hdr.msg_iov = &raw mut batch.parts[index];
            batch.headers[index].msg_hdr.msg_iovlen = 1;
        }
        batch
    }

    /// How many went out.
    fn send(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        // SAFETY: the headers point to buffers of this batch, which outlive the call.
        let sent = unsafe {
            libc::sendmmsg(socket.as_raw_fd(), self.headers.as_mut_ptr(), BATCH as u32, 0)
        };
        // Nobody is there at this moment, or no room.
        match io::Error::last_os_error() {
            _ if sent >= 0 => Ok(sent as usize),
            error if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(0),
            error => Err(error),
        }
    }

    /// Waits for one, and takes those that are there.
    fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        for (header, sender) in self.headers.iter_mut().zip(self.senders.iter_mut()) {
            header.msg_hdr.msg_name = (&raw mut *sender).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        }
        let (headers, none) = (self.headers.as_mut_ptr(), std::ptr::null_mut());
        // SAFETY: the headers point to buffers of this batch, which outlive the call.
        let received = unsafe {
            libc::recvmmsg(socket.as_raw_fd(), headers, BATCH as u32, libc::MSG_WAITFORONE, none)
        };
        if received < 0 { Err(io::Error::last_os_error()) } else { Ok(received as usize) }
    }

    fn sender(&self, index: usize) -> SocketAddrV4 {
        let sender = &self.senders[index];
        let address = Ipv4Addr::from(u32::from_be(sender.sin_addr.s_addr));
        SocketAddrV4::new(address, u16::from_be(sender.sin_port))
    }
}
