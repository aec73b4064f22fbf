//! Up to which generation everything is in effect on every node that counts. Pure.
//!
//! A node counts while its agent is connected, and as long as the cluster takes it for Ready: its programs
//! choose endpoints also while its agent, or this server, is started anew. One that is lost does not. What it acknowledged stays in
//! effect there, so it is remembered for as long as this server lives, which is how long generations do.

use std::collections::BTreeMap;
use std::sync::Arc;

/// All nodes that are known.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    nodes: BTreeMap<Arc<str>, Standing>,
    /// Kept in step with `nodes`.
    floor: Option<u64>,
}

/// Where one node stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) connected: bool,
    pub(crate) health: Health,
    /// Everything up to here is in effect.
    pub(crate) acked: u64,
}

/// What the cluster thinks of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Health {
    Ready,
    /// It says so itself, or has not said anything yet.
    #[default]
    NotReady,
    /// It has not been heard of for too long: its connection is no more than a memory.
    Lost,
}

impl Standing {
    /// Whether others wait for this node.
    pub(crate) fn counts(self) -> bool {
        match self.health {
            Health::Ready => true,
            Health::NotReady => self.connected,
            Health::Lost => false,
        }
    }
}

impl Acks {
    /// Everything up to here is in effect on every node that counts; `u64::MAX` when none does.
    pub(crate) fn floor(&self) -> u64 {
        self.floor.unwrap_or(u64::MAX)
    }

    /// True when there is a node to wait for.
    pub(crate) fn any_counts(&self) -> bool {
        self.floor.is_some()
    }

    /// Nodes that count and on which this generation is not in effect.
    pub(crate) fn behind(&self, generation: u64) -> Vec<String> {
        let behind = self.nodes.iter().filter(|(_, n)| n.counts() && n.acked < generation);
        behind.map(|(name, _)| name.to_string()).collect()
    }

    /// All that are known, with where they stand.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (&Arc<str>, Standing)> {
        self.nodes.iter().map(|(name, standing)| (name, *standing))
    }

    pub(crate) fn acked(&mut self, node: &str, generation: u64) {
        let Some(standing) = self.nodes.get_mut(node) else { return };
        let before = standing.acked;
        standing.acked = before.max(generation);
        // Only the last ones hold the others up.
        if standing.counts() && self.floor == Some(before) {
            self.find_floor();
        }
    }

    pub(crate) fn connected(&mut self, node: &str, connected: bool) {
        self.change(node, |standing| standing.connected = connected);
    }

    pub(crate) fn health(&mut self, node: &str, health: Health) {
        self.change(node, |standing| standing.health = health);
    }

    fn change(&mut self, node: &str, change: impl FnOnce(&mut Standing)) {
        let standing = self.nodes.entry(node.into()).or_default();
        let before = standing.counts();
        change(standing);
        if before != standing.counts() {
            self.find_floor();
        }
    }

    /// The node object is gone; a node that is still connected counts on.
    pub(crate) fn forget(&mut self, node: &str) {
        self.health(node, Health::NotReady);
        self.nodes.retain(|name, standing| &**name != node || standing.connected);
    }

    fn find_floor(&mut self) {
        self.floor = self.nodes.values().filter(|n| n.counts()).map(|n| n.acked).min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_node_that_counts_decides() {
        let mut acks = Acks::default();
        assert_eq!((acks.floor(), acks.any_counts()), (u64::MAX, false));
        acks.connected("a", true);
        acks.health("b", Health::Ready);
        acks.acked("a", 7);
        assert_eq!((acks.floor(), acks.behind(7)), (0, vec!["b".to_owned()]));
        acks.connected("b", true);
        acks.acked("b", 5);
        assert_eq!(acks.floor(), 5);
        acks.acked("b", 3);
        acks.acked("b", 9);
        assert_eq!(acks.floor(), 7);
    }

    #[test]
    fn a_node_that_is_started_anew_counts_with_what_it_acknowledged() {
        let mut acks = Acks::default();
        acks.health("a", Health::Ready);
        acks.connected("a", true);
        acks.acked("a", 7);
        acks.connected("a", false);
        assert_eq!(acks.floor(), 7);
        acks.connected("a", true);
        assert_eq!(acks.floor(), 7);
    }

    #[test]
    fn lost_and_deleted_nodes_do_not_count() {
        let mut acks = Acks::default();
        acks.health("a", Health::Ready);
        acks.connected("b", true);
        acks.acked("b", 4);
        acks.health("a", Health::NotReady);
        assert_eq!(acks.floor(), 4);
        acks.health("a", Health::Ready);
        acks.forget("a");
        assert_eq!(acks.floor(), 4);
        acks.forget("b");
        assert_eq!(acks.floor(), 4, "it is still connected");
        acks.health("b", Health::Lost);
        assert!(!acks.any_counts(), "what is left of its connection says nothing");
        acks.health("b", Health::NotReady);
        assert!(acks.any_counts());
        acks.connected("b", false);
        assert!(!acks.any_counts());
    }
}
