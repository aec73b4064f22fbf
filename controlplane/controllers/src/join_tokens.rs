//! Tokens that have ended are taken away, a while after: until then whoever comes with one is told that it
//! ended, and not that nobody knows it. That it ended is decided where machines join, not here.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::{DeleteOptions, Informer, TypedEvent};
use sheave_join::{Stored, secret};

use crate::Context;
use crate::queue::Queue;

/// How long one that has ended is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(1);
/// Nobody waits longer than this for a clock that was set.
const LOOK_AGAIN_S: i64 = 60 * 60;

/// As much of a Secret as tells whether it is a token; that of all others is not copied.
#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: Option<String>,
}

pub(crate) async fn run(context: Context) {
    let mut secrets = Informer::<Kind>::new(context.client.as_ref(), &resource::SECRETS);
    let mut ends: BTreeMap<ObjectKey, Timestamp> = BTreeMap::new();
    let mut queue: Queue<ObjectKey> = Queue::new();
    loop {
        tokio::select! {
            biased;
            event = secrets.next() => match event {
                Some(TypedEvent::Apply { new, .. }) if new.object.kind.as_deref() == Some(secret::TYPE) => {
                    if let Some(at) = taken_away_at(&new.json) {
                        ends.insert(new.key.clone(), at);
                        queue.mark(new.key);
                    }
                }
                Some(TypedEvent::Delete(old)) => drop(ends.remove(&old.key)),
                Some(_) => {}
                None => return,
            },
            key = queue.next() => {
                let Some(at) = ends.get(&key) else { continue };
                let left_s = at.duration_since((context.now)()).as_secs();
                if left_s > 0 {
                    let wait_s = u64::try_from(left_s.min(LOOK_AGAIN_S)).unwrap_or(1);
                    queue.mark_after(key, std::time::Duration::from_secs(wait_s));
                    continue;
                }
                match take_away(&context, &key).await {
                    Ok(()) => queue.succeeded(&key),
                    Err(status) => {
                        tracing::warn!(token = %key, %status, "a token that has ended could not be deleted");
                        queue.failed(key);
                    }
                }
            }
        }
    }
}

/// `None` for what has the type of a token and is none.
fn taken_away_at(json: &[u8]) -> Option<Timestamp> {
    let object: Value = serde_json::from_slice(json).ok()?;
    let stored = Stored::from_secret(&object)?;
    let created: Timestamp = object["metadata"]["creationTimestamp"].as_str()?.parse().ok()?;
    let ttl = SignedDuration::try_from(stored.description.ttl).ok()?;
    created.checked_add(ttl).ok()?.checked_add(KEPT).ok()
}

async fn take_away(context: &Context, key: &ObjectKey) -> Result<(), Status> {
    match context.client.delete(&resource::SECRETS, key, DeleteOptions::default()).await {
        Err(status) if status.is_not_found() => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use sheave_join::{Description, Pin, Token};

    use super::*;

    #[test]
    fn a_token_is_kept_for_a_while_after_its_end() {
        let token = Token::generate(Pin::of_public_key(b"key"));
        let description = Description { ttl: Duration::from_secs(60), ..Description::default() };
        let mut object = token.to_secret(&description);
        object["metadata"]["creationTimestamp"] = json!("2030-01-01T00:00:00Z");
        let at = taken_away_at(object.to_string().as_bytes()).unwrap();
        assert_eq!(at.to_string(), "2030-01-01T01:01:00Z");
        object["data"] = json!({});
        assert_eq!(taken_away_at(object.to_string().as_bytes()), None);
    }
}
