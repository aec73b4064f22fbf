//! The server: threads that read datagrams in batches and answer at once what the zone knows, and a runtime
//! for what takes time, TCP and upstreams.

mod batch;
mod lookup;
mod tcp;
mod udp;

pub use lookup::{Found, ask_server};

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use parking_lot::RwLock;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::counts::{Counts, DropReason, Response, Transport};
use crate::forward::{Forwarder, Upstreams};
use crate::records::Records;
use crate::respond::{Next, Pending, respond};
use crate::zone::{Cluster, Zone};
use sheave_core::model::ObjectKey;

/// Datagrams whose answers are not there at once; more are dropped.
const PENDING_MAX: usize = 2048;
/// How long questions wait for names to be known: less than resolvers do.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// Pause until that is looked at again.
const WAIT: Duration = Duration::from_millis(2);

/// Where the server listens, and whom it asks.
#[derive(Debug)]
pub struct ServerConfig {
    /// Where it answers.
    pub sockets: Vec<Sockets>,
    /// Addresses of processes of this machine; with the pods, they are all who are answered.
    pub clients: Vec<IpAddr>,
    /// Names that are not the cluster's.
    pub upstreams: Upstreams,
    /// Threads that read datagrams at each address, while there are many; otherwise one does.
    pub threads: usize,
    /// Of what happens.
    pub counts: Arc<Counts>,
}

/// For datagrams and connections at one address. They may be older than the server: what came to them before
/// is answered too.
#[derive(Debug)]
pub struct Sockets {
    /// For datagrams.
    pub udp: UdpSocket,
    /// For connections.
    pub tcp: std::net::TcpListener,
}

impl Sockets {
    /// New ones.
    ///
    /// # Errors
    /// When one of them cannot listen at the address.
    pub fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let failed = |source| ListenError { address, source };
        let udp = udp::bind(address).map_err(failed)?;
        // Port 0 is for tests: both have the same then too.
        let address = udp.local_addr().map_err(failed)?;
        let tcp = std::net::TcpListener::bind(address).map_err(failed)?;
        Ok(Self { udp, tcp })
    }
}

/// Why it does not listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for DNS")]
pub struct ListenError {
    /// Where.
    pub address: SocketAddr,
    /// The system's word.
    #[source]
    pub source: io::Error,
}

/// A running server. Clones are the same; it ends with the last.
#[derive(Clone, Debug)]
pub struct Server(Arc<Running>);

#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    sockets: Vec<Arc<UdpSocket>>,
    connections: Vec<tokio::task::AbortHandle>,
}

/// What all threads and tasks know.
#[derive(Debug)]
struct Shared {
    /// Written by who follows the Services, for the time of one of them; read for the time of an answer.
    zone: RwLock<Zone>,
    clients: Vec<IpAddr>,
    forwarder: Forwarder,
    counts: Arc<Counts>,
    is_ending: AtomicBool,
    since: Instant,
    /// For datagrams whose answers take time.
    room: Arc<Semaphore>,
}

impl Server {
    /// Listens, and answers from now on.
    ///
    /// # Errors
    /// When one of the sockets is none that this can work with.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(config: ServerConfig, cluster: Cluster) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            zone: RwLock::new(Zone::new(cluster)),
            clients: config.clients,
            forwarder: Forwarder::new(config.upstreams, Arc::clone(&config.counts)),
            counts: config.counts,
            is_ending: AtomicBool::new(false),
            since: Instant::now(),
            room: Arc::new(Semaphore::new(PENDING_MAX)),
        });
        let mut bound = Vec::new();
        for Sockets { udp, tcp } in config.sockets {
            tcp.set_nonblocking(true)?;
            bound.push((udp.local_addr()?, udp, TcpListener::from_std(tcp)?));
        }
        let mut running =
            Running { shared, addresses: Vec::new(), sockets: Vec::new(), connections: Vec::new() };
        for (address, socket, listener) in bound {
            running.addresses.push(address);
            let socket: Arc<UdpSocket> = Arc::new(socket);
            udp::spawn(&running.shared, &socket, config.threads);
            running.sockets.push(socket);
            let serving = tokio::spawn(tcp::serve(Arc::clone(&running.shared), listener));
            running.connections.push(serving.abort_handle());
        }
        Ok(Self(Arc::new(running)))
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.0.addresses
    }

    /// What the cluster is called, and which addresses are its own.
    pub fn rename(&self, cluster: Cluster) {
        self.0.shared.zone.write().rename(cluster);
    }

    /// A Service is new or changed; without records it is gone. False when that was known.
    pub fn set(&self, key: &ObjectKey, records: Option<Records>) -> bool {
        self.0.shared.zone.write().set(key, records)
    }

    /// From now on a name that was not set does not exist.
    pub fn complete(&self) {
        self.0.shared.zone.write().complete();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.is_ending.store(true, Ordering::Relaxed);
        self.sockets.iter().for_each(|socket| udp::wake(socket));
        self.connections.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

impl Shared {
    /// False once all names are known, or it has taken too long: until then questions wait in the socket,
    /// as they do while an agent is started anew.
    fn waits(&self) -> bool {
        !self.zone.read().is_complete() && self.since.elapsed() < WAIT_MAX
    }

    /// The machine's own processes and pods, and nobody else: this is no resolver for the world.
    fn serves(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        let has = |ranges: &[IpNet]| ranges.iter().any(|range| range.contains(&client));
        client.is_loopback()
            || self.clients.contains(&client)
            || has(&self.zone.read().cluster().pod_ranges)
    }

    /// Answers what the zone knows into `response`.
    fn respond(&self, message: &[u8], transport: Transport, response: &mut Vec<u8>) -> Next {
        respond(&self.zone.read(), message, transport, response)
    }

    /// Asks others for the rest.
    async fn finish(
        &self,
        pending: Pending,
        transport: Transport,
        response: &mut Vec<u8>,
    ) -> Result<Response, DropReason> {
        let reply = self.forwarder.ask(pending.asked()).await;
        pending.respond(reply, transport, response)
    }

    /// What has become of a question, and after how long.
    fn count(&self, took: Duration, outcome: Result<Response, DropReason>) {
        match outcome {
            Ok(response) => self.counts.responded(response, took),
            Err(reason) => self.counts.dropped(reason),
        }
    }
}
