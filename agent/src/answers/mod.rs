//! Answers to people: what the node's kernel holds, in JSON. `sheave` asks over the control socket; with
//! the agent away, `sheave-agent inspect` answers the same questions from the pinned maps alone.
//!
//! ```text
//! maps (opened anew for each question) ---------+
//! model, names of pods (while the agent runs) --+--> one module a question --> JSON
//! ```
//!
//! What happens to traffic is always read from the maps and never from intentions; the model lends names
//! and reasons.

mod backends;
mod connections;
mod counters;
mod dns;
mod explain;
pub(crate) mod flows;
mod pods;
mod services;
mod status;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use sheave_abi::service::FrontendKey;
use sheave_core::explain::{Owner, owners};
use sheave_core::model::Model;
use sheave_dataplane::{Dataplane, MapError};
use sheave_kubelet::Kubelet;
use sheave_sources::Connection;
use tokio::sync::watch;

use crate::announcing::Announcing;
use crate::names::Served;
use crate::pod_network::PodNetwork;
use crate::reconcile::Reconciler;

pub(crate) use pods::PodNames;

/// Filters and arguments of a question, by name.
pub(crate) type Query = BTreeMap<String, String>;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    /// There is no such question.
    #[error(
        "{0} is no question that the agent knows; sheave and sheave-agent are of different versions"
    )]
    Unknown(String),
    /// It is put wrongly.
    #[error("{0}")]
    Invalid(String),
    /// Only a running agent knows.
    #[error(
        "only a running agent knows this: start it (`sheave up`), or say where it is with --run-dir"
    )]
    AgentAway,
    /// The maps cannot be read.
    #[error(transparent)]
    Map(#[from] MapError),
}

/// Whoever asks is answered from here. Answers read the maps, so they block.
#[derive(Clone)]
pub(crate) struct Answers {
    bpffs_dir: PathBuf,
    /// None without an agent.
    agent: Option<Agent>,
}

/// What a running agent adds.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) reconciler: Arc<Mutex<Reconciler>>,
    /// None with manifests.
    pub(crate) connection: Option<watch::Receiver<Connection>>,
    pub(crate) pods: PodNames,
    pub(crate) announcing: Announcing,
    pub(crate) pod_network: Option<PodNetwork>,
    /// For names, and who asks for them.
    pub(crate) names: Served,
    pub(crate) kubelet: Option<Kubelet>,
    pub(crate) asked_before: counters::Before,
    /// Of the ring that says what happens to packets.
    pub(crate) reader: flows::Reader,
}

impl Agent {
    pub(crate) fn new(
        reconciler: Arc<Mutex<Reconciler>>,
        connection: Option<watch::Receiver<Connection>>,
        pods: PodNames,
        announcing: Announcing,
    ) -> Self {
        // Who followed an agent before this one is gone.
        if let Err(error) = reconciler.lock().dataplane().set_traced(false) {
            tracing::warn!(%error, "the programs still report packets");
        }
        Self {
            reconciler,
            connection,
            pods,
            announcing,
            pod_network: None,
            names: Served::default(),
            kubelet: None,
            asked_before: counters::Before::default(),
            reader: flows::Reader::default(),
        }
    }

    /// With the way to other nodes.
    pub(crate) fn with_pod_network(self, pod_network: PodNetwork) -> Self {
        Self { pod_network: Some(pod_network), ..self }
    }

    /// With the DNS server, once there is one, and the pods that ask it.
    pub(crate) fn with_names(self, names: Served, kubelet: Option<Kubelet>) -> Self {
        Self { names, kubelet, ..self }
    }
}

impl Answers {
    /// Of a running agent.
    pub(crate) fn of_agent(bpffs_dir: PathBuf, agent: Agent) -> Self {
        Self { bpffs_dir, agent: Some(agent) }
    }

    /// Of the pinned maps alone.
    pub(crate) fn of_maps(bpffs_dir: PathBuf) -> Self {
        Self { bpffs_dir, agent: None }
    }

    /// The answer to one question.
    pub(crate) fn answer(&self, path: &str, query: &Query) -> Result<Value, Unanswered> {
        match path {
            "/services" => json(services::answer(self, query)?),
            "/backends" => json(backends::answer(self, query)?),
            "/connections" => json(connections::answer(self, query)?),
            "/counters" => json(counters::answer(self)?),
            "/dns/lookup" => json(dns::answer(self, query)?),
            "/explain" => json(explain::answer(self, query)?),
            "/status" => status::answer(self),
            other => Err(Unanswered::Unknown(other.into())),
        }
    }

    /// The maps, opened for this question.
    fn maps(&self) -> Result<Dataplane, MapError> {
        Dataplane::inspect(&self.bpffs_dir)
    }

    /// Lends the model, if there is one. Nothing is reconciled meanwhile.
    fn with_model<T>(&self, f: impl FnOnce(Option<&Model>) -> T) -> T {
        match &self.agent {
            Some(agent) => f(Some(agent.reconciler.lock().model())),
            None => f(None),
        }
    }

    fn names(&self) -> Names {
        let frontends = self.with_model(|model| model.map(owners));
        let pods = self.agent.as_ref().map(|agent| agent.pods.clone()).unwrap_or_default();
        Names { frontends, pods }
    }
}

/// Names that the maps do not hold.
struct Names {
    frontends: Option<HashMap<FrontendKey, Owner>>,
    pods: PodNames,
}

/// In place of a name: held from before, while the server has not said yet whose it is, or nobody to ask.
const NOT_KNOWN: &str = "(not known)";

impl Names {
    fn owner(&self, key: &FrontendKey) -> Option<&Owner> {
        self.frontends.as_ref()?.get(key)
    }

    /// `namespace/name`.
    fn service(&self, key: &FrontendKey) -> String {
        self.owner(key).map_or_else(|| NOT_KNOWN.into(), service_name)
    }
}

fn service_name(owner: &Owner) -> String {
    format!("{}/{}", owner.service.namespace, owner.service.name)
}

/// True when `name`, a `namespace/name`, is what a filter asks for: the whole, or the name alone.
fn is_named(name: &str, wanted: &str) -> bool {
    name == wanted || name.split_once('/').is_some_and(|(_, name)| name == wanted)
}

fn json(answer: impl Serialize) -> Result<Value, Unanswered> {
    Ok(serde_json::to_value(answer).expect("strings, numbers and lists always serialise"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_the_whole_or_the_name() {
        assert!(is_named("shop/web", "shop/web") && is_named("shop/web", "web"));
        assert!(!is_named("shop/web", "shop") && !is_named("shop/web", "other/web"));
    }

    #[test]
    fn an_unknown_question_says_what_may_be_wrong() {
        let answers = Answers::of_maps("/nowhere".into());
        let error = answers.answer("/future", &Query::new()).unwrap_err().to_string();
        assert!(error.contains("/future") && error.contains("different versions"), "{error}");
        let error = answers.answer("/services", &Query::new()).unwrap_err().to_string();
        assert!(error.contains("the dataplane is not installed"), "{error}");
    }
}
