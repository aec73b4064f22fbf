//! The handle that the rest of the agent holds.

use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use k8s_openapi::api::core::v1 as api;
use sheave_core::model::ObjectKey;
use sheave_push::v1;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio_stream::Stream;

use crate::config::KubeletConfig;
use crate::context::{Context, Shared};
use crate::dispatch::ResolverOf;
use crate::interface::{Outgoing, Update};
use crate::network::Resolver;
use crate::pod::spec::PodKey;
use crate::runtime::Runtime;
use crate::{dispatch, host_ports, node, tunnel};

/// Updates that wait for the dispatcher; a source that is faster waits in [`Kubelet::update`].
const UPDATES_MAX: usize = 256;
/// Statuses and events that wait for the connection to the control plane.
const OUTGOING_MAX: usize = 4096;

/// Why the kubelet could not start. What can heal by itself (a runtime that is slow to start, a missing
/// image) is no error: it shows in the node's conditions.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A program is missing.
    #[error("{program} not found; {remedy}")]
    ProgramMissing {
        /// What was looked for.
        program: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A directory could not be made.
    #[error("cannot create {path}")]
    Directory {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What pods keep in their volumes is not for other users of the machine.
fn private_directory(path: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::PermissionsExt;
    let made = std::fs::create_dir_all(path)
        .and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o750)));
    made.map_err(|source| StartError::Directory { path: path.display().to_string(), source })
}

/// The kubelet, to be told things. Clones are the same kubelet.
#[derive(Clone, Debug)]
pub struct Kubelet {
    updates: mpsc::Sender<Update>,
    questions: mpsc::Sender<ResolverOf>,
    context: Shared,
    facts: Arc<node::Facts>,
    node_status: watch::Receiver<api::NodeStatus>,
    tasks: Arc<Mutex<Vec<AbortHandle>>>,
}

impl Kubelet {
    /// Starts everything: the runtime (in the background), the pod workers, the node's status. Returns
    /// once input is taken; the node is Ready when an [`Outgoing::NodeStatus`] says so.
    pub async fn start(
        config: KubeletConfig,
    ) -> Result<(Self, mpsc::Receiver<Outgoing>), StartError> {
        private_directory(&config.data_dir.join("pods"))?;
        let runtime = Runtime::start(&config)?;
        let (updates, inbox) = mpsc::channel(UPDATES_MAX);
        let (questions, asked) = mpsc::channel(1);
        let (outgoing, received) = mpsc::channel(OUTGOING_MAX);
        let facts = node::Facts::read(&config);
        let memory = node::SaidBefore::new(&config.data_dir);
        let status = node::status_at_start(&config, &facts, memory.read(&facts));
        let (said, node_status) = watch::channel(status);
        let context = Arc::new(Context::new(config, runtime, outgoing));
        let tasks = [
            tokio::spawn(dispatch::run(context.clone(), inbox, asked)).abort_handle(),
            tokio::spawn(host_ports::follow(context.clone())).abort_handle(),
            tokio::spawn(node::follow(context.clone(), facts.clone(), memory, said)).abort_handle(),
        ];
        let tasks = Arc::new(Mutex::new(tasks.into()));
        let facts = Arc::new(facts);
        Ok((Self { updates, questions, context, facts, node_status, tasks }, received))
    }

    /// Tells the kubelet something. Waits only while more than a few hundred updates are not yet taken.
    pub async fn update(&self, update: Update) {
        // After `stop` updates mean nothing.
        let _ = self.updates.send(update).await;
    }

    /// How a pod of this node resolves names, as its resolv.conf says when it starts now; `None` when there
    /// is no such pod.
    pub async fn resolver_of(&self, namespace: &str, name: &str) -> Option<Resolver> {
        let pod = PodKey { namespace: namespace.into(), name: name.into() };
        let (answer, answered) = oneshot::channel();
        self.questions.send(ResolverOf { pod, answer }).await.ok()?;
        answered.await.ok()?
    }

    /// How the machine's own processes do.
    pub fn node_resolver(&self) -> Resolver {
        self.context.node_resolver()
    }

    /// The v1 Node as this machine would register it now: name, labels, status. JSON.
    pub fn node_object(&self) -> Bytes {
        let status = self.node_status.borrow().clone();
        node::object(&self.context.config, &self.facts, status)
    }

    /// Host ports that pods have, by name of the pod, and why they do not work: each becomes an event.
    pub fn refuse_host_ports(&self, refused: &[(ObjectKey, String)]) {
        host_ports::say_refused(&self.context, refused);
    }

    /// The CRI socket of the runtime that pods run in.
    pub fn runtime_socket(&self) -> &Path {
        &self.context.runtime.socket
    }

    /// Serves an exec, attach, port-forward or log request. The first answer is `opened`; when its
    /// status is neither 101 nor 200 it is the last one and says why. The answers end when the request
    /// is over. Dropping the receiver ends the request.
    pub fn tunnel(
        &self,
        request: v1::TunnelRequest,
        from_client: impl Stream<Item = v1::TunnelData> + Send + Unpin + 'static,
    ) -> mpsc::Receiver<v1::TunnelData> {
        tunnel::serve(self.context.clone(), request, from_client)
    }

    /// Ends the agent's part. Pods and the managed runtime go on; the next start adopts them.
    pub fn stop(&self) {
        // Workers end when the dispatcher drops them; nothing they began in the runtime is undone.
        for task in self.tasks.lock().expect("nobody panics while holding it").drain(..) {
            task.abort();
        }
        self.context.runtime.leave();
    }
}
