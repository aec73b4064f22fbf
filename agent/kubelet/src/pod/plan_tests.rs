//! A table: what should be, what the runtime has, what is under way -> what is done next.

use super::*;
use crate::pod::observed::{Exit, Sandbox};
use crate::pod::progress::{Busy, Failed, Health};

const NOW: i64 = 1_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(NOW + second).unwrap()
}

/// What a situation is made of; each case changes what it is about.
struct Case {
    spec: PodSpec,
    observed: Observed,
    progress: Progress,
    previous: Previous,
    now: i64,
}

impl Case {
    /// A pod with containers `a` and `b`, init containers as given, and a sandbox.
    fn new(init: serde_json::Value) -> Self {
        let container = |name| serde_json::json!({"name": name, "image": "i:1"});
        let pod = serde_json::json!({
            "metadata": {"namespace": "n", "name": "p", "uid": "u"},
            "spec": {"initContainers": init, "containers": [container("a"), container("b")]},
        });
        let (spec, previous) = crate::pod::decode::decode(pod.to_string().as_bytes()).unwrap();
        let sandbox = Sandbox {
            id: "s0".into(),
            attempt: 0,
            ready: true,
            created_at: at(0),
            ips: vec!["10.0.0.1".into()],
            sockets_left_alone: false,
        };
        let observed = Observed { sandbox: Some(sandbox), ..Observed::default() };
        Self { spec, observed, progress: Progress::default(), previous, now: 0 }
    }

    fn plain() -> Self {
        Self::new(serde_json::json!([]))
    }

    fn run(mut self, name: &str, attempt: u32, state: RunState) -> Self {
        self.observed.containers.push(ContainerRun {
            id: format!("{name}{attempt}"),
            name: name.into(),
            sandbox_id: "s0".into(),
            attempt,
            state,
            image: "i:1".into(),
            image_ref: "sha256:1".into(),
            log_path: String::new(),
        });
        self
    }

    fn running(self, name: &str, attempt: u32) -> Self {
        self.run(name, attempt, RunState::Running { started_at: at(0) })
    }

    fn exited(self, name: &str, attempt: u32, code: i32) -> Self {
        let exit = Exit {
            code,
            started_at: Some(at(-5)),
            finished_at: at(0),
            reason: String::new(),
            message: String::new(),
        };
        self.run(name, attempt, RunState::Exited(exit))
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn plan(&self) -> Plan {
        plan(Situation {
            spec: &self.spec,
            observed: &self.observed,
            progress: &self.progress,
            previous: &self.previous,
            start_time: at(0),
            now: at(self.now),
        })
    }

    /// The actions in short words.
    fn actions(&self) -> Vec<String> {
        let short = |action: Action| match action {
            Action::CreateSandbox { attempt } => format!("sandbox {attempt}"),
            Action::StartContainer { name, attempt } => format!("start {name} {attempt}"),
            Action::StopContainer { id, grace_s, .. } => format!("stop {id} {grace_s}"),
            Action::StopSandbox { id } => format!("stop sandbox {id}"),
            Action::RemoveContainer { id } => format!("remove {id}"),
            Action::RemoveSandbox { id } => format!("remove sandbox {id}"),
            Action::Finish => "finish".into(),
        };
        self.plan().actions.into_iter().map(short).collect()
    }
}

fn health(started: bool) -> Health {
    Health { started, ready: started, failed: None }
}

fn terminate(case: &mut Case) {
    case.progress.terminating = Some(Terminating { grace_s: 30, since: at(0) });
}

#[test]
fn a_new_pod_gets_its_sandbox_then_all_containers() {
    let empty = Case::plain().with(|c| c.observed.sandbox = None);
    assert_eq!(empty.actions(), ["sandbox 0"]);
    let busy = empty.with(|c| c.progress.sandbox_busy = true);
    assert_eq!(busy.actions(), [""; 0]);
    assert_eq!(Case::plain().actions(), ["start a 0", "start b 0"]);
    let starting = Case::plain().with(|c| c.progress.container("a").busy = Some(Busy::Starting));
    assert_eq!(starting.actions(), ["start b 0"]);
    assert_eq!(Case::plain().running("a", 0).running("b", 0).actions(), [""; 0]);
}

#[test]
fn init_containers_go_one_after_the_other() {
    let two = || {
        Case::new(serde_json::json!([{"name": "x", "image": "i:1"}, {"name": "y", "image": "i:1"}]))
    };
    assert_eq!(two().actions(), ["start x 0"]);
    assert_eq!(two().running("x", 0).actions(), [""; 0]);
    assert_eq!(two().exited("x", 0, 0).actions(), ["start y 0"]);
    assert_eq!(two().exited("x", 0, 1).actions(), ["start x 1"]);
    let done = two().exited("x", 0, 0).exited("y", 0, 0);
    assert_eq!(done.actions(), ["start a 0", "start b 0"]);
    // Ended init containers may be gone once the others have run.
    assert_eq!(two().running("a", 0).actions(), ["start b 0"]);
}

#[test]
fn sidecars_let_the_next_go_when_they_have_started_and_are_stopped_last() {
    let with_sidecar =
        || Case::new(serde_json::json!([{"name": "x", "image": "i:1", "restartPolicy": "Always"}]));
    assert_eq!(with_sidecar().running("x", 0).actions(), [""; 0]);
    let started = with_sidecar().running("x", 0).with(|c| {
        c.progress.container("x").health = Some(("x0".into(), health(true)));
    });
    assert_eq!(started.actions(), ["start a 0", "start b 0"]);
    let all = with_sidecar().running("x", 0).running("a", 0).running("b", 0).with(terminate);
    assert_eq!(all.actions(), ["stop a0 30", "stop b0 30"]);
    let alone =
        with_sidecar().running("x", 0).exited("a", 0, 0).with(terminate).with(|c| c.now = 20);
    assert_eq!(alone.actions(), ["stop x0 10"]);
}

#[test]
fn restarts_follow_the_policy() {
    let with = |policy, code| {
        Case::plain().running("b", 0).exited("a", 0, code).with(|c| c.spec.restart_policy = policy)
    };
    assert_eq!(with(RestartPolicy::Always, 0).actions(), ["start a 1"]);
    assert_eq!(with(RestartPolicy::OnFailure, 0).actions(), [""; 0]);
    assert_eq!(with(RestartPolicy::OnFailure, 1).actions(), ["start a 1"]);
    assert_eq!(with(RestartPolicy::Never, 1).actions(), [""; 0]);
}

#[test]
fn a_crash_waits_for_its_backoff() {
    let waiting = Case::plain().running("b", 0).exited("a", 1, 1).with(|c| {
        c.progress.container("a").restart.restarted(at(-20), at(-5));
    });
    let plan = waiting.plan();
    assert_eq!((plan.actions, plan.wake_after), (vec![], Some(Duration::from_secs(10))));
    assert_eq!(waiting.with(|c| c.now = 10).actions(), ["start a 2"]);
}

#[test]
fn a_pod_ends_when_no_container_will_run_again() {
    let ended = |policy, a, b| {
        let case = Case::plain().exited("a", 0, a).exited("b", 0, b);
        case.with(|c| c.spec.restart_policy = policy).plan().ended.map(|ended| ended.succeeded)
    };
    assert_eq!(ended(RestartPolicy::Never, 0, 0), Some(true));
    assert_eq!(ended(RestartPolicy::Never, 0, 2), Some(false));
    assert_eq!(ended(RestartPolicy::OnFailure, 0, 0), Some(true));
    assert_eq!(ended(RestartPolicy::OnFailure, 0, 2), None);
    assert_eq!(ended(RestartPolicy::Always, 0, 0), None);
    let over = Case::plain().exited("a", 0, 0).exited("b", 0, 0).with(|c| {
        c.spec.restart_policy = RestartPolicy::Never;
    });
    assert_eq!(over.actions(), ["stop sandbox s0"]);
}

#[test]
fn a_deadline_stops_what_runs() {
    let late = Case::plain().running("a", 0).running("b", 0).with(|c| {
        c.spec.active_deadline_s = Some(60);
        c.now = 59;
    });
    assert_eq!(late.plan().wake_after, Some(Duration::from_secs(1)));
    let late = late.with(|c| c.now = 60);
    assert_eq!(late.plan().ended.unwrap().reason.as_deref(), Some("DeadlineExceeded"));
    assert_eq!(late.actions(), ["stop a0 30", "stop b0 30"]);
}

#[test]
fn what_is_not_well_or_has_changed_is_stopped() {
    let sick = Case::plain().running("a", 0).running("b", 0).with(|c| {
        let failed = Some(Failed { message: "no".into(), grace_s: Some(3) });
        let health = Health { failed, ..health(true) };
        c.progress.container("a").health = Some(("a0".into(), health));
    });
    assert_eq!(sick.actions(), ["stop a0 3"]);
    let changed = Case::plain().running("a", 0).running("b", 0).with(|c| {
        c.spec.containers[1].image = "i:2".into();
    });
    assert_eq!(changed.actions(), ["stop b0 30"]);
}

#[test]
fn a_dead_sandbox_takes_all_with_it_and_is_made_anew() {
    let dead = |case: Case| case.with(|c| c.observed.sandbox.as_mut().unwrap().ready = false);
    assert_eq!(dead(Case::plain().running("a", 0)).actions(), ["stop a0 30"]);
    assert_eq!(dead(Case::plain().exited("a", 0, 137)).actions(), ["sandbox 1"]);
    // In the new one every container runs again, under the next number.
    let again = Case::plain().exited("a", 0, 137).exited("b", 0, 137).with(|c| {
        c.observed.sandbox.as_mut().unwrap().id = "s1".into();
    });
    assert_eq!(again.actions(), ["start a 1", "start b 1"]);
}

#[test]
fn termination_ends_with_nothing_left() {
    let case = || Case::plain().with(terminate);
    assert_eq!(case().running("a", 0).actions(), ["stop a0 30"]);
    let stopping = case().running("a", 0).with(|c| {
        c.progress.container("a").busy = Some(Busy::Stopping);
    });
    assert_eq!(stopping.actions(), [""; 0]);
    assert_eq!(case().exited("a", 0, 0).actions(), ["stop sandbox s0"]);
    let stopped = case().with(|c| c.observed.sandbox.as_mut().unwrap().ready = false);
    assert_eq!(stopped.actions(), ["finish"]);
    let never_started = case().with(|c| c.observed.sandbox = None);
    assert_eq!(never_started.actions(), ["finish"]);
    // A start that is under way is waited for: what it made must be found.
    let starting = case().with(|c| c.progress.container("a").busy = Some(Busy::Starting));
    assert_eq!(starting.actions(), [""; 0]);
}

#[test]
fn old_runs_are_removed_and_the_last_log_is_kept() {
    let case = Case::plain().running("b", 0).exited("a", 0, 1).exited("a", 1, 1).exited("a", 2, 1);
    let case = case.with(|c| c.progress.container("a").restart.restarted(at(-20), at(-5)));
    assert_eq!(case.actions(), ["remove a0"]);
}

#[test]
fn an_unsupported_pod_is_left_alone() {
    let odd = Case::plain().with(|c| {
        let (field, detail) = ("spec.x".into(), "no".into());
        c.spec.unsupported.push(crate::pod::spec::Unsupported { field, detail });
    });
    assert_eq!(odd.actions(), [""; 0]);
}

#[test]
fn what_the_runtime_forgot_goes_on_counting() {
    let forgotten = Case::plain().with(|c| {
        let status = k8s_openapi::api::core::v1::ContainerStatus {
            name: "a".into(),
            restart_count: 4,
            container_id: Some("containerd://x".into()),
            ..Default::default()
        };
        c.previous.containers.insert("a".into(), status);
    });
    assert_eq!(forgotten.actions(), ["start a 5", "start b 0"]);
}
