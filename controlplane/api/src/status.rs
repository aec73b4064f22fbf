//! `metav1.Status`: the one error that crosses the API, worded as Kubernetes words it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An API error: HTTP code, machine-readable reason, sentence, and causes by field.
#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Status {
    /// HTTP status code.
    pub code: u16,
    /// `NotFound`, `AlreadyExists`, `Conflict`, `Invalid`, `Expired`, ...
    pub reason: String,
    /// One sentence for people.
    pub message: String,
    /// `details` of the Status object, or null.
    #[serde(default)]
    pub details: Value,
    /// `metadata.continue`: with 410 for a page, a token that goes on all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continue_token: Option<String>,
}

impl Status {
    /// Any error; the named constructors below are preferred.
    pub fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
            message: message.into(),
            details: Value::Null,
            continue_token: None,
        }
    }

    /// 404: no such object.
    pub fn not_found(resource: &crate::GroupResource, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{resource} \"{name}\" not found")).about(resource, name)
    }

    /// 409: the name is taken.
    pub fn already_exists(resource: &crate::GroupResource, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{resource} \"{name}\" already exists"))
            .about(resource, name)
    }

    /// 409: the write was based on an older revision, or a precondition failed.
    pub fn conflict(resource: &crate::GroupResource, name: &str, why: &str) -> Self {
        Self::new(
            409,
            "Conflict",
            format!("Operation cannot be fulfilled on {resource} \"{name}\": {why}"),
        )
        .about(resource, name)
    }

    /// 400: the request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 403: understood and refused.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "Forbidden", message)
    }

    /// 410: the revision is no longer held.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 500: our fault.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message)
    }

    /// Names the object in `details`.
    pub fn about(mut self, resource: &crate::GroupResource, name: &str) -> Self {
        let mut details = json!({ "name": name, "kind": resource.resource });
        if !resource.group.is_empty() {
            details["group"] = Value::from(resource.group.as_ref());
        }
        self.details = details;
        self
    }

    /// True for a 404 about the object itself.
    pub fn is_not_found(&self) -> bool {
        self.code == 404
    }

    /// True for a write based on an older revision.
    pub fn is_conflict(&self) -> bool {
        self.reason == "Conflict"
    }

    /// True when the name was taken.
    pub fn is_already_exists(&self) -> bool {
        self.reason == "AlreadyExists"
    }

    /// The `v1.Status` object as clients read it.
    pub fn to_object(&self) -> Value {
        let mut object = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if !self.details.is_null() {
            object["details"] = self.details.clone();
        }
        if let Some(token) = &self.continue_token {
            object["metadata"]["continue"] = Value::from(token.as_str());
        }
        object
    }
}
