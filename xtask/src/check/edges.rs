//! Which crate may use which: the architecture, as a table. What is not listed is forbidden.
//!
//! Dependencies of tests alone are free, except that nothing depends on xtask or on the tests.

use crate::workspace::root;
use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand};

/// A crate of ours, which of ours it may use, and why no others.
struct Room {
    name: &'static str,
    may_use: &'static [&'static str],
    reason: &'static str,
}

const fn room(name: &'static str, may_use: &'static [&'static str], reason: &'static str) -> Room {
    Room { name, may_use, reason }
}

const ROOMS: &[Room] = &[
    room("sheave-abi", &[], "the kernel and user space share it: layouts alone"),
    room("sheave-ebpf", &["sheave-abi"], "runs in the kernel"),
    room("sheave-pause", &[], "has no runtime and links to nothing"),
    room("sheave-core", &["sheave-abi"], "is pure: plans are made of map keys and values"),
    room("sheave-dataplane", &["sheave-abi", "sheave-core"], "knows maps, and no source of state"),
    room(
        "sheave-sources",
        &["sheave-core", "sheave-join", "sheave-push"],
        "meets the dataplane in core's model",
    ),
    room("sheave-announce", &["sheave-core"], "knows addresses, and neither maps nor sources"),
    room("sheave-dns", &["sheave-core"], "answers by core's model, and knows no source of it"),
    room("sheave-kubelet", &["sheave-core", "sheave-push"], "meets the dataplane in core's model"),
    room(
        "sheave-agent",
        &[
            "sheave-abi",
            "sheave-announce",
            "sheave-core",
            "sheave-dataplane",
            "sheave-dns",
            "sheave-handover",
            "sheave-kubelet",
            "sheave-push",
            "sheave-sources",
        ],
        "wires the node's parts, and meets the control plane in push alone",
    ),
    room(
        "sheave-hollow",
        &["sheave-core", "sheave-push", "sheave-sources"],
        "is an agent as far as the server can tell, without what touches a machine",
    ),
    room("sheave-cni", &["sheave-abi"], "runs without the agent: only pinned maps are shared"),
    room("sheave-api", &[], "kinds and rules without I/O"),
    room("sheave-client", &["sheave-api"], "is how controllers meet objects"),
    room("sheave-store", &[], "holds bytes and revisions, and knows no kind"),
    room(
        "sheave-registry",
        &["sheave-api", "sheave-client", "sheave-store"],
        "is the only user of the store",
    ),
    room(
        "sheave-apiserver",
        &["sheave-api", "sheave-join", "sheave-push", "sheave-registry"],
        "speaks HTTP, and reaches objects through the registry",
    ),
    room("sheave-scheduler", &["sheave-api", "sheave-client"], "meets controllers in objects"),
    room(
        "sheave-controllers",
        &["sheave-api", "sheave-client", "sheave-join"],
        "meet the scheduler in objects",
    ),
    room("sheave-join", &[], "is what both ends of joining know, and neither of them"),
    room("sheave-push", &[], "is the one crate that both sides of the node protocol know"),
    room(
        "sheave-pushserver",
        &["sheave-api", "sheave-client", "sheave-join", "sheave-push"],
        "serves views of objects to agents",
    ),
    room(
        "sheave-controlplane",
        &[
            "sheave-api",
            "sheave-apiserver",
            "sheave-client",
            "sheave-controllers",
            "sheave-join",
            "sheave-push",
            "sheave-pushserver",
            "sheave-registry",
            "sheave-scheduler",
            "sheave-store",
        ],
        "wires the control plane, and meets agents in push alone",
    ),
    room("sheave-handover", &[], "passes sockets on, and does not know what they are for"),
    room(
        "sheave-cli",
        &["sheave-handover", "sheave-join"],
        "is a client of the API and of the agent's socket, and keeps the agent's sockets",
    ),
    room(
        "sheave-fuzz",
        &["sheave-abi", "sheave-core", "sheave-dns", "sheave-ebpf"],
        "feeds what is pure with anything",
    ),
    room(
        "sheave-lab",
        &[],
        "knows Sheave from the outside, as a person with several machines does",
    ),
    room("xtask", &["sheave-lab"], "knows Sheave from the outside"),
    room(TESTS, &[], "uses everything"),
];

/// The crate that may use every other.
const TESTS: &str = "sheave-tests";

/// Third-party crates that one room owns, so that their types stay there.
const OWNED: [(&str, &[&str]); 5] = [
    ("aya", &["sheave-dataplane", TESTS]),
    ("aya-ebpf", &["sheave-ebpf"]),
    // Fuzzing reads responses as clients do.
    ("hickory-proto", &["sheave-dns", "sheave-fuzz"]),
    ("redb", &["sheave-store"]),
    // One signs, the other asks to be signed.
    ("rcgen", &["sheave-apiserver", "sheave-join", TESTS]),
];

/// A dependency that stands in a manifest.
#[derive(Debug, PartialEq, Eq)]
struct Edge {
    from: String,
    to: String,
    is_for_tests: bool,
}

/// Edges that the table does not allow.
pub(super) fn violations() -> Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cargo metadata")?;
    let mut edges = Vec::new();
    let mut unknown = Vec::new();
    for package in &metadata.packages {
        if room_of(&package.name).is_none() {
            unknown.push(format!(
                "{} is not in the table of crates: add it to ROOMS in xtask/src/check/edges.rs \
                 with what it may use, and to ARCHITECTURE.md",
                package.name
            ));
        }
        edges.extend(package.dependencies.iter().map(|dependency| Edge {
            from: package.name.to_string(),
            to: dependency.name.clone(),
            is_for_tests: dependency.kind == DependencyKind::Development,
        }));
    }
    Ok(unknown.into_iter().chain(edges.iter().filter_map(violation)).collect())
}

fn room_of(name: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| room.name == name)
}

fn violation(edge: &Edge) -> Option<String> {
    let Edge { from, to, is_for_tests } = edge;
    if ["xtask", TESTS].contains(&to.as_str()) {
        return Some(format!("{from} -> {to}: nothing may depend on {to}; move what is needed"));
    }
    if *is_for_tests || from == TESTS {
        return None;
    }
    let owners = OWNED.iter().find(|(name, _)| name == to).map(|(_, owners)| *owners);
    if let Some(owners) = owners.filter(|owners| !owners.contains(&from.as_str())) {
        return Some(format!("{from} -> {to}: only {} uses {to}; ask it instead", owners[0]));
    }
    let room = room_of(from)?;
    if room_of(to).is_none() || room.may_use.contains(&to.as_str()) {
        return None;
    }
    Some(format!(
        "{from} -> {to} is not an allowed edge, because {from} {}: pass data through what both \
         know, or argue the edge in ARCHITECTURE.md and add it in xtask/src/check/edges.rs",
        room.reason
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_forbidden(from: &str, to: &str, is_for_tests: bool) -> bool {
        violation(&Edge { from: from.to_owned(), to: to.to_owned(), is_for_tests }).is_some()
    }

    #[test]
    fn the_table_decides() {
        assert!(!is_forbidden("sheave-registry", "sheave-store", false));
        assert!(is_forbidden("sheave-controllers", "sheave-store", false));
        assert!(is_forbidden("sheave-kubelet", "sheave-dataplane", false));
        assert!(!is_forbidden("sheave-kubelet", "tokio", false));
        assert!(!is_forbidden("sheave-controllers", "sheave-store", true));
        assert!(!is_forbidden(TESTS, "sheave-store", false));
    }

    #[test]
    fn nothing_depends_on_xtask_or_the_tests() {
        assert!(is_forbidden("sheave-cli", "xtask", true));
        assert!(is_forbidden("sheave-cli", TESTS, true));
    }

    #[test]
    fn a_third_party_crate_has_one_owner() {
        assert!(is_forbidden("sheave-agent", "aya", false));
        assert!(!is_forbidden("sheave-dataplane", "aya", false));
    }

    #[test]
    fn allowed_edges_name_crates_that_exist() {
        for room in ROOMS {
            for name in room.may_use {
                assert!(room_of(name).is_some(), "{} may use {name}", room.name);
            }
        }
    }
}
