//! The announcer of a node: one [`Uplink`] for each interface that leads outside, and what they are told.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

use parking_lot::Mutex;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::key::ClusterKey;
use crate::link::LinkWatch;
use crate::segment::Segment;
use crate::status::{self, UplinkStatus};
use crate::uplink::Uplink;

/// As important as the daemons that keep time.
const NICE: i32 = -10;

/// Who announces, and where.
#[derive(Clone, Debug, Default)]
pub struct AnnouncerConfig {
    /// `metadata.name` of this Node: nodes of a cluster have different ones.
    pub node_name: String,
    /// Interfaces that lead to networks on which load balancer addresses are announced.
    pub uplinks: Vec<String>,
}

/// What is desired of all uplinks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desired {
    pub(crate) addresses: BTreeSet<IpAddr>,
    pub(crate) key: Option<ClusterKey>,
}

/// Announces addresses for as long as it lives; ends with the last handle. Nothing is said when it ends:
/// others take over once they miss it, and an agent that is started again in between goes on.
#[derive(Clone, Debug)]
pub struct Announcer {
    desired: Arc<watch::Sender<Desired>>,
    segments: Vec<Arc<Mutex<Segment>>>,
}

/// Why nothing can be announced.
#[derive(Debug, thiserror::Error)]
pub enum AnnounceError {
    /// The kernel does not tell about links.
    #[error("cannot watch the network interface {uplink}")]
    Links {
        /// Which.
        uplink: String,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// There is no thread for it.
    #[error("cannot start the thread that announces addresses")]
    Thread(#[source] io::Error),
    /// There is no randomness.
    #[error("the system has no random numbers")]
    Random,
}

impl Announcer {
    /// Starts, with nothing to announce yet. In the network namespace of this thread; sockets are opened when
    /// there is something to announce.
    ///
    /// # Errors
    /// When the kernel lets links not be watched, or there can be no thread.
    pub fn start(config: &AnnouncerConfig) -> Result<Self, AnnounceError> {
        let (desired, receiver) = watch::channel(Desired::default());
        let mut uplinks = Vec::new();
        for name in &config.uplinks {
            let segment = Segment::new(&config.node_name, name, random()?, Instant::now());
            uplinks.push((name.clone(), Arc::new(Mutex::new(segment))));
        }
        let segments = uplinks.iter().map(|(_, segment)| Arc::clone(segment)).collect();
        let (started, result) = mpsc::channel();
        thread::Builder::new()
            .name("announce".into())
            .spawn(move || run(uplinks, &receiver, &started))
            .map_err(AnnounceError::Thread)?;
        result.recv().map_err(|_| AnnounceError::Thread(io::ErrorKind::Other.into()))??;
        Ok(Self { desired: Arc::new(desired), segments })
    }

    /// The addresses that this node could announce, from now on.
    pub fn set_candidates(&self, addresses: BTreeSet<IpAddr>) {
        self.desired.send_if_modified(|desired| {
            let is_new = desired.addresses != addresses;
            desired.addresses = addresses;
            is_new
        });
    }

    /// The key by which the nodes of the cluster know each other. Without one this node announces as if it
    /// were alone.
    pub fn set_key(&self, key: Option<ClusterKey>) {
        self.desired.send_modify(|desired| desired.key = key);
    }

    /// What is announced, by whom, and what was counted.
    pub fn status(&self) -> Vec<UplinkStatus> {
        let now = Instant::now();
        self.segments.iter().map(|segment| status::of(&segment.lock(), now)).collect()
    }
}

/// The announcer's own thread, with a runtime of its own. Work of the agent that holds up its threads for a
/// second would otherwise cost this node its addresses.
fn run(
    uplinks: Vec<(String, Arc<Mutex<Segment>>)>,
    desired: &watch::Receiver<Desired>,
    started: &mpsc::Sender<Result<(), AnnounceError>>,
) {
    prefer_this_thread();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return drop(started.send(Err(AnnounceError::Thread(error)))),
    };
    runtime.block_on(async {
        let mut work = JoinSet::new();
        for (name, segment) in uplinks {
            match LinkWatch::new(&name) {
                Ok(links) => work.spawn(Uplink::new(&name, segment).run(links, desired.clone())),
                Err(source) => {
                    let error = AnnounceError::Links { uplink: name, source };
                    return drop(started.send(Err(error)));
                }
            };
        }
        let _ = started.send(Ok(()));
        while work.join_next().await.is_some() {}
    });
}

/// It does next to nothing, and what it does must not wait for a busy machine. Where this is not allowed, it
/// waits like others.
fn prefer_this_thread() {
    // SAFETY: a system call on this thread alone, with numbers.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

fn random() -> Result<u64, AnnounceError> {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).map_err(|_| AnnounceError::Random)?;
    Ok(u64::from_ne_bytes(bytes))
}
