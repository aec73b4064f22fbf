//! What users read in `kubectl describe`.

use sheave_push::v1;
use tokio::sync::mpsc;

use crate::interface::Outgoing;
use crate::pod::spec::{PodKey, PodSpec, PodUid};

/// Sends events. Clones send to the same place.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    outgoing: mpsc::Sender<Outgoing>,
    node_name: String,
}

/// Whose event it is.
#[derive(Clone, Debug)]
pub(crate) struct About {
    key: PodKey,
    uid: PodUid,
    field_path: String,
}

impl About {
    pub(crate) fn pod(spec: &PodSpec) -> Self {
        Self { key: spec.key.clone(), uid: spec.uid.clone(), field_path: String::new() }
    }

    pub(crate) fn container(spec: &PodSpec, name: &str) -> Self {
        let is_init = spec.init_containers.iter().any(|c| c.name == name);
        let list = if is_init { "initContainers" } else { "containers" };
        Self { field_path: format!("spec.{list}{{{name}}}"), ..Self::pod(spec) }
    }

    pub(crate) fn ephemeral_container(spec: &PodSpec, name: &str) -> Self {
        Self { field_path: format!("spec.ephemeralContainers{{{name}}}"), ..Self::pod(spec) }
    }
}

impl Recorder {
    pub(crate) fn new(outgoing: mpsc::Sender<Outgoing>, node_name: String) -> Self {
        Self { outgoing, node_name }
    }

    pub(crate) fn normal(&self, about: &About, reason: &str, message: impl Into<String>) {
        self.send(about, false, reason, message.into());
    }

    pub(crate) fn warning(&self, about: &About, reason: &str, message: impl Into<String>) {
        self.send(about, true, reason, message.into());
    }

    /// Of the node itself.
    pub(crate) fn node(&self, warning: bool, reason: &str, message: impl Into<String>) {
        let object = v1::ObjectKey { namespace: String::new(), name: self.node_name.clone() };
        self.put(v1::Event {
            kind: "Node".into(),
            object: Some(object),
            uid: self.node_name.clone(),
            field_path: String::new(),
            warning,
            reason: reason.into(),
            message: message.into(),
            component: "kubelet".into(),
        });
    }

    fn send(&self, about: &About, warning: bool, reason: &str, message: String) {
        tracing::debug!(pod = %about.key, reason, message, "event");
        let About { key, uid, field_path } = about.clone();
        self.put(v1::Event {
            kind: "Pod".into(),
            object: Some(v1::ObjectKey { namespace: key.namespace, name: key.name }),
            uid: uid.0,
            field_path,
            warning,
            reason: reason.into(),
            message,
            component: "kubelet".into(),
        });
    }

    /// Events are the first to go when the control plane takes nothing: statuses matter more.
    fn put(&self, event: v1::Event) {
        if self.outgoing.capacity() * 2 > self.outgoing.max_capacity() {
            let _ = self.outgoing.try_send(Outgoing::Event(event));
        }
    }
}
