//! How many pods each ReplicaSet of a Deployment should have now. Pure arithmetic.
//!
//! The rules are those of the Deployment documentation: never more than replicas + maxSurge pods asked
//! for, never fewer than replicas - maxUnavailable available.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::scaled;

/// A ReplicaSet, reduced to numbers. Sets come oldest first; `current` runs the newest template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) current: bool,
    pub(super) replicas: i32,
    pub(super) available: i32,
    /// replicas + maxSurge when this set was last scaled, for proportional scaling.
    pub(super) max_replicas_then: Option<i32>,
    /// `spec.replicas` of the Deployment when this set was last scaled.
    pub(super) desired_then: Option<i32>,
}

/// What the Deployment allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) replicas: i32,
    pub(super) max_surge: i32,
    pub(super) max_unavailable: i32,
}

impl Bounds {
    /// Resolves percentages: surge is rounded up, unavailability down; both 0 would never move, so one
    /// pod may then be unavailable.
    pub(super) fn new(
        replicas: i32,
        max_surge: Option<&IntOrString>,
        max_unavailable: Option<&IntOrString>,
    ) -> Self {
        let quarter = IntOrString::String("25%".to_owned());
        let max_surge = scaled::up(max_surge.unwrap_or(&quarter), replicas);
        let max_unavailable = scaled::down(max_unavailable.unwrap_or(&quarter), replicas);
        let stuck = max_surge == 0 && max_unavailable == 0;
        Self {
            replicas,
            max_surge,
            max_unavailable: if stuck { 1 } else { max_unavailable.min(replicas) },
        }
    }

    /// With the Recreate strategy: nothing above, nothing below.
    pub(super) fn recreate(replicas: i32) -> Self {
        Self { replicas, max_surge: 0, max_unavailable: 0 }
    }

    pub(super) fn max_total(self) -> i32 {
        if self.replicas == 0 { 0 } else { self.replicas + self.max_surge }
    }

    pub(super) fn min_available(self) -> i32 {
        (self.replicas - self.max_unavailable).max(0)
    }
}

/// The next sizes during a rolling update, in the order of `sets`.
pub(super) fn rolling(bounds: Bounds, sets: &[Set]) -> Vec<i32> {
    let mut sizes: Vec<i32> = sets.iter().map(|set| set.replicas).collect();
    let total: i32 = sizes.iter().sum();
    if let Some(current) = sets.iter().position(|set| set.current) {
        if sizes[current] > bounds.replicas {
            sizes[current] = bounds.replicas;
        } else {
            let room = (bounds.max_total() - total).max(0);
            sizes[current] += room.min(bounds.replicas - sizes[current]);
        }
        // Up before down: the next event decides about the old ones with the new size known.
        if sizes[current] != sets[current].replicas {
            return sizes;
        }
    }
    shrink_old(bounds, sets, &mut sizes);
    sizes
}

fn shrink_old(bounds: Bounds, sets: &[Set], sizes: &mut [i32]) {
    let current = sets.iter().find(|set| set.current);
    let total: i32 = sizes.iter().sum();
    let current_missing = current.map_or(0, |set| (set.replicas - set.available).max(0));
    let mut spare = total - bounds.min_available() - current_missing;
    // First pods that serve nobody: taking them costs no availability.
    for (size, set) in sizes.iter_mut().zip(sets).filter(|(_, set)| !set.current) {
        let broken = (*size - set.available).clamp(0, spare.max(0));
        *size -= broken;
        spare -= broken;
    }
    let available: i32 = sets.iter().map(|set| set.available).sum();
    let mut dispensable = available - bounds.min_available();
    for (size, _) in sizes.iter_mut().zip(sets).filter(|(_, set)| !set.current) {
        let fewer = (*size).min(dispensable.min(spare)).max(0);
        *size -= fewer;
        dispensable -= fewer;
        spare -= fewer;
    }
}

/// The sizes after `spec.replicas` changed, or `None` when it did not: every active set gets its share,
/// so that a rollout under way keeps its proportions.
pub(super) fn rescaled(bounds: Bounds, sets: &[Set]) -> Option<Vec<i32>> {
    let changed = |set: &Set| set.desired_then.is_some_and(|then| then != bounds.replicas);
    if !sets.iter().any(|set| set.replicas > 0 && changed(set)) {
        return None;
    }
    let mut sizes: Vec<i32> = sets.iter().map(|set| set.replicas).collect();
    let active: Vec<usize> = (0..sets.len()).filter(|i| sets[*i].replicas > 0).collect();
    if let [only] = active[..] {
        sizes[only] = bounds.replicas;
        return Some(sizes);
    }
    share(bounds.max_total(), sets, &active, &mut sizes);
    Some(sizes)
}

fn share(allowed: i32, sets: &[Set], active: &[usize], sizes: &mut [i32]) {
    let total: i32 = sizes.iter().sum();
    let mut rest = allowed - total;
    // The newest takes first when growing, the oldest gives first when shrinking.
    let order: Vec<usize> =
        if rest > 0 { active.iter().rev().copied().collect() } else { active.to_vec() };
    for i in &order {
        let then = sets[*i].max_replicas_then.filter(|then| *then > 0).unwrap_or(total.max(1));
        let exact = f64::from(sets[*i].replicas) * f64::from(allowed) / f64::from(then);
        let step = exact.round() as i32 - sets[*i].replicas;
        let step = if rest > 0 { step.clamp(0, rest) } else { step.clamp(rest, 0) };
        sizes[*i] += step;
        rest -= step;
    }
    if let Some(first) = order.first() {
        sizes[*first] = (sizes[*first] + rest).max(0);
    }
}

/// The next sizes with the Recreate strategy: the new set waits until the last old pod is gone.
pub(super) fn recreate(bounds: Bounds, sets: &[Set], old_pods: bool) -> Vec<i32> {
    let size = |set: &Set| match (set.current, old_pods) {
        (false, _) => 0,
        (true, true) => set.replicas,
        (true, false) => bounds.replicas,
    };
    sets.iter().map(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(current: bool, replicas: i32, available: i32) -> Set {
        Set { current, replicas, available, max_replicas_then: None, desired_then: None }
    }

    fn percent(text: &str) -> IntOrString {
        IntOrString::String(text.to_owned())
    }

    #[test]
    fn percentages_round_in_the_safe_direction() {
        let bounds = Bounds::new(10, Some(&percent("25%")), Some(&percent("25%")));
        assert_eq!((bounds.max_total(), bounds.min_available()), (13, 8));
        let bounds = Bounds::new(1, Some(&percent("25%")), Some(&percent("25%")));
        assert_eq!((bounds.max_total(), bounds.min_available()), (2, 1));
        let bounds = Bounds::new(3, Some(&IntOrString::Int(0)), Some(&IntOrString::Int(0)));
        assert_eq!(bounds.max_unavailable, 1);
    }

    /// Plays a rollout with pods that become available one round later, and checks the promise.
    #[test]
    fn a_rollout_ends_and_never_breaks_its_bounds() {
        for replicas in 1..12 {
            for (surge, unavailable) in [("25%", "25%"), ("0%", "30%"), ("100%", "0%"), ("1", "0")]
            {
                let bounds = Bounds::new(replicas, Some(&parse(surge)), Some(&parse(unavailable)));
                let mut sets = vec![set(false, replicas, replicas), set(true, 0, 0)];
                for round in 0.. {
                    assert!(round < 200, "stuck: {bounds:?} {sets:?}");
                    let sizes = rolling(bounds, &sets);
                    let before = sets.clone();
                    for (set, size) in sets.iter_mut().zip(sizes) {
                        set.available = set.available.min(size);
                        set.replicas = size;
                    }
                    let total: i32 = sets.iter().map(|s| s.replicas).sum();
                    let available: i32 = sets.iter().map(|s| s.available).sum();
                    assert!(total <= bounds.max_total(), "{bounds:?} {sets:?}");
                    assert!(available >= bounds.min_available(), "{bounds:?} {sets:?}");
                    if sets[0].replicas == 0 && sets[1].replicas == replicas {
                        break;
                    }
                    if before == sets {
                        sets[1].available = sets[1].replicas;
                    }
                }
            }
        }
    }

    fn parse(text: &str) -> IntOrString {
        text.parse().map_or_else(|_| percent(text), IntOrString::Int)
    }

    #[test]
    fn broken_old_pods_go_first() {
        let bounds = Bounds { replicas: 4, max_surge: 1, max_unavailable: 1 };
        let sets = [set(false, 2, 2), set(false, 2, 0), set(true, 1, 1)];
        assert_eq!(rolling(bounds, &sets), [2, 0, 1]);
    }

    #[test]
    fn a_new_number_of_replicas_keeps_proportions() {
        let mut sets = [set(false, 8, 8), set(true, 5, 2)];
        for set in &mut sets {
            set.desired_then = Some(10);
            set.max_replicas_then = Some(13);
        }
        let bounds = Bounds { replicas: 20, max_surge: 5, max_unavailable: 5 };
        let sizes = rescaled(bounds, &sets).unwrap();
        assert_eq!(sizes.iter().sum::<i32>(), 25);
        assert!(sizes[0] > 8 && sizes[1] > 5, "{sizes:?}");
        assert_eq!(rescaled(Bounds { replicas: 10, ..bounds }, &sets), None);
        let only = [Set { desired_then: Some(10), ..set(true, 10, 10) }];
        assert_eq!(rescaled(Bounds { replicas: 3, ..bounds }, &only).unwrap(), [3]);
    }

    #[test]
    fn recreate_waits_for_the_old_to_be_gone() {
        let sets = [set(false, 3, 3), set(true, 0, 0)];
        let bounds = Bounds::recreate(3);
        assert_eq!(recreate(bounds, &sets, true), [0, 0]);
        assert_eq!(recreate(bounds, &sets, false), [0, 3]);
    }
}
