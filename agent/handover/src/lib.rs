//! Sockets that outlive a daemon. Whoever started it keeps them while it is away: what comes to them waits in
//! the kernel until the next one has taken them, and nobody is refused meanwhile. Both sides are here, for
//! only together they are a protocol; what the sockets are for, neither knows.
//!
//! One connection of packets (SOCK_SEQPACKET), one packet each way, descriptors beside it (SCM_RIGHTS):
//!
//! ```text
//! take                         -> the names, a line each, with the sockets
//! keep, then a name on each
//!       line, with the sockets -> kept; what was there before is closed
//! ```

mod keeper;
mod message;

pub use keeper::Keeper;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

/// What is kept, with the names that it was given. Nothing, if nobody keeps anything at `keeper`.
///
/// # Errors
/// When somebody does, but does not answer as expected.
pub fn take(keeper: &Path) -> io::Result<Vec<(String, OwnedFd)>> {
    let Some(connection) = reach(keeper)? else { return Ok(Vec::new()) };
    message::send(&connection, "take", &[])?;
    let (text, sockets) = message::receive(&connection)?;
    message::named(text.lines().filter(|name| !name.is_empty()), sockets)
}

/// Has these kept from now on, and nothing else. Without a keeper nothing happens: they end with this process.
///
/// # Errors
/// When the keeper is there and cannot be told.
pub fn keep(keeper: &Path, sockets: &[(String, BorrowedFd<'_>)]) -> io::Result<()> {
    let Some(connection) = reach(keeper)? else { return Ok(()) };
    let names = sockets.iter().map(|(name, _)| format!("\n{name}"));
    let fds: Vec<RawFd> = sockets.iter().map(|(_, socket)| socket.as_raw_fd()).collect();
    message::send(&connection, &format!("keep{}", names.collect::<String>()), &fds)
}

fn reach(keeper: &Path) -> io::Result<Option<OwnedFd>> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let connection = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
    message::limit(&connection)?;
    match connect(connection.as_raw_fd(), &UnixAddr::new(keeper)?) {
        Ok(()) => Ok(Some(connection)),
        Err(Errno::ENOENT | Errno::ECONNREFUSED) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd as _;
    use std::time::Duration;

    fn names(keeper: &Path) -> Vec<String> {
        take(keeper).unwrap().into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn what_comes_while_nobody_reads_is_there_for_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keeper.sock");
        assert!(take(&path).unwrap().is_empty(), "nobody keeps anything");
        let keeper = Keeper::listen(&path).unwrap();
        std::thread::spawn(move || keeper.serve(|error| panic!("{error}")));

        let first = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = first.local_addr().unwrap();
        keep(&path, &[("a b".into(), first.as_fd())]).unwrap();
        drop(first);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"question", address).unwrap();

        let (name, socket) = take(&path).unwrap().pop().unwrap();
        let next = UdpSocket::from(socket);
        next.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut data = [0; 16];
        let len = next.recv(&mut data).unwrap();
        assert_eq!((name.as_str(), &data[..len]), ("a b", &b"question"[..]));
        assert_eq!(names(&path), ["a b"], "it stays until something else is kept");

        drop(next);
        keep(&path, &[]).unwrap();
        assert!(names(&path).is_empty());
        UdpSocket::bind(address).expect("it was closed");
    }
}
