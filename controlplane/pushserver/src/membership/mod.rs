//! Who is a node of the cluster: machines that join with a token, nodes that renew their certificates, and
//! nodes that were removed.
//!
//! The Node object is the claim on its name. It carries the hashes of the keys whose certificates count; a
//! certificate for another key, or one whose Node object was deleted, is worth nothing, however long it is
//! still valid. What makes and signs certificates is behind [`NodeCertificates`].

mod keys;
mod limiter;
mod token;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use sheave_api::{ObjectKey, Status, name, resource};
use sheave_client::{DeleteOptions, Involved, Patch, Record};
use sheave_join::{JoinAnswer, JoinRequest, Standing, id_of_proof};

pub(crate) use keys::recorded;
use limiter::Limiter;

use crate::Shared;

/// Attempts to claim a name that somebody else writes at the same time.
const ATTEMPTS_MAX: usize = 4;

/// Signs certificates for nodes.
pub trait NodeCertificates: Send + Sync + 'static {
    /// A certificate that says no more than that its holder is this node, for the key of a PKCS#10 request in
    /// PEM.
    ///
    /// # Errors
    /// 400 for a request that is none, 500 when it cannot be signed.
    fn issue(&self, node: &str, request_pem: &str) -> Result<IssuedCertificate, Status>;
}

/// A certificate that was signed. It counts once its key is recorded at the Node.
#[derive(Clone, Debug)]
pub struct IssuedCertificate {
    /// Hash of its key.
    pub key: String,
    /// PEM.
    pub certificate: String,
    /// The authority's own, PEM.
    pub authority: String,
}

/// What decides about membership needs beside the objects.
pub(crate) struct Membership {
    /// The node on the server's own machine, which holds the authority: it need not join.
    own_node: String,
    certificates: Arc<dyn NodeCertificates>,
    limiter: Limiter,
}

impl Membership {
    pub(crate) fn new(own_node: String, certificates: Arc<dyn NodeCertificates>) -> Self {
        Self { own_node, certificates, limiter: Limiter::default() }
    }
}

/// Lets a machine join.
pub(crate) async fn join(
    shared: &Shared,
    request: JoinRequest,
    from: IpAddr,
) -> Result<JoinAnswer, Status> {
    let members = members(shared)?;
    members.limiter.check(from, Instant::now()).map_err(too_many)?;
    let token = match token::find(shared, &request.token).await {
        Err(refused) if refused.code == 401 => {
            members.limiter.note_failure(from, Instant::now());
            let id = id_of_proof(&request.token).unwrap_or("?");
            tracing::warn!(%from, token = id, node = request.node_name, "refused to let a machine join: {refused}");
            return Err(refused);
        }
        found => found?,
    };
    let node = request.node_name.as_str();
    name::dns1123_subdomain(node).map_err(|_| {
        Status::bad_request(format!(
            "the node name {node:?} is none: lower case letters, digits, '-' and '.' are allowed, and the \
             first and last must be a letter or digit; choose another with --node-name"
        ))
    })?;
    let issued = members.certificates.issue(node, &request.certificate_request)?;
    let is_new = claim(shared, members, node, &issued.key).await?;
    if let Err(refused) = token.use_up(shared).await {
        if is_new {
            release(shared, node).await;
        }
        return Err(refused);
    }
    tracing::info!(node, %from, token = token.id(), "a machine joined");
    shared.recorder.record(Record {
        involved: Involved::new("v1", "Node", ObjectKey::cluster(node), String::new()),
        warning: false,
        reason: "Joined".to_owned(),
        message: format!("joined from {from} with token {}", token.id()),
        component: "sheave-server".to_owned(),
        host: node.to_owned(),
    });
    Ok(JoinAnswer { certificate: issued.certificate, certificate_authority: issued.authority })
}

/// Gives a node that is one a certificate for its next key.
pub(crate) async fn renew(
    shared: &Shared,
    caller: &Caller,
    request_pem: &str,
) -> Result<IssuedCertificate, Status> {
    let members = members(shared)?;
    let node = require_member(shared, caller).await?;
    let issued = members.certificates.issue(&caller.node, request_pem)?;
    let next = keys::with_next(&node, caller.key.as_deref(), &issued.key);
    if keys::of(&node) != next {
        write_keys(shared, &caller.node, &next).await?;
    }
    tracing::info!(node = caller.node, "a node's certificate is renewed");
    Ok(issued)
}

/// Who calls: the name in a certificate, and the hash of the certificate's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Name of the node.
    pub node: String,
    /// `None` where whoever serves has other means to know the caller: then its name is enough.
    pub key: Option<String>,
}

impl From<String> for Caller {
    fn from(node: String) -> Self {
        Self { node, key: None }
    }
}

/// How the cluster sees who calls.
pub(crate) async fn standing(shared: &Shared, caller: &Caller) -> Result<Standing, Status> {
    match require_member(shared, caller).await {
        Ok(_) => Ok(Standing::Member),
        Err(refused) if refused.code == 403 => Ok(Standing::Removed),
        Err(status) => Err(status),
    }
}

/// Who calls, by the Node object of its name.
#[derive(Debug)]
pub(crate) enum Seen {
    /// It is this node.
    Member(Value),
    /// There is no Node of that name, and it may make it.
    Unregistered,
    /// Its Node was deleted, and nobody has the name since.
    Deleted,
    /// The name is another machine's, or the certificate is not the node's newest any more.
    Another,
}

/// # Errors
/// When objects cannot be read.
pub(crate) async fn look(shared: &Shared, caller: &Caller) -> Result<Seen, Status> {
    let Caller { node, key } = caller;
    let object = get(shared, node).await?;
    let key = key.as_deref().filter(|_| !is_own(shared, node));
    Ok(match (object, key) {
        (Some(object), Some(key)) if !keys::counts(&object, key) => Seen::Another,
        (Some(object), _) => Seen::Member(object),
        (None, Some(_)) => Seen::Deleted,
        (None, None) => Seen::Unregistered,
    })
}

impl Seen {
    /// The Node object; null where there is none yet.
    ///
    /// # Errors
    /// 403 when the node was removed, or its name is another machine's.
    pub(crate) fn into_member(self, caller: &Caller) -> Result<Value, Status> {
        let why = match self {
            Self::Member(object) => return Ok(object),
            Self::Unregistered => return Ok(Value::Null),
            Self::Deleted => "its Node object was deleted",
            Self::Another => "its name belongs to another machine or to a later certificate",
        };
        Err(removed(&caller.node, why))
    }
}

/// # Errors
/// As [`Seen::into_member`], and when objects cannot be read.
pub(crate) async fn require_member(shared: &Shared, caller: &Caller) -> Result<Value, Status> {
    look(shared, caller).await?.into_member(caller)
}

fn removed(node: &str, why: &str) -> Status {
    Status::forbidden(format!(
        "this machine is not the node \"{node}\" of the cluster any more ({why}): make a token with `sheave \
         token create` on the control plane and join again here with `sheave join URL --token TOKEN`, or \
         clean up here with `sheave down`"
    ))
}

/// Where nothing is known of joining, every node is the server's own.
fn is_own(shared: &Shared, node: &str) -> bool {
    shared.membership.get().is_none_or(|members| members.own_node == node)
}

fn members(shared: &Shared) -> Result<&Membership, Status> {
    shared.membership.get().ok_or_else(|| {
        Status::new(501, "NotImplemented", "this server issues no certificates to nodes")
    })
}

/// True when the Node object was made. A machine that asks again with the same key has lost our answer.
async fn claim(
    shared: &Shared,
    members: &Membership,
    node: &str,
    key: &str,
) -> Result<bool, Status> {
    if node == members.own_node {
        return Err(Status::new(
            409,
            "AlreadyExists",
            format!(
                "the node name \"{node}\" is taken by the control plane's own machine: choose another with \
                 --node-name"
            ),
        ));
    }
    for _ in 0..ATTEMPTS_MAX {
        if let Some(object) = get(shared, node).await? {
            return if keys::of(&object).contains(&key) { Ok(false) } else { Err(taken(node)) };
        }
        let object = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": { "name": node, "annotations": keys::annotation(&[key]) },
            // No pod before the node has said what it is; taken off once it is ready.
            "spec": { "taints": [{ "key": "node.kubernetes.io/not-ready", "effect": "NoSchedule" }] },
        });
        match shared.client.create(&resource::NODES, "", object).await {
            Err(status) if status.is_already_exists() => {}
            created => return created.map(|_| true),
        }
    }
    Err(taken(node))
}

fn taken(node: &str) -> Status {
    Status::new(
        409,
        "AlreadyExists",
        format!(
            "the node name \"{node}\" is taken: if that was this machine, run `kubectl delete node {node}` and \
             join again; if it is another one, choose another name with --node-name"
        ),
    )
}

/// Takes back what a join that failed has claimed.
async fn release(shared: &Shared, node: &str) {
    let key = ObjectKey::cluster(node);
    if let Err(status) =
        shared.client.delete(&resource::NODES, &key, DeleteOptions::default()).await
    {
        tracing::warn!(node, %status, "the name of a machine that could not join stays taken");
    }
}

async fn get(shared: &Shared, node: &str) -> Result<Option<Value>, Status> {
    match shared.client.get(&resource::NODES, &ObjectKey::cluster(node)).await {
        Ok(stored) => serde_json::from_slice(&stored.json)
            .map(Some)
            .map_err(|error| Status::internal(format!("stored node cannot be decoded: {error}"))),
        Err(status) if status.is_not_found() => Ok(None),
        Err(status) => Err(status),
    }
}

async fn write_keys(shared: &Shared, node: &str, keys: &[&str]) -> Result<(), Status> {
    let patch = Patch::Merge(json!({ "metadata": { "annotations": keys::annotation(keys) } }));
    let key = ObjectKey::cluster(node);
    shared.client.patch(&resource::NODES, &key, None, patch).await.map(drop)
}

fn too_many(wait_s: u64) -> Status {
    let mut status = Status::new(
        429,
        "TooManyRequests",
        format!(
            "too many wrong tokens came from this address: try again in {wait_s} s, with a new token"
        ),
    );
    status.details = json!({ "retryAfterSeconds": wait_s });
    status
}
