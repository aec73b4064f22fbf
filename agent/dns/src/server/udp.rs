//! Datagrams: a thread reads as many as wait, answers what the zone knows, and sends all of it with one call;
//! when there are many, others join in. What takes longer goes to the runtime and does not hold up the rest.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::Thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::Handle;

use super::batch::Batch;
use super::{Shared, WAIT};
use crate::counts::{DropReason, Response, Transport};
use crate::respond::Next;

/// Datagrams that wait while nobody reads, as when an agent starts: some thousands of questions.
const RECEIVE_BYTES: usize = 1 << 20;
/// As many at once are too many for one thread.
const MANY: usize = 8;
/// Pause after an error that says nothing about the next datagram.
const PAUSE: Duration = Duration::from_millis(10);

/// A socket at an address.
pub(super) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Beyond the system's limit, as root may; or else as much as it allows.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BYTES).is_err() {
        socket.set_recv_buffer_size(RECEIVE_BYTES)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Has the thread that waits for datagrams look whether the server ends: it is sent one. To shut the socket down
/// would end it also for the agent that has it next.
pub(super) fn wake(socket: &UdpSocket) {
    // When none can be sent because many wait, those wake it.
    let _ = socket.local_addr().and_then(|own| socket.send_to(&[], own));
}

/// Answers what comes to a socket until the server ends. Called within a runtime.
pub(super) fn spawn(shared: &Arc<Shared>, socket: &Arc<UdpSocket>, threads: usize) {
    let reader = || Reader {
        shared: Arc::clone(shared),
        socket: Arc::clone(socket),
        runtime: Handle::current(),
    };
    let start = |serve: Box<dyn FnOnce() + Send>| {
        let started = std::thread::Builder::new().name("dns".into()).spawn(serve);
        let started = started.inspect_err(|error| tracing::error!(%error, "no thread for DNS"));
        started.ok().map(|handle| handle.thread().clone())
    };
    let others = (1..threads).map(|_| reader());
    let others: Vec<Thread> =
        others.filter_map(|reader| start(Box::new(move || reader.join_in()))).collect();
    let first = reader();
    start(Box::new(move || first.serve(&others)));
}

/// What a thread works with.
struct Reader {
    shared: Arc<Shared>,
    socket: Arc<UdpSocket>,
    runtime: Handle,
}

impl Reader {
    /// The thread that waits for datagrams. While it keeps up, the others sleep: the kernel would wake them in
    /// turn, each with a cold cache and maybe on a processor where somebody else runs.
    fn serve(&self, others: &[Thread]) {
        while self.shared.waits() {
            std::thread::sleep(WAIT);
        }
        let mut batch = Batch::default();
        while !self.is_ending() {
            match batch.receive(&self.socket) {
                Ok(()) => {}
                Err(error) if is_nothing(&error) => continue,
                Err(error) => {
                    tracing::debug!(%error, "cannot read from the DNS socket");
                    std::thread::sleep(PAUSE);
                    continue;
                }
            }
            if batch.received() >= MANY {
                others.iter().for_each(Thread::unpark);
            }
            self.answer(&mut batch);
        }
        others.iter().for_each(Thread::unpark);
    }

    /// One of the others: answers while there is something, each time that it is woken.
    fn join_in(&self) {
        let mut batch = Batch::default();
        while !self.is_ending() {
            std::thread::park();
            while batch.receive_waiting(&self.socket).is_ok() {
                self.answer(&mut batch);
            }
        }
    }

    fn is_ending(&self) -> bool {
        self.shared.is_ending.load(Ordering::Relaxed)
    }

    fn answer(&self, batch: &mut Batch) {
        let received = Instant::now();
        batch.answer(|message, client, response| {
            match self.respond(message, client, received, response) {
                Ok(written) => written,
                Err(why) => {
                    self.shared.counts.dropped(why);
                    None
                }
            }
        });
        let sent = batch.send(&self.socket);
        let took = received.elapsed();
        for (response, is_sent) in sent {
            self.shared.count(took, if is_sent { Ok(response) } else { Err(DropReason::Unsent) });
        }
    }

    /// The response, unless it takes time: then it is sent later.
    fn respond(
        &self,
        message: &[u8],
        client: SocketAddr,
        received: Instant,
        response: &mut Vec<u8>,
    ) -> Result<Option<Response>, DropReason> {
        if !self.shared.serves(client.ip()) {
            return Err(DropReason::NotServed);
        }
        let pending = match self.shared.respond(message, Transport::Udp, response) {
            Next::Respond(written) => return Ok(Some(written)),
            Next::Drop(why) => return Err(why),
            Next::Ask(pending) => *pending,
        };
        // Like any datagram for which there is no room.
        let room = Arc::clone(&self.shared.room).try_acquire_owned();
        let permit = room.map_err(|_| DropReason::Full)?;
        let (shared, socket) = (Arc::clone(&self.shared), Arc::clone(&self.socket));
        self.runtime.spawn(async move {
            let mut response = Vec::new();
            let finished = shared.finish(pending, Transport::Udp, &mut response).await;
            let sent = finished.and_then(|written| match socket.send_to(&response, client) {
                Ok(_) => Ok(written),
                Err(_) => Err(DropReason::Unsent),
            });
            shared.count(received.elapsed(), sent);
            drop(permit);
        });
        Ok(None)
    }
}

/// Sockets of an agent before may have a limit to how long they wait.
fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_questions_a_second_can_wait_while_an_agent_is_started_anew() {
        let socket = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        // The kernel counts its own needs too, and doubles it (socket(7)).
        let bytes = nix::sys::socket::getsockopt(&socket, sockopt::RcvBuf).unwrap();
        // Without privileges it is the system's limit that counts.
        let is_root = nix::unistd::geteuid().is_root();
        assert!(bytes >= if is_root { 2 * RECEIVE_BYTES } else { 1 }, "{bytes}");
    }
}
