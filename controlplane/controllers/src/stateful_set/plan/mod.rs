//! Which pods of a StatefulSet are to be made or ended next. Pure.
//!
//! A name is given again only once nothing has it any more: a pod that was deleted stays in the picture until its
//! node confirms its end, and for so long nothing is planned for its ordinal.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;

use super::member::{Member, Stage};
use crate::own_pods::BURST_MAX;

/// What a set asks for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The first ordinal.
    pub(super) start: i32,
    pub(super) replicas: i32,
    /// One pod after the other, each once those before it are available.
    pub(super) is_ordered: bool,
    /// Pods from this one on, counted from the first, are replaced when the template changes; `None`: none are.
    pub(super) replace_from: Option<i32>,
}

impl Wanted {
    pub(super) fn of(set: &StatefulSet) -> Self {
        let Some(spec) = &set.spec else {
            return Self { start: 0, replicas: 0, is_ordered: true, replace_from: None };
        };
        let strategy = spec.update_strategy.as_ref();
        let partition = strategy.and_then(|it| it.rolling_update.as_ref()?.partition).unwrap_or(0);
        let is_rolling = strategy.is_none_or(|it| it.type_.as_deref() != Some("OnDelete"));
        Self {
            start: spec.ordinals.as_ref().and_then(|it| it.start).unwrap_or(0),
            replicas: spec.replicas.unwrap_or(1),
            is_ordered: spec.pod_management_policy.as_deref() != Some("Parallel"),
            replace_from: is_rolling.then_some(partition),
        }
    }

    fn ordinals(&self) -> std::ops::Range<i32> {
        self.start..self.start.saturating_add(self.replicas)
    }

    /// True for ordinals that keep the former template.
    fn is_held_back(&self, ordinal: i32) -> bool {
        self.replace_from.is_some_and(|partition| ordinal - self.start < partition)
    }

    /// True for ordinals whose pods are replaced when they are of another revision.
    fn is_replaced(&self, ordinal: i32) -> bool {
        self.replace_from.is_some() && !self.is_held_back(ordinal)
    }
}

/// Names of the revision that was rolled out last, and of that which is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Revisions<'a> {
    pub(super) current: &'a str,
    pub(super) update: &'a str,
}

/// What to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan<'a> {
    /// Ordinals, and the revision that each is made from.
    pub(super) create: Vec<(i32, &'a str)>,
    /// In the order in which they go.
    pub(super) delete: Vec<i32>,
}

/// Compares the pods there are with those that are wanted.
pub(super) fn plan<'a>(wanted: &Wanted, revisions: Revisions<'a>, members: &[Member]) -> Plan<'a> {
    let by_ordinal = members.iter().map(|member| (member.ordinal, member)).collect();
    let picture = Picture { wanted, revisions, by_ordinal };
    let mut plan = Plan::default();
    if picture.fill(&mut plan)
        && picture.shrink(&mut plan)
        && plan.create.is_empty()
        && let Some(member) = picture.next_to_replace()
    {
        plan.delete.push(member.ordinal);
    }
    plan
}

struct Picture<'p, 'a> {
    wanted: &'p Wanted,
    revisions: Revisions<'a>,
    by_ordinal: BTreeMap<i32, &'p Member>,
}

impl<'a> Picture<'_, 'a> {
    /// Makes what is missing, and ends what has failed, from the first ordinal to the last. False when the rest has
    /// to wait.
    fn fill(&self, plan: &mut Plan<'a>) -> bool {
        let is_ordered = self.wanted.is_ordered;
        for ordinal in self.wanted.ordinals() {
            let Some(member) = self.by_ordinal.get(&ordinal) else {
                plan.create.push((ordinal, self.revision_of(ordinal)));
                // However many are wanted, a plan is no longer than what is made at once.
                if is_ordered || plan.create.len() == BURST_MAX {
                    return false;
                }
                continue;
            };
            match member.stage {
                Stage::Available => continue,
                Stage::Ended => plan.delete.push(ordinal),
                Stage::Starting if is_ordered => plan.delete.extend(self.in_vain(member)),
                Stage::Starting | Stage::Ready | Stage::Leaving | Stage::Foreign => {}
            }
            if is_ordered {
                return false;
            }
        }
        true
    }

    /// A pod that need not be waited for while the rest waits for `member`: of a revision that was given up, or
    /// one that is next to be replaced and not ready. It is missed by nobody, and to wait for it may be for ever.
    fn in_vain(&self, member: &Member) -> Option<i32> {
        let Revisions { current, update } = self.revisions;
        let is_given_up = ![current, update].contains(&member.revision.as_str());
        if is_given_up && self.wanted.is_replaced(member.ordinal) {
            return Some(member.ordinal);
        }
        let next = self.next_to_replace().filter(|next| next.stage == Stage::Starting);
        next.map(|next| next.ordinal)
    }

    /// Ends what is too much, from the last ordinal to the first. False when the rest has to wait.
    fn shrink(&self, plan: &mut Plan<'a>) -> bool {
        let ordinals = self.wanted.ordinals();
        let condemned = || {
            let members = self.by_ordinal.values();
            members.filter(|it| !ordinals.contains(&it.ordinal) && it.stage != Stage::Foreign)
        };
        let is_ailing = |member: &&&Member| member.stage != Stage::Available;
        let first_ailing = condemned().find(is_ailing).map(|member| member.ordinal);
        for member in condemned().rev() {
            let may_go = match member.stage {
                Stage::Leaving => false,
                Stage::Available | Stage::Ended => true,
                _ => !self.wanted.is_ordered || first_ailing == Some(member.ordinal),
            };
            if may_go {
                plan.delete.push(member.ordinal);
            }
            if self.wanted.is_ordered {
                return false;
            }
        }
        true
    }

    /// The next pod of another revision, from the last ordinal to the first, unless one that was replaced before is
    /// still waited for.
    fn next_to_replace(&self) -> Option<&Member> {
        let ordinals = self.wanted.ordinals();
        let wanted = self.by_ordinal.range(ordinals).map(|(_, member)| *member);
        let mut replaced = wanted.rev().filter(|member| self.wanted.is_replaced(member.ordinal));
        let is_old = |member: &Member| member.revision != self.revisions.update;
        let next = replaced.find(|it| is_old(it) || it.stage != Stage::Available)?;
        let may_go = matches!(next.stage, Stage::Starting | Stage::Ready | Stage::Available);
        (is_old(next) && may_go).then_some(next)
    }

    fn revision_of(&self, ordinal: i32) -> &'a str {
        if self.wanted.is_held_back(ordinal) {
            self.revisions.current
        } else {
            self.revisions.update
        }
    }
}
