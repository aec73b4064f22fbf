//! Who keeps: a process that stays while the daemon comes and goes.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept4, bind, listen, socket,
};
use nix::sys::stat::{Mode, umask};

use crate::message::{invalid, limit, named, receive, send};

/// Connections that wait; there is one daemon.
const BACKLOG: i32 = 8;

/// After a connection that could not be accepted, as without descriptors.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens; keeps nothing yet.
#[derive(Debug)]
pub struct Keeper {
    listener: OwnedFd,
    kept: Vec<(String, OwnedFd)>,
}

impl Keeper {
    /// Listens at `path`, for this user alone: whoever has the sockets answers in their place. One that ended
    /// may have left the path behind.
    ///
    /// # Errors
    /// The system's, when there can be no socket at the path.
    pub fn listen(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let flags = SockFlag::SOCK_CLOEXEC;
        let listener = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
        let mask = umask(Mode::from_bits_truncate(0o177));
        let bound = bind(listener.as_raw_fd(), &UnixAddr::new(path)?);
        umask(mask);
        bound?;
        listen(&listener, Backlog::new(BACKLOG)?)?;
        Ok(Self { listener, kept: Vec::new() })
    }

    /// Answers for ever. `failed` hears of each connection that came to nothing.
    pub fn serve(mut self, failed: impl Fn(io::Error)) -> ! {
        loop {
            let connection = match accept4(self.listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC) {
                // SAFETY: the kernel has just given us this descriptor, and nobody else knows of it.
                Ok(fd) => unsafe { OwnedFd::from_raw_fd(fd) },
                Err(error) => {
                    failed(error.into());
                    std::thread::sleep(PAUSE);
                    continue;
                }
            };
            if let Err(error) = self.answer(&connection) {
                failed(error);
            }
        }
    }

    fn answer(&mut self, connection: &OwnedFd) -> io::Result<()> {
        limit(connection)?;
        let (text, sockets) = receive(connection)?;
        let mut lines = text.lines();
        match lines.next() {
            Some("take") => self.give(connection),
            Some("keep") => {
                self.kept = named(lines, sockets)?;
                Ok(())
            }
            other => Err(invalid(&format!("{other:?} is no question"))),
        }
    }

    fn give(&self, connection: &OwnedFd) -> io::Result<()> {
        let names: Vec<&str> = self.kept.iter().map(|(name, _)| name.as_str()).collect();
        let sockets: Vec<RawFd> = self.kept.iter().map(|(_, socket)| socket.as_raw_fd()).collect();
        // Never empty: that would look like the end of the connection.
        send(connection, &format!("{}\n", names.join("\n")), &sockets)
    }
}
