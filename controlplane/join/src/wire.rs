//! What is asked and answered at [`PATH`], in JSON. Fields may be added; what is not known is ignored.

use serde::{Deserialize, Serialize};

/// GET: who are you, and who am I to you. Open to all, over a connection that nobody has verified yet.
/// POST: let me join. Over a verified connection alone.
pub const PATH: &str = "/join/v1";

/// The answer to GET.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Introduction {
    /// PEM; true if its pin is the token's.
    pub certificate_authority: String,
    /// For people.
    pub server_version: String,
    /// Addresses of the cluster that must be nobody else's on a node, each with the flag of the server that
    /// chooses it: `pod-cidr=10.244.0.0/16`.
    #[serde(default)]
    pub ranges: Vec<String>,
    /// How the cluster sees the node whose certificate was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
}

/// How the cluster sees a node with a valid certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// A node of the cluster.
    Member,
    /// Its Node object was deleted, or is another machine's by now.
    Removed,
}

/// The body of POST.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinRequest {
    /// [`crate::Token::proof`].
    pub token: String,
    /// What the machine wants to be called.
    pub node_name: String,
    /// PKCS#10 in PEM. Nothing but its key counts.
    pub certificate_request: String,
}

/// The answer to POST.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinAnswer {
    /// The node's certificate, PEM.
    pub certificate: String,
    /// PEM.
    pub certificate_authority: String,
}
