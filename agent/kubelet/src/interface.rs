//! What goes into the kubelet and what comes out of it. Both are the node protocol's own messages where
//! it has them, so that the agent only has to pass them on.

use bytes::Bytes;
use sheave_core::model::HostPort;
use sheave_push::v1;

use crate::config::ClusterDns;

/// Something the node must know, from any source.
#[derive(Clone, Debug)]
pub enum Update {
    /// A complete state follows.
    Init,
    /// The complete state has been sent: what was not in it is gone.
    InitDone,
    /// In place of [`Update::InitDone`]: what was known before this start has been sent, and what was not in it
    /// may be there.
    Recalled,
    /// New or changed; `object` is the whole v1 Pod.
    Pod(v1::Pod),
    /// The object is gone from the API, with or without having been terminated.
    PodGone(v1::ObjectKey),
    /// New or changed.
    ConfigMap(v1::DataObject),
    /// Deleted, or used by no pod of this node any more.
    ConfigMapGone(v1::ObjectKey),
    /// New or changed.
    Secret(v1::DataObject),
    /// Deleted, or used by no pod of this node any more.
    SecretGone(v1::ObjectKey),
    /// Name servers and domain of the cluster; pods that start from now on have them.
    Cluster(ClusterDns),
}

/// Something the control plane should know. Sent as soon as it is true.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// A pod's status changed.
    PodStatus(v1::PodStatus),
    /// Nothing of this pod is left on the node.
    PodEnded(v1::PodEnded),
    /// Something a user should read.
    Event(v1::Event),
    /// The node's status changed: a v1 NodeStatus as JSON.
    NodeStatus(Bytes),
    /// Ports of the node that lead to its pods, in place of those said before.
    HostPorts(HostPorts),
}

/// Ports of the node that lead to its pods. Not said before every pod that is known has been looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPorts {
    /// In the order of pods.
    pub ports: Vec<HostPort>,
    /// False while pods may run that no complete state has named yet: a port that is not here may be theirs.
    pub are_all: bool,
}
