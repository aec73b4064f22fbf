//! Keeps the agent's sockets while it is away: what comes to them waits in the kernel until the next agent
//! has taken them. Without it, who asks for a name while the agent is started anew would be refused.
//!
//! One connection of packets, one packet each way, descriptors beside it (SCM_RIGHTS):
//!
//! ```text
//! take                               -> the names, a line each, with the sockets
//! keep, then a name on each line,
//!       with the sockets             -> kept; what was there before is closed
//! ```

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use anyhow::{Context, Result};
use nix::cmsg_space;
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
    UnixAddr, accept4, bind, listen, recvmsg, sendmsg, setsockopt, socket, sockopt,
};
use nix::sys::stat::Mode;
use nix::sys::time::TimeVal;

/// More than a node has addresses.
const SOCKETS_MAX: usize = 64;
/// Of all names together.
const BYTES_MAX: usize = 8192;
/// For an agent that has connected, to say what it wants.
const PATIENCE: TimeVal = TimeVal::new(2, 0);

/// What is kept, with a name each.
type Kept = Vec<(String, OwnedFd)>;

/// Listens at `path`, for as long as this process lives.
pub(crate) fn start(path: &Path) -> Result<()> {
    let listener =
        listen_at(path).with_context(|| format!("cannot listen at {}", path.display()))?;
    std::thread::Builder::new()
        .name("keeper".into())
        .spawn(move || serve(&listener))
        .context("cannot start a thread")?;
    Ok(())
}

fn listen_at(path: &Path) -> io::Result<OwnedFd> {
    // Of a `sheave up` that has ended: its lock is ours now.
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let flags = SockFlag::SOCK_CLOEXEC;
    let listener = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
    // Root alone may ask: whoever has the sockets answers for the node.
    let mask = nix::sys::stat::umask(Mode::from_bits_truncate(0o177));
    let bound = bind(listener.as_raw_fd(), &UnixAddr::new(path)?);
    nix::sys::stat::umask(mask);
    bound?;
    listen(&listener, Backlog::new(8)?)?;
    Ok(listener)
}

fn serve(listener: &OwnedFd) {
    let mut kept = Kept::new();
    loop {
        let connection = match accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC) {
            // SAFETY: the kernel has just given us this descriptor, and nobody else knows of it.
            Ok(fd) => unsafe { OwnedFd::from_raw_fd(fd) },
            Err(error) => {
                eprintln!("sheave: sockets are not kept: {error}");
                return;
            }
        };
        if let Err(error) = answer(&connection, &mut kept) {
            eprintln!("sheave: cannot keep or give sockets: {error}");
        }
    }
}

fn answer(connection: &OwnedFd, kept: &mut Kept) -> io::Result<()> {
    setsockopt(connection, sockopt::ReceiveTimeout, &PATIENCE)?;
    setsockopt(connection, sockopt::SendTimeout, &PATIENCE)?;
    let (text, sockets) = receive(connection)?;
    let mut lines = text.lines();
    match lines.next() {
        Some("take") => give(connection, kept),
        Some("keep") => {
            let names: Vec<String> = lines.map(str::to_owned).collect();
            if names.len() != sockets.len() {
                let what = format!("{} names for {} sockets", names.len(), sockets.len());
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            *kept = names.into_iter().zip(sockets).collect();
            Ok(())
        }
        other => {
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("{other:?} is no question")))
        }
    }
}

fn give(connection: &OwnedFd, kept: &Kept) -> io::Result<()> {
    let names: Vec<&str> = kept.iter().map(|(name, _)| name.as_str()).collect();
    let sockets: Vec<RawFd> = kept.iter().map(|(_, socket)| socket.as_raw_fd()).collect();
    // Never empty: that would look like the end of the connection.
    let text = format!("{}\n", names.join("\n"));
    let rights = [ControlMessage::ScmRights(&sockets)];
    let beside = if sockets.is_empty() { &[][..] } else { &rights };
    let bytes = [IoSlice::new(text.as_bytes())];
    sendmsg::<()>(connection.as_raw_fd(), &bytes, beside, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

fn receive(connection: &OwnedFd) -> io::Result<(String, Vec<OwnedFd>)> {
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
    let text = std::str::from_utf8(&bytes[..len])
        .ok()
        .filter(|_| is_whole)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the message is no text"))?;
    Ok((text.to_owned(), sockets))
}
