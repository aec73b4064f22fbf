//! A pod in the kubelet's own words: what a v1 Pod means once its defaults are filled in and what cannot
//! be is gone. Nothing here knows the API's encoding.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::quantity::Quantity;

/// Namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PodKey {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl std::fmt::Display for PodKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// `metadata.uid`: a pod of the same name is another pod when this differs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PodUid(pub(crate) String);

impl std::fmt::Display for PodUid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What must run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PodSpec {
    pub(crate) key: PodKey,
    pub(crate) uid: PodUid,
    pub(crate) generation: i64,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    /// Set once somebody asked for the pod to go away: seconds it may take.
    pub(crate) deletion_grace_s: Option<u32>,
    pub(crate) restart_policy: RestartPolicy,
    pub(crate) init_containers: Vec<Container>,
    pub(crate) containers: Vec<Container>,
    pub(crate) volumes: Vec<Volume>,
    pub(crate) host_network: bool,
    pub(crate) host_pid: bool,
    pub(crate) host_ipc: bool,
    pub(crate) share_process_namespace: bool,
    /// What the pod's UTS name is, already cut to 63 characters.
    pub(crate) hostname: String,
    pub(crate) subdomain: Option<String>,
    pub(crate) host_aliases: Vec<HostAlias>,
    pub(crate) dns_policy: DnsPolicy,
    pub(crate) dns: DnsOptions,
    pub(crate) security: PodSecurity,
    pub(crate) termination_grace_s: u32,
    pub(crate) active_deadline_s: Option<u32>,
    pub(crate) service_account: String,
    pub(crate) node_name: String,
    /// Condition types that others set and that the pod's readiness waits for.
    pub(crate) readiness_gates: Vec<String>,
    pub(crate) image_pull_secrets: Vec<String>,
    pub(crate) qos: QosClass,
    /// What the object asks for and this node cannot do. Not empty: the pod is not started.
    pub(crate) unsupported: Vec<Unsupported>,
}

impl PodSpec {
    /// Init containers that run before the others and end, and those that go on (restartPolicy Always).
    pub(crate) fn container(&self, name: &str) -> Option<&Container> {
        self.init_containers.iter().chain(&self.containers).find(|c| c.name == name)
    }

    pub(crate) fn all_containers(&self) -> impl Iterator<Item = &Container> {
        self.init_containers.iter().chain(&self.containers)
    }
}

/// A field that this node cannot honour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unsupported {
    /// Path of the field, e.g. `spec.volumes[0].nfs`.
    pub(crate) field: String,
    /// What is wrong with it and what can be done.
    pub(crate) detail: String,
}

impl std::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.detail)
    }
}

/// When ended containers are started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

/// Decides who dies first when memory is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QosClass {
    Guaranteed,
    Burstable,
    BestEffort,
}

impl QosClass {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

/// Where name resolution is configured from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DnsPolicy {
    ClusterFirst,
    ClusterFirstWithHostNet,
    Default,
    None,
}

/// `spec.dnsConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DnsOptions {
    pub(crate) servers: Vec<String>,
    pub(crate) searches: Vec<String>,
    /// `name` or `name:value`.
    pub(crate) options: Vec<String>,
}

/// A line of the pod's hosts file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostAlias {
    pub(crate) ip: String,
    pub(crate) hostnames: Vec<String>,
}

/// `spec.securityContext`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PodSecurity {
    pub(crate) run_as_user: Option<i64>,
    pub(crate) run_as_group: Option<i64>,
    pub(crate) run_as_non_root: bool,
    pub(crate) fs_group: Option<u32>,
    pub(crate) supplemental_groups: Vec<i64>,
    pub(crate) sysctls: BTreeMap<String, String>,
    pub(crate) seccomp: Option<Seccomp>,
}

/// System call filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seccomp {
    RuntimeDefault,
    Unconfined,
}

/// An init container or a container.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) pull_policy: PullPolicy,
    /// Replaces the image's entrypoint unless empty.
    pub(crate) command: Vec<String>,
    pub(crate) args: Vec<String>,
    pub(crate) working_dir: String,
    pub(crate) env: Vec<EnvVar>,
    pub(crate) env_from: Vec<EnvFrom>,
    pub(crate) ports: Vec<ContainerPort>,
    pub(crate) resources: Resources,
    pub(crate) mounts: Vec<VolumeMount>,
    pub(crate) readiness: Option<Probe>,
    pub(crate) liveness: Option<Probe>,
    pub(crate) startup: Option<Probe>,
    pub(crate) post_start: Option<Hook>,
    pub(crate) pre_stop: Option<Hook>,
    pub(crate) stdin: bool,
    pub(crate) stdin_once: bool,
    pub(crate) tty: bool,
    pub(crate) security: ContainerSecurity,
    pub(crate) termination_message_path: String,
    pub(crate) termination_message_from_logs: bool,
    /// An init container with restartPolicy Always: started in order, then kept running beside the
    /// others, stopped after them.
    pub(crate) sidecar: bool,
}

/// When the image is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

/// One variable.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EnvVar {
    pub(crate) name: String,
    pub(crate) value: EnvValue,
}

/// Where a variable's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum EnvValue {
    /// May refer to earlier variables as `$(NAME)`.
    Literal(String),
    Field(PodField),
    Resource(ResourceField),
    Key {
        source: DataRef,
        key: String,
    },
}

/// All keys of an object as variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EnvFrom {
    pub(crate) prefix: String,
    pub(crate) source: DataRef,
}

/// A ConfigMap or Secret of the pod's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DataRef {
    pub(crate) kind: DataKind,
    pub(crate) name: String,
    /// Its absence, or that of the key, is no error.
    pub(crate) optional: bool,
}

/// Which of the two kinds of object that hold data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum DataKind {
    ConfigMap,
    Secret,
}

impl DataKind {
    /// As the kubelet's messages name it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmap",
            Self::Secret => "secret",
        }
    }
}

/// A field of the pod that its containers may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PodField {
    Name,
    Namespace,
    Uid,
    NodeName,
    ServiceAccountName,
    HostIp,
    HostIps,
    PodIp,
    PodIps,
    Labels,
    Annotations,
    Label(String),
    Annotation(String),
}

/// An amount that a container may read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ResourceField {
    /// `None`: the container that reads it.
    pub(crate) container: Option<String>,
    pub(crate) resource: ResourceName,
    pub(crate) limit: bool,
    pub(crate) divisor: Quantity,
}

/// Which resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResourceName {
    Cpu,
    Memory,
    EphemeralStorage,
}

/// A declared port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerPort {
    pub(crate) name: String,
    pub(crate) port: u16,
    pub(crate) host_port: Option<u16>,
    pub(crate) host_ip: String,
    pub(crate) protocol: PortProtocol,
}

/// Transport of a declared port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortProtocol {
    Tcp,
    Udp,
    Sctp,
}

/// Requests and limits of one container; a missing request equals the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Resources {
    pub(crate) cpu_request: Option<Quantity>,
    pub(crate) cpu_limit: Option<Quantity>,
    pub(crate) memory_request: Option<Quantity>,
    pub(crate) memory_limit: Option<Quantity>,
    pub(crate) storage_request: Option<Quantity>,
    pub(crate) storage_limit: Option<Quantity>,
}

/// A volume in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VolumeMount {
    /// Of the volume; decoding has seen that it exists.
    pub(crate) volume: String,
    pub(crate) mount_path: String,
    pub(crate) read_only: bool,
    /// Relative, without `..`; may refer to variables as `$(NAME)` when `sub_path_expands`.
    pub(crate) sub_path: Option<String>,
    pub(crate) sub_path_expands: bool,
    pub(crate) propagation: Propagation,
}

/// Whether later mounts cross between host and container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Propagation {
    None,
    HostToContainer,
    Bidirectional,
}

/// `securityContext` of a container, the pod's values filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContainerSecurity {
    pub(crate) privileged: bool,
    pub(crate) run_as_user: Option<i64>,
    pub(crate) run_as_group: Option<i64>,
    pub(crate) run_as_non_root: bool,
    pub(crate) read_only_root: bool,
    pub(crate) no_new_privileges: bool,
    pub(crate) add_capabilities: Vec<String>,
    pub(crate) drop_capabilities: Vec<String>,
    pub(crate) seccomp: Option<Seccomp>,
    pub(crate) unmasked_proc: bool,
}

/// Something asked of a container again and again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Probe {
    pub(crate) check: Check,
    pub(crate) initial_delay_s: u32,
    pub(crate) period_s: u32,
    pub(crate) timeout_s: u32,
    pub(crate) success_threshold: u32,
    pub(crate) failure_threshold: u32,
    /// Overrides the pod's when this probe is why the container is stopped.
    pub(crate) termination_grace_s: Option<u32>,
}

/// How it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    Exec(Vec<String>),
    Http(HttpCheck),
    Tcp { host: Option<String>, port: u16 },
    Grpc { port: u16, service: String },
}

/// A GET that is well when its status is 200 to 399.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpCheck {
    /// `None`: the pod's address.
    pub(crate) host: Option<String>,
    pub(crate) port: u16,
    /// Over TLS, whatever certificate the server has.
    pub(crate) tls: bool,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// What is done right after start or right before stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    Exec(Vec<String>),
    Http(HttpCheck),
    Tcp { host: Option<String>, port: u16 },
    Sleep { seconds: u32 },
}

/// A volume of the pod.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Volume {
    pub(crate) name: String,
    pub(crate) source: VolumeSource,
}

/// What is in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum VolumeSource {
    EmptyDir {
        in_memory: bool,
        size_limit: Option<Quantity>,
    },
    HostPath {
        path: PathBuf,
        kind: HostPathKind,
    },
    /// Files that the kubelet writes, and writes again when their source changes.
    Files {
        /// Which of the API's volume types it was; names its directory.
        plugin: FilesPlugin,
        sources: Vec<FileSource>,
        default_mode: u32,
    },
}

/// Which of the API's volume types a [`VolumeSource::Files`] was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilesPlugin {
    ConfigMap,
    Secret,
    DownwardApi,
    Projected,
}

impl FilesPlugin {
    /// The directory's name below `volumes/`, as on every Kubernetes node.
    pub(crate) fn directory(self) -> &'static str {
        match self {
            Self::ConfigMap => "kubernetes.io~configmap",
            Self::Secret => "kubernetes.io~secret",
            Self::DownwardApi => "kubernetes.io~downward-api",
            Self::Projected => "kubernetes.io~projected",
        }
    }
}

/// Where some of a volume's files come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FileSource {
    /// All keys when `items` is empty.
    Data { source: DataRef, items: Vec<FileItem> },
    /// Fields of the pod.
    Downward(Vec<DownwardFile>),
}

/// A key and the file it becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileItem {
    pub(crate) key: String,
    pub(crate) path: String,
    pub(crate) mode: Option<u32>,
}

/// A field and the file it becomes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DownwardFile {
    pub(crate) path: String,
    pub(crate) mode: Option<u32>,
    pub(crate) value: EnvValue,
}

/// What a host path must be, or is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostPathKind {
    Unchecked,
    DirectoryOrCreate,
    Directory,
    FileOrCreate,
    File,
    Socket,
    CharDevice,
    BlockDevice,
}
