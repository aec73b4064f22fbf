//! Columns of Pods. The status column is the reason that matters most, worked out over all containers.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{AGE, Column, NAME, Printer, age, column, meta, or_none, since, text, wide};
use crate::time;

/// Columns of Pods.
pub struct Pod;

impl Printer for Pod {
    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            NAME,
            column("Ready", "The aggregate readiness state of this pod for accepting traffic."),
            column("Status", "The aggregate status of the containers in this pod."),
            column(
                "Restarts",
                "The number of times the containers in this pod have been restarted and when the \
                 last container in this pod has restarted.",
            ),
            AGE,
            wide("IP", "The address of the pod."),
            wide("Node", "The node the pod runs on."),
            wide("Nominated Node", "The node that is being made free for the pod."),
            wide("Readiness Gates", "Conditions beyond the containers that readiness waits for."),
        ];
        COLUMNS
    }

    fn cells(&self, pod: &Value, now: Timestamp) -> Vec<Value> {
        let summary = Summary::of(pod);
        let status = &pod["status"];
        let first_ip = meta::list(&status["podIPs"]).first().map(|entry| text(&entry["ip"]));
        let ip = first_ip.unwrap_or(text(&status["podIP"])).to_owned();
        vec![
            json!(meta::name(pod)),
            json!(format!("{}/{}", summary.ready, summary.total)),
            json!(summary.reason),
            json!(summary.restarts.shown(now)),
            json!(age(pod, now)),
            json!(or_none(ip)),
            json!(or_none(text(&pod["spec"]["nodeName"]).to_owned())),
            json!(or_none(text(&status["nominatedNodeName"]).to_owned())),
            json!(readiness_gates(pod)),
        ]
    }
}

/// `1/2`: conditions that are true, of those that readiness waits for.
fn readiness_gates(pod: &Value) -> String {
    let gates = meta::list(&pod["spec"]["readinessGates"]);
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let is_true = |gate: &&Value| has_condition(pod, text(&gate["conditionType"]));
    format!("{}/{}", gates.iter().filter(is_true).count(), gates.len())
}

/// What the containers of a pod together amount to.
struct Summary {
    ready: usize,
    total: usize,
    reason: String,
    restarts: Restarts,
}

/// How often containers started again, and when last.
#[derive(Clone, Copy, Default)]
struct Restarts {
    count: i64,
    last: Option<Timestamp>,
}

impl Restarts {
    fn add(&mut self, container: &Value) {
        self.count += container["restartCount"].as_i64().unwrap_or(0);
        self.last = self.last.max(time::of(&container["lastState"]["terminated"]["finishedAt"]));
    }

    /// `3 (5m ago)`, or `0`.
    fn shown(self, now: Timestamp) -> String {
        match self.last {
            Some(at) if self.count != 0 => format!("{} ({} ago)", self.count, since(Some(at), now)),
            _ => self.count.to_string(),
        }
    }
}

impl Summary {
    fn of(pod: &Value) -> Self {
        let (spec, status) = (&pod["spec"], &pod["status"]);
        let init_specs = meta::list(&spec["initContainers"]);
        let sidecars: Vec<&str> = init_specs
            .iter()
            .filter(|container| container["restartPolicy"] == "Always")
            .map(|container| text(&container["name"]))
            .collect();
        let mut summary = Self {
            ready: 0,
            total: meta::list(&spec["containers"]).len() + sidecars.len(),
            reason: first_reason(pod),
            restarts: Restarts::default(),
        };
        let (is_initializing, of_sidecars) =
            summary.add_init_containers(status, init_specs.len(), &sidecars);
        if !is_initializing || has_condition(pod, "Initialized") {
            // Once it is initialized, only what still runs counts.
            summary.restarts = of_sidecars;
            summary.add_containers(pod);
        }
        if meta::is_terminating(pod) {
            let is_finished = matches!(text(&status["phase"]), "Succeeded" | "Failed");
            if text(&status["reason"]) == "NodeLost" {
                summary.reason = "Unknown".to_owned();
            } else if !is_finished {
                summary.reason = "Terminating".to_owned();
            }
        }
        summary
    }

    /// True if an init container is not done, the reason then says how far they are; and the restarts of
    /// the sidecars alone.
    fn add_init_containers(
        &mut self,
        status: &Value,
        total: usize,
        sidecars: &[&str],
    ) -> (bool, Restarts) {
        let mut of_sidecars = Restarts::default();
        for (index, container) in meta::list(&status["initContainerStatuses"]).iter().enumerate() {
            self.restarts.add(container);
            let is_sidecar = sidecars.contains(&text(&container["name"]));
            if is_sidecar {
                of_sidecars.add(container);
            }
            let terminated = &container["state"]["terminated"];
            if terminated["exitCode"] == 0 {
                continue;
            }
            if is_sidecar && container["started"] == true {
                self.ready += usize::from(container["ready"] == true);
                continue;
            }
            let waiting = text(&container["state"]["waiting"]["reason"]);
            self.reason = if terminated.is_object() {
                format!("Init:{}", ended_because(terminated))
            } else if !waiting.is_empty() && waiting != "PodInitializing" {
                format!("Init:{waiting}")
            } else {
                format!("Init:{index}/{total}")
            };
            return (true, of_sidecars);
        }
        (false, of_sidecars)
    }

    /// From the last container to the first, so that the first one's reason wins.
    fn add_containers(&mut self, pod: &Value) {
        let mut any_runs = false;
        for container in meta::list(&pod["status"]["containerStatuses"]).iter().rev() {
            self.restarts.add(container);
            let state = &container["state"];
            let (waiting, terminated) = (text(&state["waiting"]["reason"]), &state["terminated"]);
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if terminated.is_object() {
                self.reason = ended_because(terminated);
            } else if container["ready"] == true && state["running"].is_object() {
                any_runs = true;
                self.ready += 1;
            }
        }
        // A container that ended well does not hide those that run.
        if self.reason == "Completed" && any_runs {
            let is_ready = has_condition(pod, "Ready");
            self.reason = if is_ready { "Running" } else { "NotReady" }.to_owned();
        }
    }
}

/// The phase, unless the pod as a whole has a reason.
fn first_reason(pod: &Value) -> String {
    let status = &pod["status"];
    let gated = meta::list(&status["conditions"]).iter().any(|condition| {
        condition["type"] == "PodScheduled" && condition["reason"] == "SchedulingGated"
    });
    match text(&status["reason"]) {
        _ if gated => "SchedulingGated".to_owned(),
        "" => text(&status["phase"]).to_owned(),
        reason => reason.to_owned(),
    }
}

/// `Error`, `OOMKilled`, `Signal:9`, `ExitCode:1`.
fn ended_because(terminated: &Value) -> String {
    let (reason, signal) =
        (text(&terminated["reason"]), terminated["signal"].as_i64().unwrap_or(0));
    if !reason.is_empty() {
        reason.to_owned()
    } else if signal != 0 {
        format!("Signal:{signal}")
    } else {
        format!("ExitCode:{}", terminated["exitCode"].as_i64().unwrap_or(0))
    }
}

fn has_condition(pod: &Value, condition_type: &str) -> bool {
    meta::list(&pod["status"]["conditions"])
        .iter()
        .any(|condition| condition["type"] == condition_type && condition["status"] == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NAME, READY, STATUS, RESTARTS, AGE and the wide columns, as one line.
    fn shown(pod: Value) -> String {
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        let cells = Pod.cells(&pod, now);
        let cells: Vec<_> = cells.iter().map(|cell| cell.as_str().unwrap()).collect();
        cells.join(" ")
    }

    fn pod(spec: Value, status: Value) -> Value {
        let metadata = json!({ "name": "a", "creationTimestamp": "2026-01-01T00:00:00Z" });
        json!({ "metadata": metadata, "spec": spec, "status": status })
    }

    fn two_containers() -> Value {
        json!({ "containers": [{ "name": "x" }, { "name": "y" }], "nodeName": "n" })
    }

    fn two_init_containers() -> Value {
        json!({
            "initContainers": [{ "name": "i" }, { "name": "j" }],
            "containers": [{ "name": "x" }],
        })
    }

    #[test]
    fn nothing_runs_yet() {
        let pending = pod(two_containers(), json!({ "phase": "Pending" }));
        assert_eq!(shown(pending), "a 0/2 Pending 0 60m <none> n <none> <none>");
        let creating = json!({ "phase": "Pending", "containerStatuses": [
            { "state": { "waiting": { "reason": "ContainerCreating" } } },
        ]});
        assert!(
            shown(pod(two_containers(), creating)).starts_with("a 0/2 ContainerCreating 0 60m")
        );
        let gated = json!({ "phase": "Pending", "conditions": [
            { "type": "PodScheduled", "status": "False", "reason": "SchedulingGated" },
        ]});
        assert!(shown(pod(two_containers(), gated)).starts_with("a 0/2 SchedulingGated 0"));
    }

    #[test]
    fn containers_decide_the_status() {
        let crashing = json!({ "phase": "Running", "podIP": "10.0.0.1", "containerStatuses": [
            { "ready": true, "restartCount": 0, "state": { "running": {} } },
            {
                "ready": false,
                "restartCount": 3,
                "state": { "waiting": { "reason": "CrashLoopBackOff" } },
                "lastState": { "terminated": { "finishedAt": "2026-01-01T00:57:00Z" } },
            },
        ]});
        assert_eq!(
            shown(pod(two_containers(), crashing.clone())),
            "a 1/2 CrashLoopBackOff 3 (3m ago) 60m 10.0.0.1 n <none> <none>"
        );
        let mut going = pod(two_containers(), crashing);
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T01:00:30Z");
        assert!(shown(going).starts_with("a 1/2 Terminating 3 (3m ago)"));
        for (terminated, reason) in [
            (json!({ "exitCode": 1 }), "ExitCode:1"),
            (json!({ "exitCode": 137, "signal": 9 }), "Signal:9"),
            (json!({ "exitCode": 1, "reason": "Error" }), "Error"),
            (json!({ "exitCode": 137, "reason": "OOMKilled" }), "OOMKilled"),
        ] {
            let ended = json!({ "phase": "Failed", "containerStatuses": [
                { "state": { "terminated": terminated } },
            ]});
            assert!(shown(pod(two_containers(), ended)).starts_with(&format!("a 0/2 {reason} 0")));
        }
    }

    #[test]
    fn one_that_is_done_does_not_hide_one_that_runs() {
        let mut status = json!({ "phase": "Running", "containerStatuses": [
            { "state": { "terminated": { "exitCode": 0, "reason": "Completed" } } },
            { "ready": true, "state": { "running": {} } },
        ]});
        assert!(shown(pod(two_containers(), status.clone())).starts_with("a 1/2 NotReady"));
        status["conditions"] = json!([{ "type": "Ready", "status": "True" }]);
        assert!(shown(pod(two_containers(), status)).starts_with("a 1/2 Running"));
    }

    #[test]
    fn init_containers_come_first() {
        let at = |states: Value| {
            shown(pod(
                two_init_containers(),
                json!({ "phase": "Pending", "initContainerStatuses": states }),
            ))
        };
        let done = json!({ "name": "i", "state": { "terminated": { "exitCode": 0 } } });
        assert!(
            at(json!([{ "name": "i", "state": { "running": {} } }])).starts_with("a 0/1 Init:0/2")
        );
        let running = json!({ "name": "j", "state": { "running": {} } });
        assert!(at(json!([done, running])).starts_with("a 0/1 Init:1/2"));
        let failed = json!({ "name": "j", "state": { "terminated": { "exitCode": 2 } } });
        assert!(at(json!([done, failed])).starts_with("a 0/1 Init:ExitCode:2"));
        let backoff = json!({
            "name": "j",
            "restartCount": 2,
            "state": { "waiting": { "reason": "CrashLoopBackOff" } },
        });
        assert!(at(json!([done, backoff])).starts_with("a 0/1 Init:CrashLoopBackOff 2 60m"));
    }

    #[test]
    fn sidecars_count_as_containers() {
        let spec = json!({
            "initContainers": [{ "name": "i", "restartPolicy": "Always" }],
            "containers": [{ "name": "x" }],
        });
        let status = json!({
            "phase": "Running",
            "initContainerStatuses": [
                { "name": "i", "started": true, "ready": true, "restartCount": 1, "state": { "running": {} } },
            ],
            "containerStatuses": [{ "ready": true, "restartCount": 1, "state": { "running": {} } }],
        });
        assert!(shown(pod(spec, status)).starts_with("a 2/2 Running 2 60m"));
    }

    #[test]
    fn readiness_gates_are_counted() {
        let mut spec = two_containers();
        spec["readinessGates"] = json!([{ "conditionType": "g/a" }, { "conditionType": "g/b" }]);
        let status =
            json!({ "phase": "Running", "conditions": [{ "type": "g/a", "status": "True" }] });
        assert!(shown(pod(spec, status)).ends_with(" 1/2"));
    }
}
