//! The conditions of a pod that its node owns. Pure.

use k8s_openapi::api::core::v1 as api;

use super::plan::Situation;
use super::status::{Phase, Reports, time};

/// Why a condition is false.
struct Because {
    reason: &'static str,
    message: String,
}

const OWNED: [&str; 4] = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"];

/// Whether a condition is the node's to set.
pub(super) fn is_owned(kind: &str) -> bool {
    OWNED.contains(&kind)
}

/// All of them. A condition that did not change keeps the time of its last transition.
pub(super) fn conditions(
    s: &Situation<'_>,
    reports: &Reports,
    phase: Phase,
) -> Vec<api::PodCondition> {
    let sandbox = s.observed.ready_sandbox();
    let has_network = sandbox.is_some_and(|sb| s.spec.host_network || !sb.ips.is_empty());
    let containers_ready = containers_ready(reports, phase);
    let ready = match &containers_ready {
        Ok(()) => readiness_gates(s),
        Err(because) => Err(Because { reason: because.reason, message: because.message.clone() }),
    };
    let outcomes: [Result<(), Option<Because>>; 4] = [
        if has_network { Ok(()) } else { Err(None) },
        initialized(s, reports, phase).map_err(Some),
        ready.map_err(Some),
        containers_ready.map_err(Some),
    ];
    let conditions = OWNED.into_iter().zip(outcomes).map(|(name, outcome)| {
        let status = if outcome.is_ok() { "True" } else { "False" };
        let because = outcome.err().flatten();
        let before =
            s.previous.conditions.iter().find(|old| old.type_ == name && old.status == status);
        // Ending well is a reason also for what is true.
        let completed = phase == Phase::Succeeded && name == "Initialized";
        api::PodCondition {
            type_: name.into(),
            status: status.into(),
            last_transition_time: before
                .and_then(|old| old.last_transition_time.clone())
                .or_else(|| Some(time(s.now))),
            observed_generation: Some(s.spec.generation).filter(|generation| *generation > 0),
            reason: because
                .as_ref()
                .map(|b| b.reason.to_owned())
                .or_else(|| completed.then(|| "PodCompleted".to_owned())),
            message: because.map(|b| b.message).filter(|message| !message.is_empty()),
            ..api::PodCondition::default()
        }
    });
    conditions.collect()
}

fn initialized(s: &Situation<'_>, reports: &Reports, phase: Phase) -> Result<(), Because> {
    if phase == Phase::Succeeded {
        return Ok(());
    }
    // Ended init containers may have been removed once the others run.
    let main_runs = s.spec.containers.iter().any(|c| s.observed.latest(&c.name).is_some());
    let incomplete: Vec<_> = s
        .spec
        .init_containers
        .iter()
        .zip(&reports.init)
        .filter(|(container, report)| {
            let done = if container.sidecar { report.started == Some(true) } else { report.ready };
            !done && !main_runs
        })
        .map(|(container, _)| container.name.as_str())
        .collect();
    if incomplete.is_empty() {
        return Ok(());
    }
    let message = format!("containers with incomplete status: [{}]", incomplete.join(" "));
    Err(Because { reason: "ContainersNotInitialized", message })
}

fn containers_ready(reports: &Reports, phase: Phase) -> Result<(), Because> {
    match phase {
        Phase::Succeeded => {
            return Err(Because { reason: "PodCompleted", message: String::new() });
        }
        Phase::Failed => return Err(Because { reason: "PodFailed", message: String::new() }),
        Phase::Pending | Phase::Running => {}
    }
    let unready: Vec<_> =
        reports.main.iter().filter(|r| !r.ready).map(|r| r.name.as_str()).collect();
    if unready.is_empty() {
        return Ok(());
    }
    let message = format!("containers with unready status: [{}]", unready.join(" "));
    Err(Because { reason: "ContainersNotReady", message })
}

/// Conditions that others set and that the pod's readiness waits for.
fn readiness_gates(s: &Situation<'_>) -> Result<(), Because> {
    let mut missing = Vec::new();
    for gate in &s.spec.readiness_gates {
        match s.previous.conditions.iter().find(|c| c.type_ == *gate) {
            None => missing.push(format!(
                "corresponding condition of pod readiness gate {gate:?} does not exist."
            )),
            Some(c) if c.status != "True" => missing.push(format!(
                "the status of pod readiness gate {gate:?} is not \"True\", but {}",
                c.status
            )),
            Some(_) => {}
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Because { reason: "ReadinessGatesNotReady", message: missing.join(", ") })
}
