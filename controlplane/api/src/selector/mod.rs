//! Which objects: label selectors (strings and `metav1.LabelSelector`) and field selectors.
//!
//! Parsing is apart from matching. Errors are worded as Kubernetes words them; the API server wraps them
//! in a 400 BadRequest.

mod fields;
mod labels;
mod lexer;
mod parser;

pub use fields::FieldSelector;
pub use labels::{LabelSelector, Labels, Operator, Requirement};

/// Why a selector could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(pub(crate) String);

impl From<SelectorError> for crate::Status {
    fn from(error: SelectorError) -> Self {
        Self::bad_request(error.0)
    }
}
