//! Whether a token lets a machine join.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::DeleteOptions;
use sheave_join::{Stored, id_of_proof, secret};

use crate::Shared;

/// A token that was proved and is still accepted.
pub(super) struct Accepted {
    stored: Stored,
    key: ObjectKey,
    uid: String,
}

/// # Errors
/// 401 for what is no token of this cluster, or no longer.
pub(super) async fn find(shared: &Shared, proof: &str) -> Result<Accepted, Status> {
    let id = id_of_proof(proof).ok_or_else(|| {
        refused("that is no token: paste the whole line that `sheave token create` printed")
    })?;
    let name = format!("{}{id}", secret::NAME_PREFIX);
    let key = ObjectKey::new(secret::NAMESPACE, name);
    let unknown = || {
        refused(&format!(
            "the token {id} is not known here: it was revoked or used up, or it ended long ago; make a new one \
             with `sheave token create` on the control plane"
        ))
    };
    let object: Value = match shared.client.get(&resource::SECRETS, &key).await {
        Ok(stored) => serde_json::from_slice(&stored.json).map_err(|error| {
            Status::internal(format!("stored secret cannot be decoded: {error}"))
        })?,
        Err(status) if status.is_not_found() => return Err(unknown()),
        Err(status) => return Err(status),
    };
    let stored = Stored::from_secret(&object).ok_or_else(unknown)?;
    if !stored.is_proved_by(proof) {
        return Err(refused(&format!(
            "the token {id} is wrong: paste the whole line that `sheave token create` printed"
        )));
    }
    if object["metadata"]["deletionTimestamp"].is_string() {
        return Err(unknown());
    }
    if let Some(ended) = ended_at(&object, &stored).filter(|ended| *ended <= Timestamp::now()) {
        return Err(refused(&format!(
            "the token {id} ended at {ended:.0}: make a new one with `sheave token create` on the control plane"
        )));
    }
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    Ok(Accepted { stored, key, uid })
}

fn refused(sentence: &str) -> Status {
    Status::new(401, "Unauthorized", sentence)
}

/// By the server's clock alone. A Secret without a creation time ended at once.
fn ended_at(object: &Value, stored: &Stored) -> Option<Timestamp> {
    let created =
        object["metadata"]["creationTimestamp"].as_str().and_then(|text| text.parse().ok());
    let ttl = SignedDuration::try_from(stored.description.ttl).unwrap_or(SignedDuration::MAX);
    created.unwrap_or(Timestamp::UNIX_EPOCH).checked_add(ttl).ok()
}

impl Accepted {
    pub(super) fn id(&self) -> &str {
        &self.stored.id
    }

    /// Of two machines with a token for one, the second is refused.
    pub(super) async fn use_up(&self, shared: &Shared) -> Result<(), Status> {
        if !self.stored.description.single_use {
            return Ok(());
        }
        let options = DeleteOptions { uid: Some(self.uid.clone()), ..DeleteOptions::default() };
        match shared.client.delete(&resource::SECRETS, &self.key, options).await {
            Err(status) if status.is_not_found() || status.is_conflict() => Err(refused(&format!(
                "the token {} was for one machine, and another one has just used it: make a new one with `sheave \
                 token create` on the control plane",
                self.stored.id
            ))),
            result => result,
        }
    }
}
