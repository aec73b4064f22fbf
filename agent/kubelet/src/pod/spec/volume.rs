//! A pod's volumes, and where containers have them.

use std::path::PathBuf;

use super::{DataRef, EnvValue};
use crate::quantity::Quantity;

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
