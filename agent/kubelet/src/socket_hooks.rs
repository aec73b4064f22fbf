//! Pods whose sockets whoever translates sockets on this node must leave alone, because something in them
//! has to see whom the application dialled.
//!
//! Whether a pod is one stands in its annotations as its sandbox was made with them: the runtime keeps
//! those, so that what was done to a sandbox is undone when it ends, whoever ends it and however much later.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::context::Shared;
use crate::cri::Answer;
use crate::pod::spec::PodSpec;

const ANNOTATION: &str = "sheave.io/socket-hooks";

/// What a pod on the host network is told.
pub(crate) const NOT_ON_THE_HOST_NETWORK: &str = "annotation sheave.io/socket-hooks is ignored: on the host \
    network the pod's sockets cannot be told from the node's own, which stay translated; give the pod a \
    network of its own";

/// Whoever translates sockets on this node. Calls block, and may be repeated.
pub trait SocketHooks: fmt::Debug + Send + Sync {
    /// Leaves the sockets in a network namespace alone from now on. `netns` is a file that stands for it.
    ///
    /// # Errors
    /// Why they are translated all the same, what that costs and what helps: users of the pod read it.
    fn leave_alone(&self, netns: &Path) -> Result<(), String>;

    /// The namespace is about to end: nothing need be kept of it.
    fn forget(&self, netns: &Path);
}

/// Whether a pod, or a sandbox, with these annotations has its sockets left alone.
pub(crate) fn is_off(annotations: &BTreeMap<String, String>) -> bool {
    annotations.get(ANNOTATION).is_some_and(|value| value == "off")
}

/// Whether the annotation asks for what cannot be.
pub(crate) fn is_ignored(spec: &PodSpec) -> bool {
    spec.host_network && is_off(&spec.annotations)
}

/// Has the sockets of a sandbox left alone; in vain for the reason that is returned.
pub(crate) async fn leave_alone(context: &Shared, sandbox_id: &str) -> Answer<Result<(), String>> {
    let Some(hooks) = context.config.socket_hooks.clone() else { return Ok(Ok(())) };
    let Some(netns) = context.cri().sandbox_netns(sandbox_id).await? else {
        let why = "the container runtime does not say which network namespace is the pod's, so that its \
                   sockets are translated as all others; use containerd or CRI-O";
        return Ok(Err(why.into()));
    };
    Ok(on_a_thread(hooks, netns, |hooks, netns| hooks.leave_alone(netns)).await)
}

/// Before a sandbox ends: what was done to it is undone. What goes wrong costs an entry in a map.
pub(crate) async fn forget(context: &Shared, sandbox_id: &str) {
    let Some(hooks) = context.config.socket_hooks.clone() else { return };
    let Ok(status) = context.cri().sandbox_status(sandbox_id).await else { return };
    if !is_off(&status.annotations) {
        return;
    }
    if let Ok(Some(netns)) = context.cri().sandbox_netns(sandbox_id).await {
        let forget = |hooks: &dyn SocketHooks, netns: &Path| {
            hooks.forget(netns);
            Ok(())
        };
        // It cannot fail but by a panic, which was told.
        let _ = on_a_thread(hooks, netns, forget).await;
    }
}

async fn on_a_thread(
    hooks: Arc<dyn SocketHooks>,
    netns: PathBuf,
    work: impl FnOnce(&dyn SocketHooks, &Path) -> Result<(), String> + Send + 'static,
) -> Result<(), String> {
    let work = tokio::task::spawn_blocking(move || work(&*hooks, &netns));
    work.await.unwrap_or_else(|error| Err(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::decode;

    fn spec(annotations: serde_json::Value, host_network: bool) -> PodSpec {
        let object = serde_json::json!({
            "metadata": { "namespace": "n", "name": "p", "uid": "u", "annotations": annotations },
            "spec": { "hostNetwork": host_network, "containers": [{ "name": "c", "image": "i" }] },
        });
        decode::decode(object.to_string().as_bytes()).unwrap().0
    }

    #[test]
    fn only_the_word_off_says_so_and_not_on_the_host_network() {
        let off = serde_json::json!({ "sheave.io/socket-hooks": "off" });
        assert!(is_off(&spec(off.clone(), false).annotations));
        for other in [
            serde_json::json!({}),
            serde_json::json!({ "sheave.io/socket-hooks": "on" }),
            serde_json::json!({ "socket-hooks": "off" }),
        ] {
            assert!(!is_off(&spec(other.clone(), false).annotations), "{other}");
            assert!(!is_ignored(&spec(other, true)));
        }
        assert!(!is_ignored(&spec(off.clone(), false)));
        assert!(is_ignored(&spec(off, true)));
    }
}
