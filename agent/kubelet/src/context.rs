//! What all pod workers share. Nothing here is locked for longer than a map access.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};

use tokio::sync::{broadcast, mpsc};

use crate::cgroups::Cgroups;
use crate::config::{CgroupDriver, ClusterDns, KubeletConfig};
use crate::cri::Cri;
use crate::data::DataObjects;
use crate::env::Facts;
use crate::host_ports::HostPorts;
use crate::interface::Outgoing;
use crate::network::Resolver;
use crate::pod::spec::{PodSpec, PodUid};
use crate::recorder::Recorder;
use crate::runtime::{Runtime, RuntimeFacts, RuntimeState};
use crate::volumes::PodDirectory;

/// Shared by the dispatcher, the workers and the tunnels.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: KubeletConfig,
    pub(crate) runtime: Runtime,
    pub(crate) data: DataObjects,
    pub(crate) recorder: Recorder,
    pub(crate) host_ports: HostPorts,
    pub(crate) outgoing: mpsc::Sender<Outgoing>,
    pub(crate) cgroups: Cgroups,
    /// Written by the dispatcher when the source knows better.
    pub(crate) cluster_dns: RwLock<ClusterDns>,
    /// Which pod a container or sandbox of the runtime belongs to. Workers write what they see, the
    /// event reader looks up.
    owners: Mutex<HashMap<String, PodUid>>,
    pub(crate) node_memory_bytes: u64,
    /// Ids of containers whose process has just ended, for those who follow their logs.
    pub(crate) ended: broadcast::Sender<String>,
}

/// Ends that a follower may lag behind; then it looks for itself.
const ENDED_MAX: usize = 64;
const POISONED: &str = "nobody panics while holding the map";

impl Context {
    pub(crate) fn new(
        config: KubeletConfig,
        runtime: Runtime,
        outgoing: mpsc::Sender<Outgoing>,
    ) -> Self {
        Self {
            recorder: Recorder::new(outgoing.clone(), config.node_name.clone()),
            cgroups: Cgroups::new(&config.cgroup_root),
            cluster_dns: RwLock::new(config.cluster_dns.clone()),
            data: DataObjects::default(),
            host_ports: HostPorts::default(),
            owners: Mutex::default(),
            ended: broadcast::Sender::new(ENDED_MAX),
            node_memory_bytes: crate::machine::memory_bytes(),
            config,
            runtime,
            outgoing,
        }
    }

    pub(crate) fn cri(&self) -> &Cri {
        &self.runtime.cri
    }

    /// "containerd" until the runtime has said otherwise.
    pub(crate) fn runtime_facts(&self) -> RuntimeFacts {
        match &*self.runtime.state.borrow() {
            RuntimeState::Up(facts) => facts.clone(),
            RuntimeState::Down(_) => RuntimeFacts {
                name: "containerd".into(),
                version: String::new(),
                cgroup_driver: CgroupDriver::Cgroupfs,
            },
        }
    }

    pub(crate) fn node_ips(&self) -> Vec<String> {
        self.config.node_ips.iter().map(ToString::to_string).collect()
    }

    pub(crate) fn facts(&self, pod_ips: &[String]) -> Facts {
        Facts {
            pod_ips: pod_ips.to_vec(),
            host_ips: self.node_ips(),
            services: Vec::new(),
            node_cpus: crate::machine::cpus(),
            node_memory_bytes: self.node_memory_bytes,
        }
    }

    pub(crate) fn cluster_dns(&self) -> ClusterDns {
        self.cluster_dns.read().expect(POISONED).clone()
    }

    /// The machine's own name resolution, read when it is needed: it changes under DHCP.
    pub(crate) fn node_resolver(&self) -> Resolver {
        // systemd-resolved's stub listens on an address that pods do not reach.
        let paths = ["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"];
        let text = paths.iter().find_map(|path| std::fs::read_to_string(path).ok());
        Resolver::parse(&text.unwrap_or_default())
    }

    pub(crate) fn directory(&self, uid: &PodUid) -> PodDirectory {
        PodDirectory::new(&self.config.data_dir, uid)
    }

    pub(crate) fn log_directory(&self, spec: &PodSpec) -> PathBuf {
        let name = format!("{}_{}_{}", spec.key.namespace, spec.key.name, spec.uid);
        self.config.log_dir.join(name)
    }

    pub(crate) fn own(&self, runtime_id: &str, uid: &PodUid) {
        let mut owners = self.owners.lock().expect(POISONED);
        if !owners.contains_key(runtime_id) {
            owners.insert(runtime_id.to_owned(), uid.clone());
        }
    }

    pub(crate) fn owner(&self, runtime_id: &str) -> Option<PodUid> {
        self.owners.lock().expect(POISONED).get(runtime_id).cloned()
    }

    /// Forgets everything of a pod that has ended.
    pub(crate) fn disown(&self, uid: &PodUid) {
        self.owners.lock().expect(POISONED).retain(|_, owner| owner != uid);
    }

    /// Waits for room: statuses are not dropped.
    pub(crate) async fn send(&self, message: Outgoing) {
        // Nobody listens any more only when the agent ends.
        let _ = self.outgoing.send(message).await;
    }
}

pub(crate) type Shared = Arc<Context>;
