//! The announcer of a node: one [`Uplink`] for each interface that leads outside, and what they are told.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::watch;

use crate::key::ClusterKey;
use crate::link::LinkWatch;
use crate::segment::Segment;
use crate::status::{self, UplinkStatus};
use crate::uplink::Uplink;

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
    /// There is no randomness.
    #[error("the system has no random numbers")]
    Random,
}

impl Announcer {
    /// Starts, with nothing to announce yet. Within a tokio runtime, in the network namespace of this
    /// thread; sockets are opened when there is something to announce.
    ///
    /// # Errors
    /// When the kernel lets links not be watched.
    pub fn start(config: &AnnouncerConfig) -> Result<Self, AnnounceError> {
        let (desired, receiver) = watch::channel(Desired::default());
        let mut segments = Vec::new();
        for name in &config.uplinks {
            let links = LinkWatch::new(name)
                .map_err(|source| AnnounceError::Links { uplink: name.clone(), source })?;
            let segment = Segment::new(&config.node_name, name, random()?, Instant::now());
            let segment = Arc::new(Mutex::new(segment));
            segments.push(Arc::clone(&segment));
            tokio::spawn(Uplink::new(name, segment).run(links, receiver.clone()));
        }
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

fn random() -> Result<u64, AnnounceError> {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).map_err(|_| AnnounceError::Random)?;
    Ok(u64::from_ne_bytes(bytes))
}
