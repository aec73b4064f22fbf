//! Which backend a connection would get, and why: the way of its first packet through the hooks, walked on
//! what the kernel's maps hold, with the reasons taken from the model where there is one.
//!
//! Pure, and worded for people. It does not guess: where the maps and the model differ, the maps say what
//! happens, and the difference is named.

mod endpoints;
mod owner;
mod walk;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use sheave_abi::event::Event;
use sheave_abi::order::Addr;
use sheave_abi::service::{Affinity, AffinityKey, Backend, Frontend, FrontendKey, SlotRange};

use crate::model::{Model, Protocol};

pub use owner::{At, Owner, owner, owners};

/// Who would connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// A process in this node's own network.
    Host,
    /// A pod of this node.
    Pod {
        /// Its address, of the family of the destination.
        ip: IpAddr,
    },
    /// Somebody who comes in through an uplink.
    Outside {
        /// Its address, where the question names one.
        ip: Option<IpAddr>,
    },
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who.
    pub client: Client,
    /// The kernel's cookie of the client's network namespace, where it is known: clients inside stick by it.
    pub netns_cookie: Option<u64>,
    /// To where.
    pub to: SocketAddr,
    /// By which protocol.
    pub protocol: Protocol,
}

/// The kernel's maps, an entry at a time.
pub trait Seen {
    /// `FRONTENDS`.
    fn frontend(&self, key: &FrontendKey) -> Option<Frontend>;
    /// The backends that a range of `SLOTS` leads to, each once, with their ids.
    fn backends(&self, range: SlotRange) -> Vec<(u32, Backend)>;
    /// `AFFINITY`.
    fn affinity(&self, key: &AffinityKey) -> Option<Affinity>;
    /// `NAMESPACES`: the cookie of the network namespace that has this address.
    fn netns_cookie(&self, addr: Addr) -> Option<u64>;
    /// `SOURCES`: may this client outside use the service port?
    fn admits(&self, service: u32, client: Addr) -> bool;
    /// Whether the address lies in the service range.
    fn is_in_service_range(&self, addr: Addr) -> bool;
    /// Whether the address lies in the range of this node's pods.
    fn is_in_node_pods(&self, addr: Addr) -> bool;
    /// `ENDPOINTS`.
    fn is_pod_here(&self, addr: Addr) -> bool;
    /// `OPTED_OUT`: whether sockets of the network namespace with this cookie are left alone.
    fn is_opted_out(&self, netns_cookie: u64) -> bool;
    /// `CARRIAGE` and `REMOTES`: whether what clients outside send to this pod is carried to its node as it came.
    fn is_carried_to(&self, addr: Addr) -> bool;
    /// `UPLINKS`: the node's own addresses there.
    fn node_addresses(&self) -> Vec<Addr>;
    /// Seconds of the monotonic clock.
    fn now_s(&self) -> u32;
}

/// One hook on the way, and what it finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where.
    pub hook: &'static str,
    /// A sentence.
    pub finds: String,
}

/// A backend that may be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it listens.
    pub address: SocketAddr,
    /// Id in `BACKENDS`.
    pub id: u32,
    /// On this node.
    pub is_here: bool,
    /// What is special about it; empty: ready, as it should be.
    pub remark: String,
}

/// An endpoint of the service that is not chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it would listen.
    pub address: SocketAddr,
    /// Why.
    pub reason: String,
}

/// How one of several is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// There is no other.
    Only,
    /// By chance, anew for each connection.
    Random,
    /// By a hash of the client's address and port: the same on every node, as long as the backends are.
    Hash,
    /// The client was given this one before.
    Sticky {
        /// Where it listens.
        address: SocketAddr,
        /// For how much longer, if it does not connect before.
        remaining_s: u32,
    },
}

/// What becomes of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// One of the candidates gets it.
    Backend(Choice),
    /// The pod that was dialled gets it: no service is involved.
    Pod,
    /// The client is told at once that nobody answers.
    Refused,
    /// Nothing comes back.
    Dropped(Event),
    /// Not Sheave's: the machine's own network decides.
    Stack,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Whose frontend it is, as far as the model tells.
    pub owner: Option<Owner>,
    /// The way of the first packet.
    pub steps: Vec<Step>,
    /// What becomes of it.
    pub outcome: Outcome,
    /// Who may be chosen.
    pub candidates: Vec<Candidate>,
    /// Who of the service's endpoints may not, and why.
    pub left_out: Vec<LeftOut>,
    /// What to do about it; empty when nothing need be done.
    pub advice: String,
}

impl Explanation {
    /// The outcome in one sentence.
    pub fn verdict(&self) -> String {
        match &self.outcome {
            Outcome::Backend(Choice::Only) => {
                format!("It goes to {}.", self.candidates[0].address)
            }
            Outcome::Backend(Choice::Random) => {
                format!("It goes to one of {} backends, by chance.", self.candidates.len())
            }
            Outcome::Backend(Choice::Hash) => format!(
                "It goes to one of {} backends, by a hash of the client's address and port.",
                self.candidates.len()
            ),
            Outcome::Backend(Choice::Sticky { address, remaining_s }) => format!(
                "It goes to {address}, which this client was given before (session affinity, for \
                 another {remaining_s} s)."
            ),
            Outcome::Pod => "It goes straight to the pod; no service is involved.".into(),
            Outcome::Refused => "It is refused at once (connection refused).".into(),
            Outcome::Dropped(event) => {
                format!("It is dropped and the client hears nothing: {}", event.sentence())
            }
            Outcome::Stack => "Sheave leaves it alone; this machine's own network decides.".into(),
        }
    }
}

/// Explains what would happen now. `model`: what should be, where it is known.
pub fn explain(question: &Question, seen: &impl Seen, model: Option<&Model>) -> Explanation {
    let walked = walk::walk(question, seen, model);
    let owner = model.and_then(|model| owner(model, question.to, question.protocol));
    let scope = walked.scope;
    let here = |addr: Addr| is_here(seen, addr);
    let (candidates, left_out) = match scope {
        Some(scope) => {
            endpoints::sort(walked.backends, model, owner.as_ref(), question, scope, here)
        }
        // It never came to choosing.
        None => (Vec::new(), Vec::new()),
    };
    let advice = advice(question, &walked.outcome, owner.as_ref(), model, &left_out);
    Explanation {
        owner,
        steps: walked.steps,
        outcome: walked.outcome,
        candidates,
        left_out,
        advice,
    }
}

/// Whether a backend is a pod of this node, or in the node's own network.
fn is_here(seen: &impl Seen, addr: Addr) -> bool {
    seen.is_pod_here(addr) || seen.node_addresses().contains(&addr)
}

fn advice(
    question: &Question,
    outcome: &Outcome,
    owner: Option<&Owner>,
    model: Option<&Model>,
    left_out: &[LeftOut],
) -> String {
    match outcome {
        Outcome::Backend(_) | Outcome::Pod | Outcome::Stack => String::new(),
        Outcome::Dropped(event) => event.advice().into(),
        Outcome::Refused => match (owner, model) {
            (Some(owner), _) if left_out.is_empty() => format!(
                "Service {}/{} has no endpoints: compare its selector with the labels of your pods, and \
                 its target port with theirs.",
                owner.service.namespace, owner.service.name
            ),
            (Some(_), _) => {
                "Make one of the endpoints that were left out ready; `kubectl describe pod` says why it is not."
                    .into()
            }
            (None, Some(model)) => owner::ports_at(model, question.to.ip()),
            (None, None) => String::new(),
        },
    }
}
