//! Questions that a person puts, without a message: to this server, or to one that a pod asks instead.

use std::net::{IpAddr, SocketAddr};

use hickory_proto::rr::{Name, RecordType};

use super::Server;
use crate::answer::{Answer, Reply, answer};
use crate::forward::message::Asked;
use crate::why::{Why, why};

/// What a client would be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The response.
    pub reply: Reply,
    /// Upstreams had a part in it: it is no name of the cluster, or leads to one that is none.
    pub is_from_upstream: bool,
    /// Why there is nothing, where this server knows.
    pub why: Option<Why>,
}

impl Server {
    /// As a client of this node would be answered now.
    pub async fn lookup(&self, name: &Name, record_type: RecordType) -> Found {
        let shared = &self.0.shared;
        // The zone is not held while others are asked.
        let (known, why) = {
            let zone = shared.zone.read();
            (answer(&zone, name, record_type, 0), why(&zone, name, record_type))
        };
        let (before, target) = match known {
            Answer::Reply(reply) => {
                let why = why.filter(|_| reply.answers.is_empty());
                return Found { reply, is_from_upstream: false, why };
            }
            Answer::Forward => (Vec::new(), name.clone()),
            Answer::Follow { reply, target } => (reply.answers, target),
        };
        let mut reply = shared.forwarder.ask(asked(&target, record_type)).await;
        reply.answers.splice(..0, before);
        Found { reply, is_from_upstream: true, why: None }
    }

    /// Where pods ask it.
    pub fn dns_addresses(&self) -> Vec<IpAddr> {
        self.0.shared.zone.read().cluster().dns_addresses.clone()
    }
}

/// What another server says, once.
///
/// # Errors
/// Why it says nothing, in words.
pub async fn ask_server(
    server: SocketAddr,
    name: &Name,
    record_type: RecordType,
) -> Result<Reply, String> {
    crate::forward::ask_once(server, &asked(name, record_type)).await
}

fn asked(name: &Name, record_type: RecordType) -> Asked {
    Asked { name: name.clone(), record_type, wants_dnssec: false, checking_disabled: false }
}
