//! Datagrams: each thread reads as many as wait, answers what the zone knows, and sends all of it with one
//! call. What takes longer goes to the runtime and does not hold up the rest.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::Handle;

use super::batch::Batch;
use super::{Next, Shared, WAIT};
use crate::request::Transport;

/// Datagrams that wait while nobody reads, as when an agent starts: some thousands of questions.
const RECEIVE_BYTES: usize = 1 << 20;
/// How long it takes until a thread sees that the server ends.
const LOOK_UP: Duration = Duration::from_millis(500);
/// Pause after an error that says nothing about the next datagram.
const PAUSE: Duration = Duration::from_millis(10);

/// A socket at an address.
pub(super) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Less, where the system's limit is lower.
    socket.set_recv_buffer_size(RECEIVE_BYTES)?;
    socket.bind(&address.into())?;
    let socket = UdpSocket::from(socket);
    socket.set_read_timeout(Some(LOOK_UP))?;
    Ok(socket)
}

/// Answers what comes to a socket until the server ends. Called within a runtime.
pub(super) fn spawn(shared: Arc<Shared>, socket: Arc<UdpSocket>) {
    let runtime = Handle::current();
    let serve = move || {
        while shared.waits() {
            std::thread::sleep(WAIT);
        }
        let mut batch = Batch::default();
        while !shared.is_ending.load(Ordering::Relaxed) {
            match batch.receive(&socket) {
                Ok(()) => {}
                Err(error) if is_nothing(&error) => continue,
                Err(error) => {
                    tracing::debug!(%error, "cannot read from the DNS socket");
                    std::thread::sleep(PAUSE);
                    continue;
                }
            }
            batch.answer(|message, client, response| {
                if !shared.serves(client.ip()) {
                    return false;
                }
                match shared.answer(message, Transport::Udp, response) {
                    Next::Nothing => false,
                    Next::Respond => !response.is_empty(),
                    Next::Ask(pending) => {
                        // Like any datagram for which there is no room.
                        let room = Arc::clone(&shared.room).try_acquire_owned();
                        let Ok(permit) = room else { return false };
                        let (shared, socket) = (Arc::clone(&shared), Arc::clone(&socket));
                        runtime.spawn(async move {
                            let mut response = Vec::new();
                            shared.finish(*pending, Transport::Udp, &mut response).await;
                            // A client that has gone away needs no answer.
                            let _ = socket.send_to(&response, client);
                            drop(permit);
                        });
                        false
                    }
                }
            });
            batch.send(&socket);
        }
    };
    std::thread::Builder::new()
        .name("dns".into())
        .spawn(serve)
        .map(drop)
        .unwrap_or_else(|error| tracing::error!(%error, "no thread for DNS"));
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
