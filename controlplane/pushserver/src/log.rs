//! The bounded log of changes, in one order for all nodes. Pure.

use std::collections::VecDeque;
use std::sync::Arc;

use sheave_push::v1::server_message::Kind;

/// Changes kept; a stream that falls further behind is sent the complete state again.
pub(crate) const CHANGES_MAX: usize = 16_384;

/// Whom a change concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Every node.
    All,
    /// One node.
    Node(Arc<str>),
    /// Every node but one.
    AllBut(Arc<str>),
}

/// One change, encoded once; clones share the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) generation: u64,
    pub(crate) target: Target,
    pub(crate) kind: Kind,
}

impl Change {
    fn concerns(&self, node: &str) -> bool {
        match &self.target {
            Target::All => true,
            Target::Node(name) => name.as_ref() == node,
            Target::AllBut(name) => name.as_ref() != node,
        }
    }
}

/// The log. Generations start at 1 and have no gaps.
#[derive(Debug, Default)]
pub(crate) struct Log {
    newest: u64,
    changes: VecDeque<Change>,
}

/// What a reader that has seen everything up to a generation must be sent next.
#[derive(Debug)]
pub(crate) enum Since {
    /// These changes, and then it has seen everything up to the generation.
    Changes(Vec<Change>, u64),
    /// The log does not reach back that far, or never reached that far.
    TooOld,
}

impl Log {
    /// The generation of the newest change.
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// Adds a change and returns its generation.
    pub(crate) fn push(&mut self, target: Target, kind: Kind) -> u64 {
        self.newest += 1;
        self.changes.push_back(Change { generation: self.newest, target, kind });
        if self.changes.len() > CHANGES_MAX {
            self.changes.pop_front();
        }
        self.newest
    }

    /// Changes after `seen` that concern `node`.
    pub(crate) fn since(&self, node: &str, seen: u64) -> Since {
        let oldest_kept = self.newest + 1 - self.changes.len() as u64;
        if seen > self.newest || seen + 1 < oldest_kept {
            return Since::TooOld;
        }
        let skip = (seen + 1 - oldest_kept) as usize;
        let changes = self.changes.iter().skip(skip).filter(|c| c.concerns(node)).cloned();
        Since::Changes(changes.collect(), self.newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sheave_push::v1;

    fn gone(name: &str) -> Kind {
        Kind::ServiceGone(v1::ObjectKey { namespace: "default".into(), name: name.into() })
    }

    fn generations(since: Since) -> Vec<u64> {
        match since {
            Since::Changes(changes, _) => changes.iter().map(|c| c.generation).collect(),
            Since::TooOld => panic!("too old"),
        }
    }

    #[test]
    fn readers_see_what_concerns_them_in_order() {
        let mut log = Log::default();
        log.push(Target::All, gone("a"));
        log.push(Target::Node("n1".into()), gone("b"));
        log.push(Target::Node("n2".into()), gone("c"));
        assert_eq!(generations(log.since("n1", 0)), [1, 2]);
        assert_eq!(generations(log.since("n2", 1)), [3]);
        assert_eq!(generations(log.since("n1", 3)), Vec::<u64>::new());
        log.push(Target::AllBut("n1".into()), gone("d"));
        assert_eq!(generations(log.since("n1", 3)), Vec::<u64>::new());
        assert_eq!(generations(log.since("n2", 3)), [4]);
    }

    #[test]
    fn a_reader_ahead_of_the_log_is_from_another_life() {
        let mut log = Log::default();
        log.push(Target::All, gone("a"));
        assert!(matches!(log.since("n1", 2), Since::TooOld));
    }

    #[test]
    fn a_reader_behind_the_log_starts_over() {
        let mut log = Log::default();
        for _ in 0..CHANGES_MAX + 2 {
            log.push(Target::All, gone("a"));
        }
        assert!(matches!(log.since("n1", 1), Since::TooOld));
        assert_eq!(generations(log.since("n1", 2)).len(), CHANGES_MAX);
    }
}
