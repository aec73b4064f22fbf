//! A StatefulSet with kubectl: names in DNS, order, rollouts and back, what is shown and what is refused.

use std::time::Duration;

use sheave_tests::cluster::Cluster;
use sheave_tests::kubectl::Kubectl;
use sheave_tests::wait;

const LIMIT: Duration = Duration::from_secs(60);

const DB: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: names}
spec:
  clusterIP: None
  selector: {app: db}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: db
  annotations: {kubernetes.io/change-cause: the first}
spec:
  serviceName: names
  replicas: 2
  selector:
    matchLabels: {app: db}
  template:
    metadata:
      labels: {app: db}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
        - name: db
          image: sheave.local/hello:1
          env: [{name: GREETING, value: first}]
          readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
"#;

fn wait_rollout(cluster: &Cluster) {
    let said = cluster.kubectl(&["rollout", "status", "statefulset/db", "--timeout=60s"]);
    assert!(said.contains("complete") || said.contains("have been updated"), "{said}");
}

fn greeting(cluster: &Cluster, pod: &str) -> String {
    cluster.kubectl(&["exec", pod, "--", "sh", "-c", "echo $GREETING"])
}

#[test]
fn a_stateful_set_is_rolled_out_and_back_and_its_pods_have_names() {
    let cluster = Cluster::start();
    cluster.apply(DB);
    wait_rollout(&cluster);
    assert_eq!(cluster.apply(DB), "service/names unchanged\nstatefulset.apps/db unchanged\n");
    let shown = cluster.kubectl(&["get", "sts"]);
    let rows: Vec<Vec<&str>> = shown.lines().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "READY", "AGE"]);
    assert_eq!(rows[1][..2], ["db", "2/2"]);
    assert_eq!(cluster.value(&["pods"], "{.items[*].metadata.name}"), "db-0 db-1");
    assert_eq!(cluster.kubectl(&["exec", "db-1", "--", "hostname"]), "db-1\n");
    let address = cluster.value(&["pod", "db-1"], "{.status.podIP}");
    wait::until_true("the pod's name", LIMIT, || {
        let name = "db-1.names.default.svc.cluster.local";
        cluster.try_kubectl(&["exec", "db-0", "--", "nslookup", name]).stdout.contains(&address)
    });

    cluster.apply(&DB.replace("value: first", "value: second").replace("the first", "the second"));
    wait_rollout(&cluster);
    for pod in ["db-0", "db-1"] {
        assert_eq!(greeting(&cluster, pod), "second\n");
    }
    let history = cluster.kubectl(&["rollout", "history", "statefulset/db"]);
    for line in ["1         the first", "2         the second"] {
        assert!(history.lines().any(|shown| shown.trim() == line), "{line:?} is not in\n{history}");
    }
    let first = cluster.kubectl(&["rollout", "history", "statefulset/db", "--revision=1"]);
    assert!(first.contains("first"), "{first}");
    cluster.kubectl(&["rollout", "undo", "statefulset/db"]);
    wait_rollout(&cluster);
    assert_eq!(greeting(&cluster, "db-0"), "first\n");
    let revisions = cluster.kubectl(&["get", "controllerrevisions"]);
    assert!(revisions.contains("statefulset.apps/db   3"), "{revisions}");
    cluster.kubectl(&["rollout", "restart", "statefulset/db"]);
    wait_rollout(&cluster);

    cluster.kubectl(&["scale", "sts/db", "--replicas=1"]);
    cluster.wait_value(&["pods"], "{.items[*].metadata.name}", "db-0");
    let described = cluster.kubectl(&["describe", "statefulset", "db"]);
    for word in ["SuccessfulCreate", "delete Pod db-1 in StatefulSet db successful"] {
        assert!(described.contains(word), "{word:?} is not in\n{described}");
    }
    let explained = cluster.kubectl(&["explain", "statefulset.spec.podManagementPolicy"]);
    assert!(explained.contains("OrderedReady"), "{explained}");

    let other = DB.replace("serviceName: names", "serviceName: other");
    let said = cluster.kubectl_with_input(&["apply", "--filename", "-"], &other);
    let refused =
        "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template'";
    assert!(!said.ok && said.stderr.contains(refused), "{said:?}");
    let claims = "  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], \
                  resources: {requests: {storage: 1Gi}}}}]\n";
    let claiming = DB.replace("name: db\n", "name: claiming\n") + claims;
    let said = cluster.kubectl_with_input(&["apply", "--filename", "-"], &claiming);
    let refused =
        "spec.volumeClaimTemplates[0]: Forbidden: this version has no PersistentVolumeClaims";
    assert!(!said.ok && said.stderr.contains(refused), "{said:?}");

    cluster.kubectl(&["delete", "statefulset", "db"]);
    cluster.wait_value(&["pods,controllerrevisions"], "{.items}", "[]");
}
