//! A DaemonSet with kubectl: rollouts, their history and the way back, a surge, and what is refused.

use sheave_tests::cluster::Cluster;
use sheave_tests::kubectl::Kubectl;

const DAEMON: &str = r#"
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: d
  annotations: {kubernetes.io/change-cause: the first}
spec:
  selector:
    matchLabels: {app: d}
  template:
    metadata:
      labels: {app: d}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
        - name: d
          image: sheave.local/hello:1
          env: [{name: GREETING, value: first}]
          readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
"#;

fn wait_rollout(cluster: &Cluster) {
    let said = cluster.kubectl(&["rollout", "status", "daemonset/d", "--timeout=60s"]);
    assert!(said.contains("successfully rolled out"), "{said}");
}

/// Of the only pod that is not on its way out.
fn greeting(cluster: &Cluster) -> String {
    cluster.wait_value(&["pods"], "{range .items[*]}{.metadata.labels.app}{end}", "d");
    let pod = cluster.value(&["pods"], "{.items[0].metadata.name}");
    cluster.kubectl(&["exec", &pod, "--", "sh", "-c", "echo $GREETING"])
}

#[test]
fn a_daemon_set_is_rolled_out_and_back() {
    let cluster = Cluster::start();
    cluster.apply(DAEMON);
    wait_rollout(&cluster);
    assert_eq!(cluster.apply(DAEMON), "daemonset.apps/d unchanged\n");
    assert_eq!(greeting(&cluster), "first\n");

    cluster
        .apply(&DAEMON.replace("value: first", "value: second").replace("the first", "the second"));
    wait_rollout(&cluster);
    assert_eq!(greeting(&cluster), "second\n");
    let history = cluster.kubectl(&["rollout", "history", "daemonset/d"]);
    for line in ["1         the first", "2         the second"] {
        assert!(history.lines().any(|shown| shown.trim() == line), "{line:?} is not in\n{history}");
    }
    let first = cluster.kubectl(&["rollout", "history", "daemonset/d", "--revision=1"]);
    assert!(first.contains("first") && !first.contains("second"), "{first}");
    cluster.kubectl(&["rollout", "undo", "daemonset/d"]);
    wait_rollout(&cluster);
    assert_eq!(greeting(&cluster), "first\n");
    cluster.kubectl(&["rollout", "undo", "daemonset/d", "--to-revision=2"]);
    wait_rollout(&cluster);
    assert_eq!(greeting(&cluster), "second\n");
    let revisions = cluster.kubectl(&["get", "controllerrevisions"]);
    for shown in ["daemonset.apps/d   3", "daemonset.apps/d   4"] {
        assert!(revisions.contains(shown), "{shown:?} is not in\n{revisions}");
    }

    let surge = r#"{"spec": {"updateStrategy": {"rollingUpdate": {"maxSurge": 1}}}}"#;
    let said = cluster.kubectl_refused(&["patch", "daemonset", "d", "--patch", surge]);
    let refused = "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when \
                   maxUnavailable is non-zero";
    assert!(said.contains(refused), "{said}");
    // Long enough that events of different seconds show the order.
    let surge = r#"{"spec": {"minReadySeconds": 2, "updateStrategy": {"rollingUpdate":
        {"maxSurge": 1, "maxUnavailable": 0}}}}"#;
    cluster.kubectl(&["patch", "daemonset", "d", "--patch", surge]);
    cluster.kubectl(&["rollout", "restart", "daemonset/d"]);
    wait_rollout(&cluster);
    assert_eq!(greeting(&cluster), "second\n");
    // The new pod was there before the old one was to end.
    let events = cluster.kubectl(&["describe", "daemonset", "d"]);
    let reasons = events.lines().filter_map(|line| line.split_whitespace().nth(1));
    let reasons: Vec<&str> = reasons.filter(|reason| reason.starts_with("Successful")).collect();
    assert!(reasons.ends_with(&["SuccessfulCreate", "SuccessfulDelete"]), "{events}");

    cluster.kubectl(&["delete", "daemonset", "d"]);
    cluster.wait_value(&["pods,controllerrevisions"], "{.items}", "[]");
}
