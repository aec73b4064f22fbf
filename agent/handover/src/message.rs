//! One packet with the descriptors beside it, either way.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::cmsg_space;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeVal;

/// More than a node has addresses.
const SOCKETS_MAX: usize = 64;
/// Of all names together.
const BYTES_MAX: usize = 8192;
/// For the other side to say what it has to say.
const PATIENCE: TimeVal = TimeVal::new(2, 0);

/// Nobody waits for ever on the connection.
pub(crate) fn limit(connection: &OwnedFd) -> io::Result<()> {
    setsockopt(connection, sockopt::ReceiveTimeout, &PATIENCE)?;
    setsockopt(connection, sockopt::SendTimeout, &PATIENCE)?;
    Ok(())
}

pub(crate) fn send(connection: &OwnedFd, text: &str, sockets: &[RawFd]) -> io::Result<()> {
    let rights = [ControlMessage::ScmRights(sockets)];
    let beside = if sockets.is_empty() { &[][..] } else { &rights };
    let bytes = [IoSlice::new(text.as_bytes())];
    sendmsg::<()>(connection.as_raw_fd(), &bytes, beside, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

pub(crate) fn receive(connection: &OwnedFd) -> io::Result<(String, Vec<OwnedFd>)> {
    let mut bytes = [0; BYTES_MAX];
    let mut beside = cmsg_space!([RawFd; SOCKETS_MAX]);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(connection.as_raw_fd(), &mut slices, Some(&mut beside), flags)?;
    let mut sockets = Vec::new();
    for message in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = message {
            // SAFETY: the kernel has just given us these descriptors, and nobody else knows of them.
            sockets.extend(fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    let (len, is_whole) = (message.bytes, !message.flags.contains(MsgFlags::MSG_TRUNC));
    let text = std::str::from_utf8(&bytes[..len]).ok().filter(|_| is_whole);
    let text = text.ok_or_else(|| invalid("the message is no text"))?;
    Ok((text.to_owned(), sockets))
}

/// Each socket with its name.
pub(crate) fn named<'a>(
    names: impl Iterator<Item = &'a str>,
    sockets: Vec<OwnedFd>,
) -> io::Result<Vec<(String, OwnedFd)>> {
    let names: Vec<String> = names.map(str::to_owned).collect();
    if names.len() != sockets.len() {
        return Err(invalid(&format!("{} names for {} sockets", names.len(), sockets.len())));
    }
    Ok(names.into_iter().zip(sockets).collect())
}

pub(crate) fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
