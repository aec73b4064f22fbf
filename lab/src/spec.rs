//! What is ordered: how many machines, how they are connected, which programs they run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::LabError;

/// Ethernet's smallest for IPv6 (RFC 8200), and what a veth can have.
const MTU_RANGE: std::ops::RangeInclusive<u32> = 1280..=65_535;
/// As many as the addresses of a link are divided for.
const NODES_MAX: usize = 30;
const CLIENTS_MAX: usize = 30;

/// A lab to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// Tells labs on one machine apart; part of directory and cgroup names.
    pub name: String,
    /// Machines of the cluster. The first is control plane and node, the others join it.
    pub nodes: usize,
    /// Machines that belong to no cluster.
    pub clients: usize,
    /// Of all links.
    pub mtu: u32,
    /// How the machines are connected.
    pub layout: Layout,
    /// Whether machines and cluster have IPv6 too.
    pub dual_stack: bool,
    /// Where sheave, sheave-server, sheave-agent, sheave-cni and sheave-pause are.
    pub programs: PathBuf,
    /// Image archives that every node imports.
    pub images: PathBuf,
    /// More arguments of `sheave up`, for the control plane.
    pub server_arguments: Vec<String>,
    /// More arguments of `sheave up` and `sheave join`, for each node.
    pub node_arguments: Vec<String>,
    /// More arguments of single nodes, by name: `node-2`.
    pub arguments_of: BTreeMap<String, Vec<String>>,
    /// In the environment of the daemons.
    pub variables: Vec<(String, String)>,
}

/// How the machines are connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    /// All on one link: each reaches each without a router.
    #[default]
    OneLink,
    /// Two links with a router in between that knows nothing of pods. Nodes with odd numbers are on the
    /// first, with even ones on the second; clients are on the first.
    Routed,
}

impl Layout {
    /// How many links there are.
    pub(crate) fn links(self) -> usize {
        match self {
            Self::OneLink => 1,
            Self::Routed => 2,
        }
    }
}

impl Spec {
    /// Three nodes and no client on one link, with both families.
    pub fn new(name: &str, programs: impl Into<PathBuf>, images: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            nodes: 3,
            clients: 0,
            mtu: 1500,
            layout: Layout::OneLink,
            dual_stack: true,
            programs: programs.into(),
            images: images.into(),
            server_arguments: Vec::new(),
            node_arguments: Vec::new(),
            arguments_of: BTreeMap::new(),
            variables: Vec::new(),
        }
    }

    /// Refuses what cannot be made.
    pub(crate) fn check(&self) -> Result<(), LabError> {
        let refuse = |field, why: String| Err(LabError::Spec { field, why });
        check_name(&self.name)?;
        if !(1..=NODES_MAX).contains(&self.nodes) {
            return refuse("--nodes", format!("a lab has 1 to {NODES_MAX} nodes"));
        }
        if self.clients > CLIENTS_MAX {
            return refuse("--external-clients", format!("a lab has at most {CLIENTS_MAX}"));
        }
        if !MTU_RANGE.contains(&self.mtu) {
            let (least, most) = MTU_RANGE.into_inner();
            return refuse("--mtu", format!("{}: choose {least} to {most} bytes", self.mtu));
        }
        for program in ["sheave", "sheave-server", "sheave-agent", "sheave-cni", "sheave-pause"] {
            let path = self.programs.join(program);
            if !path.exists() {
                let why = format!("{} is missing: run `cargo xtask build`", path.display());
                return refuse("programs", why);
            }
            // Each machine has a /var of its own, and would not see them there.
            if path.starts_with("/var") || path.starts_with("/run") {
                let why = format!("{} is below /var or /run: move the checkout", path.display());
                return refuse("programs", why);
            }
        }
        Ok(())
    }
}

/// Refuses what cannot be part of the name of a directory and a cgroup.
pub(crate) fn check_name(name: &str) -> Result<(), LabError> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > 40 || !name.bytes().all(is_plain) {
        let why = format!("{name:?}: use up to 40 small letters, digits and hyphens");
        return Err(LabError::Spec { field: "--name", why });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_made_is_refused_with_the_flag_that_says_so() {
        let refused = |change: fn(&mut Spec)| {
            let mut spec = Spec::new("lab", "/nowhere", "/nowhere");
            change(&mut spec);
            spec.check().unwrap_err().to_string()
        };
        assert!(refused(|spec| spec.nodes = 0).starts_with("--nodes: a lab has 1 to"));
        assert!(refused(|spec| spec.clients = 31).starts_with("--external-clients: "));
        assert!(refused(|spec| spec.mtu = 1000).starts_with("--mtu: 1000: choose 1280 to"));
        assert!(refused(|spec| spec.name = "a/b".into()).starts_with("--name: \"a/b\": use"));
        assert!(refused(|_| {}).contains("/nowhere/sheave is missing: run `cargo xtask build`"));
    }
}
