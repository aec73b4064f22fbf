//! The kinds the API serves: one table, and one strategy a kind where it has rules of its own.
//!
//! Everything that differs between kinds is here as data or behind [`Strategy`]; the registry, the API
//! server and discovery know no kind by name. One more kind is one entry in [`KINDS`] and, if defaults do
//! not do, one file beside this one.
//!
//! ```text
//! create:  prepare_create -> (admission) -> validate_create          in write, which calls the
//! update:  prepare_update -> (admission) -> validate_update          strategy's default, prepare
//! status:  prepare_status_update         -> validate_status_update   and validate in between
//! delete:  strategy.grace_period_seconds, strategy.default_propagation
//! list:    check_field_selector, matches_fields; printer
//! ```

mod config;
mod controller_revision;
mod daemon_set;
mod deployment;
mod disruption_budget;
mod endpoints;
mod event;
mod lease;
pub mod metadata;
pub mod namespace;
mod node;
pub mod pod;
mod replica_set;
mod rules;
pub mod scale;
pub mod service;
mod stateful_set;
mod strategy;
mod table;
mod template;
#[cfg(test)]
mod tests;
pub mod write;

use std::borrow::Cow;

use serde_json::Value;

pub use strategy::{Context, Propagation, Scale, Strategy};
pub use table::KINDS;

use crate::printers::Printer;
use crate::selector::FieldSelector;
use crate::{FieldErrors, GroupResource, Status, meta};

/// One kind: how it is named, what can be done with it, and by which rules.
pub struct Kind {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// `v1`.
    pub version: &'static str,
    /// `Deployment`.
    pub kind: &'static str,
    /// `DeploymentList`.
    pub list_kind: &'static str,
    /// `deployments`, the resource's name in URLs.
    pub plural: &'static str,
    /// `deployment`.
    pub singular: &'static str,
    /// `deploy`.
    pub short_names: &'static [&'static str],
    /// `all`.
    pub categories: &'static [&'static str],
    /// False for cluster-scoped kinds.
    pub namespaced: bool,
    /// Verbs in discovery, sorted.
    pub verbs: &'static [&'static str],
    /// Full message name in the schema: `k8s.io.api.apps.v1.Deployment`.
    pub schema: &'static str,
    /// What exists below an object: `status`, `scale`, `log`.
    pub subresources: &'static [Subresource],
    /// What an acknowledged write means.
    pub durability: Durability,
    /// Top-level fields whose change bumps `metadata.generation`; empty if the kind has no generation.
    pub generation_of: &'static [&'static str],
    /// The kind's rules.
    pub strategy: &'static dyn Strategy,
    /// The kind's columns.
    pub printer: &'static dyn Printer,
}

/// A resource below an object: `pods/log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subresource {
    /// The last step of the path: `log`.
    pub name: &'static str,
    /// Group of the body's kind; empty is the core group.
    pub group: &'static str,
    /// Version of the body's kind.
    pub version: &'static str,
    /// Kind of the body: `Scale`, `PodExecOptions`.
    pub kind: &'static str,
    /// Verbs in discovery, sorted.
    pub verbs: &'static [&'static str],
}

/// What an acknowledged write means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It survives a crash and power loss.
    Durable,
    /// It survives a crash of the process soon after, but may be lost with the power: events, leases.
    Relaxed,
}

impl Kind {
    /// What stores and watches key on.
    pub const fn group_resource(&self) -> GroupResource {
        GroupResource::of(self.group, self.plural)
    }

    /// `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> Cow<'static, str> {
        api_version(self.group, self.version)
    }

    /// A subresource by name.
    pub fn subresource(&self, name: &str) -> Option<&'static Subresource> {
        self.subresources.iter().find(|subresource| subresource.name == name)
    }

    /// True if status is written apart from the rest.
    pub fn has_status(&self) -> bool {
        self.subresource("status").is_some()
    }

    /// 422 with all that is wrong, or nothing.
    pub fn check(&self, name: &str, errors: FieldErrors) -> Result<(), Status> {
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors.into_status(self.group, self.kind, name))
        }
    }

    /// 400 if the selector names a field this kind does not offer.
    pub fn check_field_selector(&self, selector: &FieldSelector) -> Result<(), Status> {
        let own = self.strategy.field_labels();
        for field in selector.fields() {
            let generic =
                field == "metadata.name" || (self.namespaced && field == "metadata.namespace");
            if generic || own.contains(&field) {
                continue;
            }
            return Err(Status::bad_request(if own.is_empty() {
                format!(
                    "\"{field}\" is not a known field selector: only \"metadata.name\", \
                     \"metadata.namespace\""
                )
            } else {
                format!("field label not supported: {field}")
            }));
        }
        Ok(())
    }

    /// A field's value as field selectors compare it; empty if absent.
    pub fn field_value<'a>(&self, object: &'a Value, field: &str) -> Cow<'a, str> {
        match field {
            "metadata.name" => Cow::Borrowed(meta::name(object)),
            "metadata.namespace" => Cow::Borrowed(meta::namespace(object)),
            _ => self.strategy.field_value(object, field),
        }
    }

    /// True if an object fulfils a field selector.
    pub fn matches_fields(&self, selector: &FieldSelector, object: &Value) -> bool {
        selector.matches(|field| self.field_value(object, field))
    }
}

/// `apps/v1`, or `v1` for the core group.
pub fn api_version(group: &str, version: &'static str) -> Cow<'static, str> {
    if group.is_empty() { Cow::Borrowed(version) } else { Cow::Owned(format!("{group}/{version}")) }
}

/// The kind a URL names.
pub fn by_resource(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    KINDS
        .iter()
        .find(|kind| kind.plural == plural && kind.group == group && kind.version == version)
}

/// The kind of a resource, whatever its version.
pub fn by_group_resource(resource: &GroupResource) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.plural == resource.resource && kind.group == resource.group)
}

/// The kind that `apiVersion` and `kind` of an object name.
pub fn by_kind(api_version: &str, kind: &str) -> Option<&'static Kind> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    KINDS.iter().find(|it| it.kind == kind && it.group == group && it.version == version)
}
