//! JSON Patch (RFC 6902), bounded in operations and in what copying may add.

use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use super::unprocessable;
use crate::Status;

/// As in Kubernetes.
const OPERATIONS_MAX: usize = 10_000;
/// What all `copy` operations together may add: twice the largest request, as in Kubernetes.
const COPIED_BYTES_MAX: usize = 6 * 1024 * 1024;

/// Applies a JSON Patch: all of its operations, or none.
///
/// # Errors
/// 400 if it is no JSON Patch, 413 if it is too long, 422 if an operation fails.
pub fn json(current: &Value, patch: &Value) -> Result<Value, Status> {
    let Patch(operations) = serde_json::from_value(patch.clone())
        .map_err(|why| Status::bad_request(format!("error decoding patch: {why}")))?;
    if operations.len() > OPERATIONS_MAX {
        return Err(Status::new(
            413,
            "RequestEntityTooLarge",
            format!(
                "Request entity is too large: The allowed maximum operations in a JSON patch is \
                 {OPERATIONS_MAX}, got {}",
                operations.len()
            ),
        ));
    }
    let mut patched = current.clone();
    let mut copied_bytes = 0;
    for (index, operation) in operations.iter().enumerate() {
        if let PatchOperation::Copy(copy) = operation {
            let source = copy.from.resolve(&patched).map_or(0, |value| value.to_string().len());
            copied_bytes += source;
            if copied_bytes > COPIED_BYTES_MAX {
                return Err(unprocessable(format!(
                    "operation '/{index}' failed: copy operations may add at most \
                     {COPIED_BYTES_MAX} bytes"
                )));
            }
        }
        json_patch::patch_unsafe(&mut patched, std::slice::from_ref(operation)).map_err(|why| {
            unprocessable(format!(
                "operation '/{index}' failed at path '{}': {}",
                why.path, why.kind
            ))
        })?;
    }
    Ok(patched)
}
