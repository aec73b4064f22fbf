//! A pod in the kubelet's own words: what a v1 Pod means once its defaults are filled in and what cannot
//! be is gone. Nothing here knows the API's encoding.

mod check;
mod container;
mod volume;

use std::collections::BTreeMap;

pub(crate) use check::{Check, Hook, HttpCheck, Probe};
pub(crate) use container::{
    Container, ContainerPort, ContainerSecurity, DataKind, DataRef, EnvFrom, EnvValue, EnvVar,
    PodField, PortProtocol, PullPolicy, ResourceField, ResourceName, Resources,
};
pub(crate) use volume::{
    DownwardFile, FileItem, FileSource, FilesPlugin, HostPathKind, Propagation, Volume,
    VolumeMount, VolumeSource,
};

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
    /// Names. They are not run here, and each is told so: the pod itself goes on.
    pub(crate) ephemeral_containers: Vec<String>,
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
    /// Containers are told by variables of the Services in the pod's namespace.
    pub(crate) service_links: bool,
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
