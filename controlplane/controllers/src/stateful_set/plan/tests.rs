//! Plans one by one, and whatever may happen between them.

use proptest::prelude::*;
use sheave_api::ObjectKey;

use super::*;

fn wanted(start: i32, replicas: i32) -> Wanted {
    Wanted { start, replicas, is_ordered: true, replace_from: Some(0) }
}

fn member(ordinal: i32, revision: &str, stage: Stage) -> Member {
    let name = format!("db-{ordinal}");
    Member {
        key: ObjectKey::new("default", name.as_str()),
        uid: name,
        ordinal,
        revision: revision.to_owned(),
        stage,
        again_s: None,
    }
}

const REVISIONS: Revisions<'static> = Revisions { current: "old", update: "new" };

/// Ordinals that are made, with their revisions, and those that are ended.
fn planned(wanted: &Wanted, members: &[Member]) -> (Vec<(i32, &'static str)>, Vec<i32>) {
    let plan = plan(wanted, REVISIONS, members);
    (plan.create, plan.delete)
}

use Stage::{Available, Ended, Foreign, Leaving, Ready, Starting};

#[test]
fn pods_are_made_one_after_the_other() {
    let three = wanted(0, 3);
    assert_eq!(planned(&three, &[]), (vec![(0, "new")], vec![]));
    for waiting in [Starting, Ready, Leaving, Foreign] {
        assert_eq!(planned(&three, &[member(0, "new", waiting)]), (vec![], vec![]), "{waiting:?}");
    }
    // A gap is filled before the end.
    let with_gap = [member(0, "new", Available), member(2, "new", Available)];
    assert_eq!(planned(&three, &with_gap[..1]), (vec![(1, "new")], vec![]));
    assert_eq!(planned(&three, &with_gap), (vec![(1, "new")], vec![]));
    assert_eq!(planned(&wanted(5, 1), &[]), (vec![(5, "new")], vec![]));
}

#[test]
fn pods_are_made_all_at_once_where_the_order_does_not_matter() {
    let parallel = Wanted { is_ordered: false, ..wanted(0, 3) };
    let missing = [member(1, "new", Leaving)];
    assert_eq!(planned(&parallel, &missing), (vec![(0, "new"), (2, "new")], vec![]));
    let many = Wanted { is_ordered: false, ..wanted(1, i32::MAX) };
    assert_eq!(planned(&many, &[]).0.len(), BURST_MAX);
    let fewer = Wanted { is_ordered: false, ..wanted(0, 1) };
    let all = [Available, Starting, Available].into_iter().enumerate();
    let all: Vec<Member> = all.map(|(n, stage)| member(n as i32, "new", stage)).collect();
    assert_eq!(planned(&fewer, &all), (vec![], vec![2, 1]));
}

#[test]
fn the_last_pod_goes_first_and_alone() {
    let one = wanted(0, 1);
    let three = |stages: [Stage; 3]| {
        let members = stages.into_iter().enumerate();
        members.map(|(n, stage)| member(n as i32, "new", stage)).collect::<Vec<_>>()
    };
    let deleted = |stages| planned(&one, &three(stages)).1;
    assert_eq!(deleted([Available; 3]), [2]);
    assert!(deleted([Available, Available, Leaving]).is_empty());
    // Not while one that stays is not ready.
    assert!(deleted([Starting, Available, Available]).is_empty());
    assert_eq!(deleted([Available, Starting, Available]), [2]);
    assert!(deleted([Available, Starting, Starting]).is_empty());
    assert_eq!(deleted([Available, Available, Starting]), [2]);
}

#[test]
fn pods_that_have_failed_are_made_anew() {
    let two = wanted(0, 2);
    let members = [member(0, "new", Ended), member(1, "new", Available)];
    assert_eq!(planned(&two, &members), (vec![], vec![0]));
}

#[test]
fn an_update_goes_from_the_last_to_the_first_and_stops_at_the_partition() {
    let three = wanted(0, 3);
    let pods = |revisions: [&str; 3]| {
        let members = revisions.into_iter().enumerate();
        members.map(|(n, of)| member(n as i32, of, Available)).collect::<Vec<_>>()
    };
    assert_eq!(planned(&three, &pods(["old"; 3])).1, [2]);
    assert_eq!(planned(&three, &pods(["old", "old", "new"])).1, [1]);
    let mut waiting = pods(["old", "old", "new"]);
    waiting[2].stage = Ready;
    assert!(planned(&three, &waiting).1.is_empty(), "it is not available yet");
    let partitioned = Wanted { replace_from: Some(2), ..three.clone() };
    assert_eq!(planned(&partitioned, &pods(["old"; 3])).1, [2]);
    assert!(planned(&partitioned, &pods(["old", "old", "new"])).1.is_empty());
    // What is before the partition comes back as it was.
    assert_eq!(planned(&partitioned, &pods(["old"; 3])[..1]).0, [(1, "old")]);
    let by_hand = Wanted { replace_from: None, ..three };
    assert!(planned(&by_hand, &pods(["old"; 3])).1.is_empty());
    assert_eq!(planned(&by_hand, &pods(["old"; 3])[..1]).0, [(1, "new")]);
}

#[test]
fn what_never_becomes_ready_does_not_keep_its_remedy_away() {
    let three = wanted(0, 3);
    let mut members = vec![member(0, "old", Available), member(1, "old", Available)];
    members.push(member(2, "broken", Starting));
    assert_eq!(planned(&three, &members).1, [2]);
    // Of the first pod of a new set.
    assert_eq!(planned(&three, &[member(0, "old", Starting)]).1, [0]);
    // One that was up and is not for a moment is waited for: the last is replaced first.
    let members = [member(0, "old", Starting), member(1, "old", Available)];
    assert!(planned(&wanted(0, 2), &members).1.is_empty());
}

/// What happens to a pod that is not the controller's doing.
#[derive(Clone, Debug)]
enum Event {
    Advances(i32),
    Breaks(i32),
    Fails(i32),
    /// Somebody deletes it.
    IsDeleted(i32),
    /// Its node confirms that it has ended.
    IsGone(i32),
    Wants(Wanted),
    Updates(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let ordinal = 0..8;
    prop_oneof![
        4 => ordinal.clone().prop_map(Event::Advances),
        1 => ordinal.clone().prop_map(Event::Breaks),
        1 => ordinal.clone().prop_map(Event::Fails),
        1 => ordinal.clone().prop_map(Event::IsDeleted),
        3 => ordinal.prop_map(Event::IsGone),
        1 => any_wanted().prop_map(Event::Wants),
        1 => (0usize..3).prop_map(Event::Updates),
    ]
}

fn any_wanted() -> impl Strategy<Value = Wanted> {
    let replace_from = prop_oneof![3 => (0..4).prop_map(Some), 1 => Just(None)];
    (0..3, 0..5, any::<bool>(), replace_from).prop_map(
        |(start, replicas, is_ordered, replace_from)| Wanted {
            start,
            replicas,
            is_ordered,
            replace_from,
        },
    )
}

const NAMES: [&str; 3] = ["a", "b", "c"];

/// A cluster: at most one pod a name, as the API sees to it.
struct World {
    wanted: Wanted,
    update: &'static str,
    current: &'static str,
    members: BTreeMap<i32, Member>,
}

impl World {
    fn happens(&mut self, event: Event) {
        let mut at = |ordinal: i32, stage: fn(Stage) -> Stage| {
            if let Some(member) = self.members.get_mut(&ordinal).filter(|it| it.stays()) {
                member.stage = stage(member.stage);
            }
        };
        match event {
            Event::Advances(ordinal) => at(ordinal, |stage| match stage {
                Starting => Ready,
                Ready => Available,
                other => other,
            }),
            Event::Breaks(ordinal) => {
                at(ordinal, |stage| if stage == Ended { Ended } else { Starting });
            }
            Event::Fails(ordinal) => at(ordinal, |_| Ended),
            Event::IsDeleted(ordinal) => at(ordinal, |_| Leaving),
            Event::IsGone(ordinal) => {
                if self.members.get(&ordinal).is_some_and(|it| it.stage == Leaving) {
                    self.members.remove(&ordinal);
                }
            }
            Event::Wants(wanted) => self.wanted = wanted,
            Event::Updates(index) => self.update = NAMES[index],
        }
    }

    /// Plans, looks whether the plan keeps its promises, and does what it says.
    fn act(&mut self) {
        let members: Vec<Member> = self.members.values().cloned().collect();
        let revisions = Revisions { current: self.current, update: self.update };
        let plan = plan(&self.wanted, revisions, &members);
        self.check(&plan);
        for (ordinal, revision) in &plan.create {
            let before = self.members.insert(*ordinal, member(*ordinal, revision, Starting));
            assert!(before.is_none(), "two pods of one ordinal: {plan:?} {before:?}");
        }
        for ordinal in &plan.delete {
            let member = self.members.get_mut(ordinal).expect("a pod that there is");
            assert!(member.stays(), "ended twice: {plan:?}");
            member.stage = Leaving;
        }
    }

    fn check(&self, plan: &Plan<'_>) {
        let ordinals = self.wanted.ordinals();
        let stage = |ordinal: i32| self.members.get(&ordinal).map(|member| member.stage);
        let is_available = |ordinal: i32| stage(ordinal) == Some(Available);
        for (ordinal, _) in &plan.create {
            assert!(ordinals.contains(ordinal), "nobody wants it: {plan:?}");
        }
        let served = |ordinal: &i32| matches!(stage(*ordinal), Some(Ready | Available));
        let (kept, condemned): (Vec<i32>, Vec<i32>) =
            plan.delete.iter().partition(|ordinal| ordinals.contains(ordinal));
        let replaced: Vec<i32> = kept.into_iter().filter(served).collect();
        assert!(replaced.len() <= 1, "replaced at once: {plan:?}");
        for ordinal in replaced {
            let from = self.wanted.replace_from.expect("pods are replaced by hand");
            assert!(ordinal - self.wanted.start >= from, "before the partition: {plan:?}");
            let after = (ordinal + 1)..ordinals.end;
            let is_new = |it: i32| self.members[&it].revision == self.update;
            assert!(after.clone().all(|it| is_available(it) && is_new(it)), "order: {plan:?}");
        }
        if !self.wanted.is_ordered {
            return;
        }
        assert!(plan.create.len() + plan.delete.len() <= 1, "one at a time: {plan:?}");
        for (ordinal, _) in &plan.create {
            assert!((ordinals.start..*ordinal).all(is_available), "order: {plan:?}");
        }
        for ordinal in condemned {
            assert!(ordinals.clone().all(is_available), "while others are not ready: {plan:?}");
            let mut others = self.members.keys().filter(|it| !ordinals.contains(it));
            assert!(others.all(|it| *it <= ordinal), "the last goes first: {plan:?}");
        }
    }

    /// Nothing breaks any more, but pods of a revision that is `broken` never become ready.
    fn settle(&mut self, broken: Option<&str>) {
        for _ in 0..200 {
            self.act();
            for (ordinal, member) in self.members.clone() {
                if Some(member.revision.as_str()) != broken {
                    self.happens(Event::Advances(ordinal));
                }
                self.happens(Event::IsGone(ordinal));
            }
        }
        let ordinals: Vec<i32> = self.wanted.ordinals().collect();
        assert_eq!(self.members.keys().copied().collect::<Vec<_>>(), ordinals);
        for member in self.members.values() {
            assert_eq!(member.stage, Available, "{member:?}");
            if self.wanted.is_replaced(member.ordinal) {
                assert_eq!(member.revision, self.update, "{member:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn no_ordinal_has_two_pods_and_the_order_is_kept(
        wanted in any_wanted(),
        events in proptest::collection::vec(event(), 0..80),
    ) {
        let (update, current) = (NAMES[0], NAMES[0]);
        let mut world = World { wanted, update, current, members: BTreeMap::new() };
        for event in events {
            world.happens(event);
            world.act();
        }
        world.settle(None);
    }

    #[test]
    fn an_update_that_never_works_can_be_taken_back(
        replicas in 1..5,
        is_ordered in any::<bool>(),
        events in proptest::collection::vec(event(), 0..40),
        back in prop_oneof![Just("a"), Just("c")],
    ) {
        let wanted = Wanted { is_ordered, ..wanted(0, replicas) };
        let members = BTreeMap::new();
        let mut world = World { wanted, update: "a", current: "a", members };
        world.settle(None);
        world.update = "b";
        for event in events {
            let is_of_b = |ordinal: &i32| {
                world.members.get(ordinal).is_some_and(|member| member.revision == "b")
            };
            match &event {
                Event::Wants(_) | Event::Updates(_) | Event::Breaks(_) => continue,
                Event::Advances(ordinal) if is_of_b(ordinal) => continue,
                _ => world.happens(event),
            }
            world.act();
        }
        world.update = back;
        world.settle(Some("b"));
    }
}
