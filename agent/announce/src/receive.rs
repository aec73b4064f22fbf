//! Reading what a socket holds without ever waiting for more than its first packet.

use std::io::{self, Read as _};

use socket2::Socket;
use tokio::io::unix::AsyncFd;

/// Packets that are read at once; more wait for their turn.
const BATCH: usize = 64;

/// For this module and for nothing else to wait on.
pub(crate) fn register(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: a Socket answers the same open descriptor for as long as it lives, and lives as long as its
    // registration.
    unsafe { AsyncFd::register(socket) }.map_err(io::Error::from)
}

/// Waits until there is a packet, and hands over those that are there, up to a bound. Of a longer packet the
/// end is missing.
pub(crate) async fn some(
    socket: &AsyncFd<Socket>,
    len_max: usize,
    mut take: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut ready = socket.readable().await?;
    let mut packet = vec![0; len_max];
    for _ in 0..BATCH {
        let mut inner = ready.get_inner();
        match inner.read(&mut packet) {
            Ok(len) => take(&packet[..len]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                ready.clear_ready();
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
