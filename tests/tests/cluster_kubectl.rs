//! kubectl's commands against a running cluster, as people type them.

use sheave_tests::cluster::Cluster;
use sheave_tests::kubectl::Kubectl;
use sheave_tests::wait;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

const IMAGE: &str = "sheave.local/hello:1";
const LIMIT: Duration = Duration::from_secs(60);

const WEB: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
        - name: web
          image: sheave.local/hello:1
          env: [{name: GREETING, value: first}]
          ports: [{containerPort: 8080}]
"#;

#[test]
fn imperative_commands_make_what_they_say() {
    let cluster = Cluster::start();

    cluster.kubectl(&["create", "namespace", "shop"]);
    assert_eq!(cluster.value(&["namespace", "shop"], "{.status.phase}"), "Active");

    cluster.kubectl(&["create", "configmap", "colours", "--from-literal=sky=blue"]);
    assert_eq!(cluster.value(&["configmap", "colours"], "{.data.sky}"), "blue");

    cluster.kubectl(&["create", "secret", "generic", "token", "--from-literal=key=open sesame"]);
    assert_eq!(cluster.value(&["secret", "token"], "{.data.key}"), "b3BlbiBzZXNhbWU=");
    assert_eq!(cluster.value(&["secret", "token"], "{.type}"), "Opaque");

    cluster.kubectl(&["create", "deployment", "web", "--image", IMAGE, "--replicas=2"]);
    cluster.wait_rollout("web");
    assert_eq!(cluster.value(&["deployment", "web"], "{.status.readyReplicas}"), "2");

    cluster.kubectl(&["expose", "deployment", "web", "--port=80", "--target-port=8080"]);
    let service = cluster.service("web");
    wait::until_true("the Service to answer", LIMIT, || {
        sheave_tests::http::get(service, "/").is_ok_and(|name| name.starts_with("web-"))
    });

    cluster.kubectl(&["run", "single", "--image", IMAGE, "--labels=app=single"]);
    cluster.wait_pod_ready("single");

    cluster.kubectl(&["set", "image", "deployment/web", "*=sheave.local/iperf3:1"]);
    cluster.wait_rollout("web");
    const IMAGES: &str = "{.items[*].spec.containers[*].image}";
    cluster.wait_value(
        &["pods", "--selector=app=web"],
        IMAGES,
        "sheave.local/iperf3:1 sheave.local/iperf3:1",
    );
}

#[test]
fn exec_reaches_the_container_with_and_without_a_terminal() {
    let cluster = Cluster::start();
    cluster.kubectl(&["run", "box", "--image", IMAGE]);
    cluster.wait_pod_ready("box");

    assert_eq!(cluster.kubectl(&["exec", "box", "--", "hostname"]), "box\n");
    let piped = cluster.kubectl_with_input(&["exec", "-i", "box", "--", "wc", "-c"], "12345");
    assert_eq!(piped.stdout.trim(), "5", "{}", piped.stderr);

    // The exit code and standard error of the program arrive as its own.
    let failed = cluster.try_kubectl(&["exec", "box", "--", "sh", "-c", "echo no >&2; exit 7"]);
    assert!(failed.stderr.contains("no\n"), "{}", failed.stderr);
    assert!(failed.stderr.contains("exit code 7"), "{}", failed.stderr);

    // `script` gives kubectl a terminal; inside there is one too, of the same size.
    let kubeconfig = cluster.kubeconfig();
    let inner = "stty rows 33 cols 99; kubectl exec -it box -- sh -c 'tty; sleep 0.3; stty size'";
    let said = sheave_tests::command::run(
        &["script", "--quiet", "--return", "--command", inner, "/dev/null"],
        &[("KUBECONFIG", &kubeconfig.to_string_lossy()), ("SHELL", "/bin/sh")],
        "",
    );
    assert!(said.stdout.contains("/dev/pts/"), "{said:?}");
    assert!(said.stdout.contains("33 99"), "{said:?}");
}

#[test]
fn port_forward_carries_a_request() {
    let cluster = Cluster::start();
    cluster.kubectl(&["run", "box", "--image", IMAGE]);
    cluster.wait_pod_ready("box");
    let mut forward = cluster
        .kubectl_command()
        .args(["port-forward", "pod/box", ":8080"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("kubectl is executable");
    let lines = lines_of(forward.stdout.take().expect("a pipe"));
    let first = lines.recv_timeout(LIMIT);
    // Forwarding from 127.0.0.1:41234 -> 8080
    let port = first
        .as_ref()
        .ok()
        .and_then(|line| line.split("127.0.0.1:").nth(1)?.split(' ').next()?.parse::<u16>().ok());
    let answers: Vec<_> = port
        .iter()
        .flat_map(|port| {
            let server = ([127, 0, 0, 1], *port).into();
            (0..3).map(move |_| sheave_tests::http::get(server, "/"))
        })
        .collect();
    forward.kill().expect("it is our child");
    forward.wait().expect("it is our child");
    assert_eq!(answers.len(), 3, "kubectl port-forward said {first:?}");
    for answer in answers {
        assert_eq!(answer.expect("an answer through the forwarded port"), "box");
    }
}

#[test]
fn cp_keeps_every_byte_both_ways() {
    let cluster = Cluster::start();
    cluster.kubectl(&["run", "box", "--image", IMAGE]);
    cluster.wait_pod_ready("box");
    let original = cluster.scratch.path().join("original");
    let returned = cluster.scratch.path().join("returned");
    // Large enough to need many frames, and without a pattern that hides a swapped one.
    let mut bytes = vec![0_u8; 3_000_001];
    std::io::Read::read_exact(
        &mut std::fs::File::open("/dev/urandom").expect("urandom"),
        &mut bytes,
    )
    .expect("urandom has no end");
    std::fs::write(&original, &bytes).expect("scratch is writable");

    cluster.kubectl(&["cp", &original.to_string_lossy(), "default/box:/tmp/copy"]);
    let inside = cluster.kubectl(&["exec", "box", "--", "sha256sum", "/tmp/copy"]);
    let outside = sheave_tests::command::output(&["sha256sum", &original.to_string_lossy()]);
    assert_eq!(inside.split(' ').next(), outside.split(' ').next());

    cluster.kubectl(&["cp", "default/box:/tmp/copy", &returned.to_string_lossy()]);
    assert!(std::fs::read(&returned).expect("kubectl cp wrote it") == bytes);
}

#[test]
fn apply_changes_what_changed_and_rollouts_go_back() {
    let cluster = Cluster::start();
    assert_eq!(cluster.apply(WEB), "deployment.apps/web created\n");
    cluster.wait_rollout("web");
    assert_eq!(cluster.apply(WEB), "deployment.apps/web unchanged\n");

    let changed =
        WEB.replace("value: first", "value: second").replace("replicas: 1", "replicas: 2");
    assert_eq!(cluster.apply(&changed), "deployment.apps/web configured\n");
    cluster.wait_rollout("web");
    let greeting = "{.spec.template.spec.containers[0].env[0].value}";
    assert_eq!(cluster.value(&["deployment", "web"], greeting), "second");
    assert_eq!(cluster.value(&["deployment", "web"], "{.status.readyReplicas}"), "2");
    let log = "{.metadata.annotations.deployment\\.kubernetes\\.io/revision}";
    assert_eq!(cluster.value(&["deployment", "web"], log), "2");

    assert!(cluster.kubectl(&["rollout", "history", "deployment/web"]).contains("REVISION"));
    cluster.kubectl(&["rollout", "undo", "deployment/web"]);
    cluster.wait_rollout("web");
    assert_eq!(cluster.value(&["deployment", "web"], greeting), "first");
    // A rollout is done while the last old pods still end.
    let pods = wait::until(
        "the old pods to be gone",
        LIMIT,
        || cluster.value(&["pods", "--selector=app=web"], "{.items[*].metadata.name}"),
        |names| names.split(' ').count() == 2,
    );
    let pod = pods.split(' ').next().expect("two names").to_owned();
    assert_eq!(cluster.kubectl(&["exec", &pod, "--", "sh", "-c", "echo $GREETING"]), "first\n");

    cluster.kubectl(&["scale", "deployment/web", "--replicas=3"]);
    cluster.wait_value(&["deployment", "web"], "{.status.readyReplicas}", "3");
    cluster.kubectl(&["scale", "deployment/web", "--replicas=0"]);
    cluster.wait_value(&["pods", "--selector=app=web"], "{.items}", "[]");
}

#[test]
fn what_is_shown_is_what_is_there() {
    let cluster = Cluster::start();
    cluster.apply(WEB);
    cluster.wait_rollout("web");

    let wide = cluster.kubectl(&["get", "pods", "--output=wide"]);
    let mut rows = wide.lines();
    let header: Vec<&str> = rows.next().expect("a header").split_whitespace().collect();
    assert_eq!(header[..7], ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]);
    let row: Vec<&str> = rows.next().expect("a pod").split_whitespace().collect();
    assert_eq!(row[1..4], ["1/1", "Running", "0"]);
    let pod_ip = cluster.value(&["pods"], "{.items[0].status.podIP}");
    assert_eq!(row[5], pod_ip);
    let deployments = cluster.kubectl(&["get", "deployments"]);
    assert!(deployments.contains("UP-TO-DATE"), "{deployments}");
    assert!(cluster.kubectl(&["get", "nodes"]).contains(" Ready "));

    let yaml = cluster.kubectl(&["get", "deployment", "web", "--output=yaml"]);
    for line in ["apiVersion: apps/v1", "kind: Deployment", "  name: web", "  readyReplicas: 1"] {
        assert!(yaml.lines().any(|shown| shown == line), "{line:?} is not in\n{yaml}");
    }
    // What is shown can be given back: nothing in it is refused.
    let said = cluster.kubectl_with_input(&["replace", "--filename", "-"], &yaml);
    assert!(said.ok, "{}", said.stderr);

    let pod = row[0];
    let described = cluster.kubectl(&["describe", "pod", pod]);
    for word in ["Scheduled", "Pulled", "Created", "Started", "ReplicaSet/web-"] {
        assert!(described.contains(word), "{word:?} is not in\n{described}");
    }
    let described = cluster.kubectl(&["describe", "deployment", "web"]);
    assert!(described.contains("ScalingReplicaSet"), "{described}");
    assert!(cluster.kubectl(&["describe", "node"]).contains("Capacity:"));

    cluster.kubectl(&["expose", "deployment", "web", "--port=80", "--target-port=8080"]);
    cluster.wait_value(
        &["endpoints", "web"],
        "{.subsets[0].addresses[0].ip}:{.subsets[0].ports[0].port}",
        &format!("{pod_ip}:8080"),
    );
    let described = cluster.kubectl(&["describe", "service", "web"]);
    assert!(described.contains(&format!("{pod_ip}:8080")), "{described}");
    assert!(cluster.kubectl(&["explain", "deployment.spec.replicas"]).contains("integer"));
}

#[test]
fn logs_are_followed_while_they_are_written() {
    let cluster = Cluster::start();
    let manifest = r#"
apiVersion: v1
kind: Pod
metadata: {name: counter}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: counter
      image: sheave.local/busybox:1
      command: ["sh", "-c", "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.2; done"]
"#;
    cluster.apply(manifest);
    cluster.wait_pod_ready("counter");
    let mut follow = cluster
        .kubectl_command()
        .args(["logs", "--follow", "counter"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("kubectl is executable");
    let lines = lines_of(follow.stdout.take().expect("a pipe"));
    let seen: Vec<_> = (0..10).map_while(|_| lines.recv_timeout(LIMIT).ok()).collect();
    follow.kill().expect("it is our child");
    follow.wait().expect("it is our child");
    let expected: Vec<_> = (0..10).map(|number| format!("line {number}")).collect();
    assert_eq!(seen, expected);

    let tail = cluster.kubectl(&["logs", "counter", "--tail=2"]);
    assert_eq!(tail.lines().count(), 2, "{tail}");
    assert!(cluster.kubectl_refused(&["logs", "nobody"]).contains("\"nobody\" not found"));
}

#[test]
fn a_watch_sees_changes_and_deletion_waits() {
    let cluster = Cluster::start();
    cluster.kubectl(&["create", "configmap", "watched", "--from-literal=n=0"]);
    let mut watch = cluster
        .kubectl_command()
        .args(["get", "configmaps", "--watch", "--output-watch-events", "--no-headers"])
        .args(["--field-selector=metadata.name=watched"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("kubectl is executable");
    let lines = lines_of(watch.stdout.take().expect("a pipe"));
    let first = lines.recv_timeout(LIMIT);
    cluster.kubectl(&["patch", "configmap", "watched", "--patch", r#"{"data":{"n":"1"}}"#]);
    let second = lines.recv_timeout(LIMIT);
    cluster.kubectl(&["delete", "configmap", "watched"]);
    let third = lines.recv_timeout(LIMIT);
    watch.kill().expect("it is our child");
    watch.wait().expect("it is our child");
    let kinds: Vec<String> = [first, second, third]
        .into_iter()
        .map(|line| {
            line.unwrap_or_default().split_whitespace().next().unwrap_or_default().to_owned()
        })
        .collect();
    assert_eq!(kinds, ["ADDED", "MODIFIED", "DELETED"]);

    cluster.kubectl(&["run", "box", "--image", IMAGE]);
    cluster.wait_pod_ready("box");
    // Returns only when the object is gone, not when its deletion began.
    cluster.kubectl(&["delete", "pod", "box", "--wait"]);
    assert!(cluster.kubectl_refused(&["get", "pod", "box"]).contains("\"box\" not found"));
}

#[test]
fn a_namespace_goes_with_everything_in_it() {
    let cluster = Cluster::start();
    cluster.kubectl(&["create", "namespace", "shop"]);
    cluster.wait_service_account("shop");
    let into = |manifest: &str| {
        let said =
            cluster.kubectl_with_input(&["apply", "--namespace=shop", "--filename", "-"], manifest);
        assert!(said.ok, "{}", said.stderr);
    };
    into(WEB);
    cluster.kubectl(&["--namespace=shop", "create", "configmap", "colours", "--from-literal=a=b"]);
    cluster.kubectl(&["--namespace=shop", "expose", "deployment", "web", "--port=80"]);
    cluster.kubectl(&["--namespace=shop", "rollout", "status", "deployment/web", "--timeout=60s"]);

    cluster.kubectl(&["delete", "namespace", "shop", "--wait", "--timeout=60s"]);
    assert!(cluster.kubectl_refused(&["get", "namespace", "shop"]).contains("not found"));
    for kind in ["pods", "deployments", "replicasets", "services", "configmaps", "endpointslices"] {
        let what = [kind, "--all-namespaces", "--field-selector=metadata.namespace=shop"];
        assert_eq!(cluster.value(&what, "{.items[*].metadata.name}"), "", "{kind}");
    }
    // The name is free again.
    cluster.kubectl(&["create", "namespace", "shop"]);
}

/// The lines of a stream, as they come.
fn lines_of(stream: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
