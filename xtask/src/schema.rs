//! `cargo xtask schema`: writes the table of Kubernetes messages that the API server decodes by.
//!
//! Reads the published Go type files (Debian's golang-k8s-api-dev and golang-k8s-apimachinery-dev)
//! and takes facts alone from them: names, numbers, types, list keys, patch strategies. No prose is
//! copied. What is read is a struct a line at a time, as gofmt writes it; this is no Go parser.

mod fetch;
mod go;
mod resolve;
mod write;

use std::path::Path;

use anyhow::{Context, Result};

/// A Go package whose kinds the table holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    /// Path below the Go source root, also the import path.
    pub(crate) path: &'static str,
    /// Name of the generated Rust module.
    pub(crate) module: &'static str,
    /// API group; empty for core.
    pub(crate) group: &'static str,
    /// API version.
    pub(crate) version: &'static str,
    /// Types to take although nothing refers to them; empty: every type with a `TypeMeta`.
    pub(crate) roots: &'static [&'static str],
}

const fn api(
    path: &'static str,
    module: &'static str,
    group: &'static str,
    version: &'static str,
) -> Source {
    Source { path, module, group, version, roots: &[] }
}

/// What is generated: one more group is one more line.
pub(crate) const SOURCES: &[Source] = &[
    api(
        "k8s.io/api/admissionregistration/v1",
        "admissionregistration_v1",
        "admissionregistration.k8s.io",
        "v1",
    ),
    api("k8s.io/api/apps/v1", "apps_v1", "apps", "v1"),
    api("k8s.io/api/authentication/v1", "authentication_v1", "authentication.k8s.io", "v1"),
    api("k8s.io/api/authorization/v1", "authorization_v1", "authorization.k8s.io", "v1"),
    api("k8s.io/api/autoscaling/v1", "autoscaling_v1", "autoscaling", "v1"),
    api("k8s.io/api/autoscaling/v2", "autoscaling_v2", "autoscaling", "v2"),
    api("k8s.io/api/batch/v1", "batch_v1", "batch", "v1"),
    api("k8s.io/api/certificates/v1", "certificates_v1", "certificates.k8s.io", "v1"),
    api("k8s.io/api/coordination/v1", "coordination_v1", "coordination.k8s.io", "v1"),
    api("k8s.io/api/core/v1", "core_v1", "", "v1"),
    api("k8s.io/api/discovery/v1", "discovery_v1", "discovery.k8s.io", "v1"),
    api("k8s.io/api/events/v1", "events_v1", "events.k8s.io", "v1"),
    api("k8s.io/api/networking/v1", "networking_v1", "networking.k8s.io", "v1"),
    api("k8s.io/api/node/v1", "node_v1", "node.k8s.io", "v1"),
    api("k8s.io/api/policy/v1", "policy_v1", "policy", "v1"),
    api("k8s.io/api/rbac/v1", "rbac_v1", "rbac.authorization.k8s.io", "v1"),
    api("k8s.io/api/scheduling/v1", "scheduling_v1", "scheduling.k8s.io", "v1"),
    api("k8s.io/api/storage/v1", "storage_v1", "storage.k8s.io", "v1"),
    Source {
        path: "k8s.io/apimachinery/pkg/apis/meta/v1",
        module: "meta_v1",
        group: "meta.k8s.io",
        version: "v1",
        roots: &[
            "CreateOptions",
            "DeleteOptions",
            "GetOptions",
            "LabelSelector",
            "List",
            "ListOptions",
            "ObjectMeta",
            "PatchOptions",
            "Status",
            "UpdateOptions",
        ],
    },
];

/// Generates `controlplane/api/src/schema/generated/` under `workspace`.
pub(crate) fn run(workspace: &Path) -> Result<()> {
    let fetched = fetch::sources(&workspace.join("target/schema"))
        .context("fetching the Go type files with apt")?;
    let packages = SOURCES
        .iter()
        .map(|source| go::Package::read(fetched.root(), *source))
        .collect::<Result<Vec<_>>>()?;
    let table = resolve::Table::build(&packages)?;
    let out = workspace.join("controlplane/api/src/schema/generated");
    let written = write::write(&table, fetched.provenance(), &out)?;
    println!("{} messages, {} fields in {}", written.messages, written.fields, out.display());
    Ok(())
}
