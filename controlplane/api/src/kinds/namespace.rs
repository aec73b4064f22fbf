//! Namespaces: they end in two steps, and their content goes first.

use serde_json::{Value, json};

use super::rules::{fill_zero, text};
use super::{Context, Strategy};
use crate::field::Path;
use crate::name::Broken;
use crate::{FieldErrors, meta, name};

/// The label that carries the namespace's own name, for selectors.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// The entry of `spec.finalizers` that stands for the content.
const FINALIZER: &str = "kubernetes";

/// Rules of Namespaces.
pub(super) struct Namespace;

impl Strategy for Namespace {
    fn default(&self, namespace: &mut Value) {
        let name = meta::name(namespace).to_owned();
        if !name.is_empty() {
            meta::set_label(namespace, NAME_LABEL, &name);
        }
    }

    fn prepare_create(&self, namespace: &mut Value, _: &Context) {
        namespace["spec"] = json!({ "finalizers": [FINALIZER] });
        namespace["status"] = json!({ "phase": "Active" });
    }

    /// Finalizers change only through the `finalize` subresource.
    fn prepare_update(&self, new: &mut Value, old: &Value, _: &Context) {
        new["spec"] = old["spec"].clone();
    }

    fn prepare_status_update(&self, new: &mut Value, old: &Value, _: &Context) {
        if !new["status"].is_object() {
            new["status"] = json!({});
        }
        fill_zero(&mut new["status"], "phase", old["status"]["phase"].clone());
    }

    fn validate_name(&self, name: &str) -> Result<(), Broken> {
        name::dns1123_label(name)
    }

    fn validate_status_update(&self, new: &Value, _: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        let (phase, path) = (text(&new["status"]["phase"]), Path::root("status").child("Phase"));
        let expected = if meta::is_terminating(new) { "Terminating" } else { "Active" };
        if phase != expected {
            let why = match expected {
                "Active" => "may only be 'Active' if `deletionTimestamp` is empty",
                _ => "may only be 'Terminating' if `deletionTimestamp` is not empty",
            };
            errors.invalid(&path, phase, why);
        }
        errors
    }

    fn field_labels(&self) -> &'static [&'static str] {
        &["status.phase"]
    }
}

/// True if nothing keeps a terminating namespace any more.
pub fn is_finalized(namespace: &Value) -> bool {
    meta::list(&namespace["spec"]["finalizers"]).is_empty()
        && meta::finalizers(namespace).next().is_none()
}

/// The content is gone: takes the `kubernetes` entry out of `spec.finalizers`.
pub fn finalize(namespace: &mut Value) {
    if let Some(finalizers) = namespace["spec"]["finalizers"].as_array_mut() {
        finalizers.retain(|finalizer| finalizer != FINALIZER);
    }
}

/// The first step of the end: phase `Terminating`.
pub fn set_terminating(namespace: &mut Value) {
    if !namespace["status"].is_object() {
        namespace["status"] = json!({});
    }
    namespace["status"]["phase"] = Value::from("Terminating");
}
