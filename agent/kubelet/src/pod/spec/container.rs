//! A container in the kubelet's own words: image, process, environment, ports, resources, rights.

use super::{Hook, Probe, Seccomp, VolumeMount};
use crate::quantity::Quantity;

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
