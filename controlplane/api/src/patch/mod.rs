//! Patches: an object and a patch to a new object. Pure; nothing is changed in place.
//!
//! JSON Patch (RFC 6902), JSON Merge Patch (RFC 7386) and Kubernetes' strategic merge patch, which
//! merges lists by the keys that the table names. The result is unchecked:
//! [`crate::codec::conform`] checks it, as it would a body. Server-side apply is not here.

mod json;
mod strategic;

use serde_json::Value;

pub use json::json;
pub use strategic::strategic;

use crate::Status;

/// `application/json-patch+json`.
pub const JSON_PATCH: &str = "application/json-patch+json";
/// `application/merge-patch+json`.
pub const MERGE_PATCH: &str = "application/merge-patch+json";
/// `application/strategic-merge-patch+json`.
pub const STRATEGIC_MERGE_PATCH: &str = "application/strategic-merge-patch+json";

/// Applies a JSON Merge Patch (RFC 7386).
///
/// # Errors
/// 400 if the patch is no object: it would replace the whole object by something that is none.
pub fn merge(current: &Value, patch: &Value) -> Result<Value, Status> {
    if !patch.is_object() {
        return Err(Status::bad_request(
            "error decoding patch: a merge patch must be a JSON object",
        ));
    }
    let mut merged = current.clone();
    json_patch::merge(&mut merged, patch);
    Ok(merged)
}

/// The 422 for a patch that cannot be applied; the cause says why.
fn unprocessable(why: impl std::fmt::Display) -> Status {
    let mut status = Status::new(
        422,
        "Invalid",
        format!("the server rejected our request due to an error in our request: {why}"),
    );
    status.details = serde_json::json!({
        "causes": [{ "reason": "UnexpectedServerResponse", "message": why.to_string() }],
    });
    status
}

#[cfg(test)]
mod tests;
