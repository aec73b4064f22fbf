//! Load balancer addresses on the networks of this node: what the announcer is told, and when.
//!
//! Beside the path of changes, never in it: the maps have what they need before anybody is told to send
//! packets here. Which addresses are announced and the secret of the nodes come from the server; flags are
//! for a node without one, and win over it.

use std::sync::Arc;

use anyhow::{Context, Result};
use parking_lot::Mutex;
use sheave_announce::{
    AddressRange, Announcer, AnnouncerConfig, ClusterKey, UplinkStatus, candidates,
};
use sheave_push::v1;
use tokio::sync::watch;

use crate::config::RunArguments;
use crate::reconcile::Reconciler;

/// The announcer and what it is told.
#[derive(Clone)]
pub(crate) struct Announcing {
    announcer: Announcer,
    ranges: Arc<watch::Sender<Vec<AddressRange>>>,
    is_key_given: bool,
    is_pool_given: bool,
}

impl Announcing {
    /// Starts, with nothing to announce until a complete state is in effect.
    pub(crate) fn start(
        arguments: &RunArguments,
        reconciler: &Arc<Mutex<Reconciler>>,
    ) -> Result<Self> {
        let machine = reconciler.lock().machine().clone();
        let config = AnnouncerConfig { node_name: machine.name, uplinks: machine.uplinks };
        let announcer = Announcer::start(&config).context("cannot announce addresses")?;
        announcer.set_key(given_key(arguments)?);
        let (ranges, changed) = watch::channel(arguments.load_balancer_pool.clone());
        tokio::spawn(follow(announcer.clone(), Arc::clone(reconciler), changed));
        Ok(Self {
            announcer,
            ranges: Arc::new(ranges),
            is_key_given: arguments.announce_key_file.is_some(),
            is_pool_given: !arguments.load_balancer_pool.is_empty(),
        })
    }

    /// What the server says of the cluster.
    pub(crate) fn join(&self, cluster: &v1::ClusterConfig) -> Result<()> {
        if !self.is_key_given && !cluster.node_secret.is_empty() {
            let key =
                ClusterKey::derive(&cluster.node_secret).context("the server's node secret")?;
            self.announcer.set_key(Some(key));
        }
        let ranges = cluster.load_balancer_ranges.iter().map(|range| {
            range.parse().with_context(|| format!("the server's load balancer range {range:?}"))
        });
        let ranges = ranges.collect::<Result<Vec<_>>>()?;
        if !self.is_pool_given {
            self.ranges.send_replace(ranges);
        }
        Ok(())
    }

    /// A change of Services or endpoints is in effect.
    pub(crate) fn services_changed(&self) {
        self.ranges.send_modify(|_| {});
    }

    /// For people.
    pub(crate) fn status(&self) -> Vec<UplinkStatus> {
        self.announcer.status()
    }
}

/// Tells the announcer what this node could announce, after each change.
async fn follow(
    announcer: Announcer,
    reconciler: Arc<Mutex<Reconciler>>,
    mut changed: watch::Receiver<Vec<AddressRange>>,
) {
    while changed.changed().await.is_ok() {
        let ranges = changed.borrow_and_update().clone();
        let addresses = {
            let reconciler = reconciler.lock();
            if reconciler.progress().in_effect_at.is_none() {
                continue;
            }
            candidates(reconciler.model(), &ranges)
        };
        announcer.set_candidates(addresses);
    }
}

/// The key of --announce-key-file, if that was given. White space at the file's end is the editor's.
pub(crate) fn given_key(arguments: &RunArguments) -> Result<Option<ClusterKey>> {
    let Some(path) = &arguments.announce_key_file else { return Ok(None) };
    let derive =
        || Ok::<_, anyhow::Error>(ClusterKey::derive(std::fs::read(path)?.trim_ascii_end())?);
    derive().map(Some).with_context(|| format!("--announce-key-file {}", path.display()))
}
