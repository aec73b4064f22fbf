//! Situations and the statuses users see.

use std::time::Duration;

use super::*;
use crate::pod::observed::{ContainerRun, Observed, Sandbox};
use crate::pod::previous::{Ended, Previous};
use crate::pod::progress::{Health, Progress, Terminating, Waiting};
use crate::pod::spec::PodSpec;

struct Case {
    spec: PodSpec,
    observed: Observed,
    progress: Progress,
    previous: Previous,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

impl Case {
    fn new(spec: serde_json::Value) -> Self {
        let pod = serde_json::json!({
            "metadata": {"namespace": "ns", "name": "p", "uid": "u", "generation": 2}, "spec": spec});
        let (spec, previous) = crate::pod::decode::decode(pod.to_string().as_bytes()).unwrap();
        let sandbox = Sandbox {
            id: "s".into(),
            attempt: 0,
            ready: true,
            created_at: at(0),
            ips: vec!["10.0.0.1".into()],
            sockets_left_alone: false,
        };
        let observed = Observed { sandbox: Some(sandbox), ..Observed::default() };
        Self { spec, observed, progress: Progress::default(), previous }
    }

    fn one() -> Self {
        Self::new(serde_json::json!({"containers": [{"name": "a", "image": "i:1"}]}))
    }

    fn run(mut self, name: &str, attempt: u32, state: RunState) -> Self {
        self.observed.containers.push(ContainerRun {
            id: format!("{name}{attempt}"),
            name: name.into(),
            sandbox_id: "s".into(),
            attempt,
            state,
            image: "i:1".into(),
            image_ref: "sha256:1".into(),
            log_path: String::new(),
        });
        self
    }

    fn running(self, name: &str, ready: bool) -> Self {
        let mut case = self.run(name, 0, RunState::Running { started_at: at(1) });
        let health = Health { started: true, ready, failed: None };
        case.progress.container(name).health = Some((format!("{name}0"), health));
        case
    }

    fn exited(self, name: &str, attempt: u32, code: i32) -> Self {
        let exit = Exit {
            code,
            started_at: Some(at(1)),
            finished_at: at(2),
            reason: String::new(),
            message: String::new(),
        };
        self.run(name, attempt, RunState::Exited(exit))
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn status(&self) -> serde_json::Value {
        let situation = Situation {
            spec: &self.spec,
            observed: &self.observed,
            progress: &self.progress,
            previous: &self.previous,
            start_time: at(0),
            now: at(3),
        };
        serde_json::to_value(status(situation, &["192.168.0.1".into()], "containerd")).unwrap()
    }
}

fn condition<'a>(status: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    let list = status["conditions"].as_array().unwrap();
    list.iter().find(|c| c["type"] == name).unwrap()
}

#[test]
fn a_running_pod() {
    let status = Case::one().running("a", true).status();
    assert_eq!(status["phase"], "Running");
    assert_eq!((&status["podIP"], &status["hostIP"]), (&"10.0.0.1".into(), &"192.168.0.1".into()));
    let container = &status["containerStatuses"][0];
    assert_eq!(container["containerID"], "containerd://a0");
    assert_eq!(container["imageID"], "sha256:1");
    for name in ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"] {
        assert_eq!(condition(&status, name)["status"], "True", "{name}");
        assert_eq!(condition(&status, name)["observedGeneration"], 2);
    }
}

#[test]
fn an_unready_container_is_named() {
    let status = Case::one().running("a", false).status();
    assert_eq!(status["phase"], "Running");
    let ready = condition(&status, "Ready");
    assert_eq!(
        (&ready["status"], &ready["reason"]),
        (&"False".into(), &"ContainersNotReady".into())
    );
    assert_eq!(ready["message"], "containers with unready status: [a]");
}

#[test]
fn what_has_not_started_says_why() {
    let reason = |case: Case| case.status()["containerStatuses"][0]["state"]["waiting"].clone();
    assert_eq!(reason(Case::one())["reason"], "ContainerCreating");
    let init = serde_json::json!({"initContainers": [{"name": "x", "image": "i:1"}],
        "containers": [{"name": "a", "image": "i:1"}]});
    assert_eq!(reason(Case::new(init.clone()))["reason"], "PodInitializing");
    let status = Case::new(init).status();
    let initialized = condition(&status, "Initialized");
    assert_eq!(initialized["reason"], "ContainersNotInitialized");
    assert_eq!(initialized["message"], "containers with incomplete status: [x]");
    let failing = Case::one().with(|c| {
        let waiting = Waiting { reason: "ErrImagePull", message: "no".into() };
        c.progress.container("a").failure = Some(waiting);
    });
    assert_eq!(reason(failing)["reason"], "ErrImagePull");
}

#[test]
fn a_crash_shows_its_backoff_and_its_last_end() {
    let case = Case::one().exited("a", 0, 1).exited("a", 1, 7).with(|c| {
        c.progress.container("a").restart.restarted(at(1), at(1));
    });
    let status = case.status();
    assert_eq!(status["phase"], "Running");
    let container = &status["containerStatuses"][0];
    assert_eq!(container["restartCount"], 1);
    assert_eq!(container["state"]["waiting"]["reason"], "CrashLoopBackOff");
    assert_eq!(
        container["state"]["waiting"]["message"],
        "back-off 10s restarting failed container=a pod=p_ns(u)"
    );
    assert_eq!(container["lastState"]["terminated"]["exitCode"], 7);
    assert_eq!(container["lastState"]["terminated"]["reason"], "Error");
    assert_eq!(short(Duration::from_secs(300).as_secs()), "5m0s");
}

#[test]
fn an_ended_pod_keeps_its_phase() {
    let ended = |succeeded: bool| {
        Case::one().exited("a", 0, i32::from(!succeeded)).with(|c| {
            c.spec.restart_policy = RestartPolicy::Never;
            c.progress.ended = Some(Ended { succeeded, reason: None, message: None });
        })
    };
    let status = ended(true).status();
    assert_eq!(status["phase"], "Succeeded");
    assert_eq!(status["containerStatuses"][0]["state"]["terminated"]["reason"], "Completed");
    assert_eq!(condition(&status, "Ready")["reason"], "PodCompleted");
    assert_eq!(condition(&status, "Initialized")["status"], "True");
    let status = ended(false).status();
    assert_eq!(
        (&status["phase"], &condition(&status, "Ready")["reason"]),
        (&"Failed".into(), &"PodFailed".into())
    );
}

#[test]
fn a_deleted_pod_ends_in_a_final_phase() {
    let terminating = |case: Case| {
        case.with(|c| c.progress.terminating = Some(Terminating { grace_s: 30, since: at(0) }))
    };
    assert_eq!(terminating(Case::one().running("a", true)).status()["phase"], "Running");
    assert_eq!(terminating(Case::one().exited("a", 0, 0)).status()["phase"], "Succeeded");
    assert_eq!(terminating(Case::one().exited("a", 0, 137)).status()["phase"], "Failed");
}

#[test]
fn transitions_keep_their_time() {
    let mut case = Case::one().running("a", true);
    let then = time(at(-100));
    case.previous.conditions = vec![api::PodCondition {
        type_: "Ready".into(),
        status: "True".into(),
        last_transition_time: Some(then.clone()),
        ..api::PodCondition::default()
    }];
    let status = case.status();
    let transition = &condition(&status, "Ready")["lastTransitionTime"];
    assert_eq!(transition, &serde_json::to_value(&then).unwrap());
    let other = &condition(&status, "ContainersReady")["lastTransitionTime"];
    assert_eq!(other, &serde_json::to_value(time(at(3))).unwrap());
}

#[test]
fn readiness_gates_are_waited_for() {
    let spec = serde_json::json!({"readinessGates": [{"conditionType": "x/y"}],
        "containers": [{"name": "a", "image": "i:1"}]});
    let case = Case::new(spec).running("a", true);
    let status = case.status();
    assert_eq!(condition(&status, "Ready")["reason"], "ReadinessGatesNotReady");
    assert_eq!(condition(&status, "ContainersReady")["status"], "True");
    let case = case.with(|c| {
        c.previous.conditions = vec![api::PodCondition {
            type_: "x/y".into(),
            status: "True".into(),
            ..api::PodCondition::default()
        }];
    });
    assert_eq!(condition(&case.status(), "Ready")["status"], "True");
}

#[test]
fn a_lost_run_is_said_to_be_lost() {
    let case = Case::one().with(|c| {
        let running = api::ContainerState {
            running: Some(api::ContainerStateRunning::default()),
            ..api::ContainerState::default()
        };
        let reported = api::ContainerStatus {
            name: "a".into(),
            restart_count: 2,
            container_id: Some("containerd://gone".into()),
            state: Some(running),
            ..api::ContainerStatus::default()
        };
        c.previous.containers.insert("a".into(), reported);
    });
    let container = &case.status()["containerStatuses"][0];
    assert_eq!(container["restartCount"], 3);
    assert_eq!(container["lastState"]["terminated"]["reason"], "ContainerStatusUnknown");
    assert_eq!(container["lastState"]["terminated"]["exitCode"], 137);
}
