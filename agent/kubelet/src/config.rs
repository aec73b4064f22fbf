//! What the kubelet must be told at start. Everything has a default that suits a plain VM.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::socket_hooks::SocketHooks;

use crate::service_links::ServiceLinks;

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct KubeletConfig {
    /// `metadata.name` of this node.
    pub node_name: String,
    /// The node's own addresses, the first of each family being the one that is reported. Pods on the
    /// host network have them.
    pub node_ips: Vec<IpAddr>,
    /// Volumes and pod files live in `<data_dir>/pods`, the managed containerd's in
    /// `<data_dir>/containerd`.
    pub data_dir: PathBuf,
    /// Sockets and pid files; the managed containerd's state is in `<run_dir>/containerd`.
    pub run_dir: PathBuf,
    /// Container logs: `<log_dir>/<namespace>_<name>_<uid>/<container>/<attempt>.log`.
    /// Removed by `cleanup`, so not one that another kubelet writes to.
    pub log_dir: PathBuf,
    /// Which container runtime runs the pods.
    pub runtime: RuntimeChoice,
    /// Image archives (`*.tar`, OCI or docker layout) that are imported at start when they are missing.
    pub image_dir: Option<PathBuf>,
    /// Name servers and domain for pods with `dnsPolicy: ClusterFirst`; replaced by
    /// [`crate::Update::Cluster`].
    pub cluster_dns: ClusterDns,
    /// What containers are told of Services by variables.
    pub service_links: ServiceLinks,
    /// The pods' cgroups are below this one, e.g. `/sheave`.
    pub cgroup_root: String,
    /// Most pods this node reports that it can run.
    pub max_pods: u32,
    /// `nodeInfo.kubeletVersion`.
    pub kubelet_version: String,
    /// Extra labels for the Node object.
    pub node_labels: Vec<(String, String)>,
    /// Annotations of the node.
    pub node_annotations: Vec<(String, String)>,
    /// Whoever translates sockets on this node, if anybody does.
    pub socket_hooks: Option<Arc<dyn SocketHooks>>,
}

impl KubeletConfig {
    /// The defaults, for a node of this name and these addresses.
    pub fn new(node_name: impl Into<String>, node_ips: Vec<IpAddr>) -> Self {
        Self {
            node_name: node_name.into(),
            node_ips,
            data_dir: "/var/lib/sheave/agent".into(),
            run_dir: "/run/sheave".into(),
            log_dir: "/var/log/sheave/pods".into(),
            runtime: RuntimeChoice::Managed(ManagedRuntime::default()),
            image_dir: Some("/var/lib/sheave/agent/images".into()),
            cluster_dns: ClusterDns::default(),
            service_links: ServiceLinks::default(),
            cgroup_root: "/sheave".into(),
            max_pods: 110,
            kubelet_version: "v1.36.0+sheave".into(),
            node_labels: Vec::new(),
            node_annotations: Vec::new(),
            socket_hooks: None,
        }
    }
}

/// What pods need to know of the cluster's DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterDns {
    /// Addresses of the cluster's DNS service; with none, `ClusterFirst` falls back to the node's own.
    pub servers: Vec<IpAddr>,
    /// E.g. `cluster.local`.
    pub domain: String,
}

impl Default for ClusterDns {
    fn default() -> Self {
        Self { servers: Vec::new(), domain: "cluster.local".into() }
    }
}

/// Which container runtime runs the pods.
#[derive(Clone, Debug)]
pub enum RuntimeChoice {
    /// A containerd of our own, started and supervised here; it outlives the agent.
    Managed(ManagedRuntime),
    /// A runtime somebody else runs, by the path of its CRI socket.
    External {
        /// E.g. `/run/containerd/containerd.sock`.
        socket: PathBuf,
    },
}

/// The containerd of our own.
#[derive(Clone, Debug)]
pub struct ManagedRuntime {
    /// Looked up in PATH unless it is a path.
    pub containerd: PathBuf,
    /// containerd's client, used to import images.
    pub ctr: PathBuf,
    /// The static program that holds a pod's namespaces. Usually the `sheave-pause` beside the agent.
    pub pause_program: PathBuf,
    /// Where CNI plugins are.
    pub cni_bin_dirs: Vec<PathBuf>,
    /// Where the CNI configuration is; made when missing, and watched.
    pub cni_conf_dir: PathBuf,
    /// `None`: systemd where systemd runs the machine, otherwise cgroupfs.
    pub cgroup_driver: Option<CgroupDriver>,
}

impl ManagedRuntime {
    /// Whether the programs that pods need are installed. Makes nothing.
    ///
    /// # Errors
    /// The first that is missing, and how to get it.
    pub fn check_programs(&self) -> Result<(), crate::StartError> {
        crate::runtime::Programs::find(self).map(drop)
    }
}

impl Default for ManagedRuntime {
    fn default() -> Self {
        let pause_program = std::env::current_exe()
            .ok()
            .and_then(|exe| Some(exe.parent()?.join("sheave-pause")))
            .unwrap_or_else(|| "sheave-pause".into());
        Self {
            containerd: "containerd".into(),
            ctr: "ctr".into(),
            pause_program,
            cni_bin_dirs: vec!["/var/lib/sheave/agent/cni/bin".into()],
            cni_conf_dir: "/var/lib/sheave/agent/cni/net.d".into(),
            cgroup_driver: None,
        }
    }
}

/// Who makes cgroups: the kubelet and runc by themselves, or systemd when asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupDriver {
    /// Directories below the cgroup file systems.
    Cgroupfs,
    /// Slices and scopes.
    Systemd,
}
