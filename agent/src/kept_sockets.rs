//! Sockets that outlive the agent: `sheave up` keeps them while no agent runs, so that who asks meanwhile
//! waits and is not refused. Where nobody keeps them, as when the agent was started by something else, they
//! end with it.
//!
//! What is said is described where they are kept, in the command's `keeper`.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::cmsg_space;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr,
    connect, recvmsg, sendmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

const SOCKETS_MAX: usize = 64;
const BYTES_MAX: usize = 8192;
const PATIENCE: TimeVal = TimeVal::new(2, 0);

/// What is kept, with the names that it was given. Nothing, if nobody keeps anything.
///
/// # Errors
/// When somebody does, but does not answer as expected.
pub(crate) fn take(keeper: &Path) -> io::Result<Vec<(String, OwnedFd)>> {
    let Some(connection) = reach(keeper)? else { return Ok(Vec::new()) };
    send(&connection, "take", &[])?;
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
    let len = message.bytes;
    let names = String::from_utf8_lossy(&bytes[..len]);
    let names: Vec<&str> = names.lines().filter(|name| !name.is_empty()).collect();
    if names.len() != sockets.len() {
        let what = format!("{} names for {} sockets", names.len(), sockets.len());
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(names.into_iter().map(str::to_owned).zip(sockets).collect())
}

/// Has these kept from now on, and nothing else.
///
/// # Errors
/// When the keeper is there and cannot be told.
pub(crate) fn keep(keeper: &Path, sockets: &[(String, BorrowedFd<'_>)]) -> io::Result<()> {
    let Some(connection) = reach(keeper)? else { return Ok(()) };
    let names = sockets.iter().map(|(name, _)| format!("\n{name}"));
    let text = format!("keep{}", names.collect::<String>());
    let fds: Vec<RawFd> = sockets.iter().map(|(_, socket)| socket.as_raw_fd()).collect();
    send(&connection, &text, &fds)
}

fn reach(keeper: &Path) -> io::Result<Option<OwnedFd>> {
    let connection =
        socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&connection, sockopt::ReceiveTimeout, &PATIENCE)?;
    setsockopt(&connection, sockopt::SendTimeout, &PATIENCE)?;
    match connect(connection.as_raw_fd(), &UnixAddr::new(keeper)?) {
        Ok(()) => Ok(Some(connection)),
        Err(nix::errno::Errno::ENOENT | nix::errno::Errno::ECONNREFUSED) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn send(connection: &OwnedFd, text: &str, fds: &[RawFd]) -> io::Result<()> {
    let rights = [ControlMessage::ScmRights(fds)];
    let beside = if fds.is_empty() { &[][..] } else { &rights };
    let bytes = [IoSlice::new(text.as_bytes())];
    sendmsg::<()>(connection.as_raw_fd(), &bytes, beside, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}
