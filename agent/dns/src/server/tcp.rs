//! Connections: messages with their length before them (RFC 7766), answered in order. How many there are,
//! how many of one client, and how long one may do nothing is bounded.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Shared, WAIT};
use crate::counts::{DropReason, Response, Transport};
use crate::respond::Next;

/// Connections at one address; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 256;
/// Of one client; more are closed.
const CONNECTIONS_OF_ONE_MAX: usize = 32;
/// For the next question, and for taking an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// A question longer than this is none.
const QUESTION_BYTES_MAX: usize = 4096;
/// Pause when no connection can be accepted, as without descriptors.
const PAUSE: Duration = Duration::from_millis(100);

type OfClients = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// Answers who connects, for ever.
pub(super) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    while shared.waits() {
        tokio::time::sleep(WAIT).await;
    }
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let of_clients = OfClients::default();
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "cannot accept a DNS connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let counted = match admit(&shared, &of_clients, client) {
            Ok(counted) => counted,
            Err(why) => {
                shared.counts.dropped(why);
                continue;
            }
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // However it ends, it has ended.
            let _ = converse(&shared, stream).await;
            drop((permit, counted));
        });
    }
}

/// One of a client's connections, for as long as it lives.
struct Counted {
    of_clients: OfClients,
    client: IpAddr,
}

fn admit(
    shared: &Shared,
    of_clients: &OfClients,
    client: SocketAddr,
) -> Result<Counted, DropReason> {
    let client = client.ip();
    if !shared.serves(client) {
        return Err(DropReason::NotServed);
    }
    let mut counts = of_clients.lock();
    let count = counts.entry(client).or_default();
    if *count >= CONNECTIONS_OF_ONE_MAX {
        return Err(DropReason::TooManyConnections);
    }
    *count += 1;
    Ok(Counted { of_clients: Arc::clone(of_clients), client })
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.of_clients.lock();
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client);
            }
        }
    }
}

async fn converse(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut question, mut response) = (Vec::new(), Vec::new());
    loop {
        let length = timeout(PATIENCE, stream.read_u16()).await??;
        let length = usize::from(length);
        if length > QUESTION_BYTES_MAX {
            shared.counts.dropped(DropReason::Malformed);
            return Ok(());
        }
        question.resize(length, 0);
        timeout(PATIENCE, stream.read_exact(&mut question)).await??;
        let received = Instant::now();
        let outcome = match respond(shared, &question, &mut response).await {
            Ok(written) => match send(&mut stream, &response).await {
                Ok(()) => Ok(written),
                Err(_) => Err(DropReason::Unsent),
            },
            Err(why) => Err(why),
        };
        shared.count(received.elapsed(), outcome);
        if outcome.is_err() {
            return Ok(());
        }
    }
}

async fn respond(
    shared: &Shared,
    question: &[u8],
    response: &mut Vec<u8>,
) -> Result<Response, DropReason> {
    match shared.respond(question, Transport::Tcp, response) {
        Next::Drop(why) => Err(why),
        Next::Respond(written) => Ok(written),
        Next::Ask(pending) => shared.finish(*pending, Transport::Tcp, response).await,
    }
}

async fn send(stream: &mut TcpStream, response: &[u8]) -> io::Result<()> {
    let length = u16::try_from(response.len()).map_err(io::Error::other)?;
    let message = [&length.to_be_bytes(), response].concat();
    timeout(PATIENCE, stream.write_all(&message)).await?
}
