//! How pods of former templates are replaced: the old one first, or the new one first beside it. Pure.

use k8s_openapi::api::apps::v1::DaemonSetUpdateStrategy;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::plan::{Measure, Owned};
use crate::scaled;

/// A node that should have a pod, and the pods that stay there, one at least.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) node: &'a str,
    /// Of a former template.
    pub(super) old: Option<&'a Owned>,
    /// Of the present template.
    pub(super) new: Option<&'a Owned>,
    /// Another pod is on its way out there.
    pub(super) is_left: bool,
}

impl<'a> Place<'a> {
    pub(super) fn pods(&self) -> impl Iterator<Item = &'a Owned> {
        self.old.into_iter().chain(self.new)
    }
}

/// Nodes that get a pod, and pods that are deleted.
type Step<'a> = (Vec<&'a str>, Vec<&'a Owned>);

/// How a set asks for its pods to be replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Update {
    /// By whoever deletes them.
    OnDelete,
    /// The old pod goes first, while no more than so many nodes are without an available one.
    Replace(i32),
    /// The new pod comes first, on no more than so many nodes at once.
    Surge(i32),
}

impl Update {
    /// `desired` is the number of nodes that should have a pod, of which percentages are.
    pub(super) fn of(strategy: Option<&DaemonSetUpdateStrategy>, desired: i32) -> Self {
        if strategy.and_then(|it| it.type_.as_deref()) == Some("OnDelete") {
            return Self::OnDelete;
        }
        let rolling = strategy.and_then(|it| it.rolling_update.as_ref());
        let count = |max: Option<&IntOrString>| max.map(|max| scaled::up(max, desired));
        match count(rolling.and_then(|it| it.max_surge.as_ref())) {
            Some(max) if max > 0 => Self::Surge(max),
            // At least one, so that an update ends.
            _ => {
                let max = count(rolling.and_then(|it| it.max_unavailable.as_ref()));
                Self::Replace(max.unwrap_or(1).max(1))
            }
        }
    }

    /// What comes next. `unavailable` is the number of nodes without an available pod.
    pub(super) fn step<'a>(
        &self,
        places: &[Place<'a>],
        unavailable: i32,
        measure: &Measure<'_>,
    ) -> Step<'a> {
        match self {
            Self::OnDelete => (Vec::new(), Vec::new()),
            Self::Replace(max) => (Vec::new(), replaced(places, max - unavailable, measure)),
            Self::Surge(max) => surged(places, *max, measure),
        }
    }
}

/// Old pods that go: those that do not work at once, others while there is room.
fn replaced<'a>(places: &[Place<'a>], mut room: i32, measure: &Measure<'_>) -> Vec<&'a Owned> {
    let old = places.iter().filter_map(|place| place.old);
    old.filter(|pod| {
        let works = measure.is_available(pod);
        let goes = !works || room > 0;
        room -= i32::from(works && goes);
        goes
    })
    .collect()
}

/// An old pod goes once the new one beside it is available, or when it does not work itself. Where it does not work,
/// the new one comes at once; elsewhere while no more than `max` nodes have two.
fn surged<'a>(places: &[Place<'a>], max: i32, measure: &Measure<'_>) -> Step<'a> {
    let (mut create, mut delete, mut candidates) = (Vec::new(), Vec::new(), Vec::new());
    let mut room = max;
    for place in places {
        match (place.old, place.new) {
            (Some(old), Some(new)) if !old.facts.ready || measure.is_available(new) => {
                delete.push(old);
            }
            (Some(_), Some(_)) => room -= 1,
            // Two at most, those that go included.
            (Some(old), None) if place.is_left => room -= i32::from(measure.is_available(old)),
            (Some(old), None) if measure.is_available(old) => candidates.push(place.node),
            (Some(_), None) => create.push(place.node),
            (None, _) => {}
        }
    }
    create.extend(candidates.into_iter().take(usize::try_from(room).unwrap_or_default()));
    (create, delete)
}
