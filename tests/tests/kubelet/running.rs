//! Pods that run: their start, their life, their end.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::node::{BUSYBOX, FOREVER, TestNode, container, pod};
use crate::ran;
use crate::tunnel::run_in;

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_runs_and_goes() {
    let mut node = TestNode::start().await;
    let p = pod("web", &format!("echo hello; {FOREVER}"));
    node.apply(&p).await;
    node.until_ready("web").await;
    let status = node.status("web").clone();
    assert_eq!(status["phase"], "Running");
    assert_eq!(status["podIP"], "127.0.0.1");
    assert_eq!(status["qosClass"], "BestEffort");
    assert_eq!(status["observedGeneration"], 1);
    let container = ran(&node, "web");
    assert!(container["containerID"].as_str().unwrap().starts_with("containerd://"));
    assert_eq!((&container["ready"], &container["started"]), (&json!(true), &json!(true)));
    for reason in ["Pulled", "Created", "Started"] {
        assert!(node.has_event("web", reason, ""), "{reason}");
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(node.log(&p, "main", 0).contains(" stdout F hello\n"));

    node.delete(&p, 5).await;
    let took = node.until("web has ended", |n| n.ended.contains(&"web".into())).await;
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert!(node.has_event("web", "Killing", "Stopping container main"));
    assert_eq!(node.status("web")["phase"], "Succeeded");
    assert!(!node.config.data_dir.join("pods/uid-web").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_pods_at_once_are_running_soon() {
    let mut node = TestNode::start().await;
    // The runtime and its image are there, as on a node that is Ready.
    let first = pod("first", FOREVER);
    node.apply(&first).await;
    node.until_ready("first").await;
    let begin = Instant::now();
    for i in 0..20 {
        node.apply(&pod(&format!("p{i}"), FOREVER)).await;
    }
    node.until("all are ready", |n| {
        (0..20).all(|i| n.condition(&format!("p{i}"), "Ready") == "True")
    })
    .await;
    let took = begin.elapsed();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    println!("20 pods in {took:?}, {resident} with this test");
    // Other tests and builds share the processors; alone it is a fraction of this.
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn init_containers_go_first_and_volumes_are_shared() {
    let mut node = TestNode::start().await;
    let mut p = pod("job", "cat /work/a /work/b; exit 0");
    p["spec"]["restartPolicy"] = json!("Never");
    p["spec"]["volumes"] = json!([{"name": "work", "emptyDir": {}}]);
    let mount = json!([{"name": "work", "mountPath": "/work"}]);
    let mut first = container("first", "sleep 0.3; echo one > /work/a");
    let mut second = container("second", "test -f /work/a && echo two > /work/b");
    for container in [&mut first, &mut second, &mut p["spec"]["containers"][0]] {
        container["volumeMounts"] = mount.clone();
    }
    p["spec"]["initContainers"] = json!([first, second]);
    node.apply(&p).await;
    node.until_phase("job", "Succeeded").await;
    assert_eq!(node.log(&p, "main", 0).lines().count(), 2);
    let status = node.status("job").clone();
    assert_eq!(status["initContainerStatuses"][1]["state"]["terminated"]["reason"], "Completed");
    let initialized = node
        .history
        .iter()
        .find(|(_, s)| s["initContainerStatuses"][0]["state"]["running"].is_object());
    let (_, during) = initialized.expect("the first init container was seen running");
    assert_eq!(during["phase"], "Pending");
    assert_eq!(during["containerStatuses"][0]["state"]["waiting"]["reason"], "PodInitializing");
    let ready = status["conditions"].as_array().unwrap().iter().find(|c| c["type"] == "Ready");
    assert_eq!(ready.unwrap()["reason"], "PodCompleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_init_container_fails_the_pod() {
    let mut node = TestNode::start().await;
    let mut p = pod("bad", FOREVER);
    p["spec"]["restartPolicy"] = json!("Never");
    p["spec"]["initContainers"] = json!([container("init", "exit 3")]);
    node.apply(&p).await;
    node.until_phase("bad", "Failed").await;
    let state = &node.status("bad")["initContainerStatuses"][0]["state"]["terminated"];
    assert_eq!((&state["exitCode"], &state["reason"]), (&json!(3), &json!("Error")));
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_decide_about_readiness_and_life() {
    let mut node = TestNode::start().await;
    let mut p = pod("probed", &format!("touch /tmp/ready /tmp/alive; {FOREVER}"));
    let exec = |file: &str| json!({"exec": {"command": ["test", "-f", file]}, "periodSeconds": 1, "failureThreshold": 1});
    p["spec"]["containers"][0]["readinessProbe"] = exec("/tmp/ready");
    p["spec"]["containers"][0]["livenessProbe"] = exec("/tmp/alive");
    node.apply(&p).await;
    node.until_ready("probed").await;
    run_in(&node, &p, "rm /tmp/ready").await;
    node.until("it is not ready", |n| n.condition("probed", "Ready") == "False").await;
    assert_eq!(ran(&node, "probed")["restartCount"], 0);
    assert!(node.has_event("probed", "Unhealthy", "Readiness probe failed"));
    run_in(&node, &p, "rm /tmp/alive").await;
    node.until("it is restarted", |n| ran(n, "probed")["restartCount"] == 1).await;
    assert!(node.has_event("probed", "Killing", "failed liveness probe, will be restarted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_users_and_files_are_what_the_pod_says() {
    let mut node = TestNode::start().await;
    let script =
        "id -u; id -g; cat /etc/hosts; cat /proc/self/status; cat /sub/f; echo; stat -c %a /e";
    let mut p = pod("limits", script);
    p["spec"]["restartPolicy"] = json!("Never");
    p["spec"]["securityContext"] = json!({"runAsUser": 1000, "runAsGroup": 2000, "fsGroup": 3000});
    p["spec"]["hostAliases"] = json!([{"ip": "1.2.3.4", "hostnames": ["there"]}]);
    p["spec"]["volumes"] = json!([{"name": "e", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "d", "downwardAPI": {"items": [{"path": "sub/f", "fieldRef":
            {"fieldPath": "metadata.labels"}}]}}]);
    let c = &mut p["spec"]["containers"][0];
    c["volumeMounts"] = json!([{"name": "e", "mountPath": "/e"},
        {"name": "d", "mountPath": "/sub/f", "subPath": "sub/f"}]);
    c["resources"] = json!({"limits": {"cpu": "500m", "memory": "64Mi"}});
    c["securityContext"] = json!({"allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}});
    node.apply(&p).await;
    node.until_phase("limits", "Succeeded").await;
    assert_eq!(node.status("limits")["qosClass"], "Guaranteed");
    let log = node.log(&p, "main", 0);
    let text: Vec<_> = log.lines().filter_map(|line| line.split(" F ").nth(1)).collect();
    assert_eq!(text[..2], ["1000", "2000"]);
    for expected in [
        "1.2.3.4\tthere",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "CapEff:\t0000000000000000",
        "app=\"limits\"",
        "2777",
    ] {
        assert!(text.contains(&expected), "{expected}: {log}");
    }
    let groups = text.iter().find(|line| line.starts_with("Groups:")).unwrap();
    assert!(groups.contains("3000"), "{groups}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_a_pod() {
    let mut node = TestNode::start().await;
    let mut p = pod("late", FOREVER);
    p["spec"]["activeDeadlineSeconds"] = json!(2);
    node.apply(&p).await;
    node.until_phase("late", "Failed").await;
    assert_eq!(node.status("late")["reason"], "DeadlineExceeded");
    node.until("its container has ended", |n| ran(n, "late")["state"]["terminated"].is_object())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_run_and_unsupported_fields_are_named() {
    let mut node = TestNode::start().await;
    let host = node.directory.path().join("hooks");
    std::fs::create_dir_all(&host).unwrap();
    let mut p = pod("hooked", FOREVER);
    p["spec"]["volumes"] = json!([{"name": "h", "hostPath": {"path": host}}]);
    let c = &mut p["spec"]["containers"][0];
    c["volumeMounts"] = json!([{"name": "h", "mountPath": "/h"}]);
    c["lifecycle"] = json!({"postStart": {"exec": {"command": ["touch", "/h/started"]}},
        "preStop": {"exec": {"command": ["touch", "/h/stopping"]}}});
    node.apply(&p).await;
    let mut odd = pod("odd", FOREVER);
    odd["spec"]["volumes"] = json!([{"name": "n", "nfs": {"server": "s", "path": "/"}}]);
    node.apply(&odd).await;
    node.until_ready("hooked").await;
    assert!(host.join("started").exists());
    node.delete(&p, 5).await;
    node.until("it has ended", |n| n.ended.contains(&"hooked".into())).await;
    assert!(host.join("stopping").exists());
    assert!(node.has_event("odd", "Failed", "spec.volumes[0].nfs"));
    let waiting = &ran(&node, "odd")["state"]["waiting"];
    assert_eq!(waiting["reason"], "CreateContainerConfigError");
    assert_eq!(node.status("odd")["phase"], "Pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_wait_for_the_network_and_have_its_address() {
    let mut node = TestNode::start().await;
    let mut p = pod("net", &format!("cat /etc/hosts; hostname; {FOREVER}"));
    p["spec"]["hostNetwork"] = json!(false);
    node.apply(&p).await;
    let said =
        |n: &TestNode| n.has_event("net", "FailedCreatePodSandBox", "cni plugin not initialized");
    node.until("the missing network is said", said).await;
    assert_eq!(node.condition("net", "PodReadyToStartContainers"), "False");
    let ready = |n: &TestNode| {
        let status = n.node_history.last().cloned().unwrap_or_default();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
    };
    assert!(!ready(&node));
    node.configure_network("10.9.0.2");
    node.until_ready("net").await;
    assert_eq!(node.status("net")["podIP"], "10.9.0.2");
    assert_eq!(node.condition("net", "PodReadyToStartContainers"), "True");
    node.until("the node is ready", ready).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let log = node.log(&p, "main", 0);
    assert!(log.contains("10.9.0.2\tnet\n") && log.contains(" F net\n"), "{log}");
    node.delete(&p, 1).await;
    node.until("it has ended", |n| n.ended.contains(&"net".into())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_in_memory_are_freed_when_a_pod_has_ended() {
    let mut node = TestNode::start().await;
    let mut p = pod("done", "echo much > /memory/file && echo more > /disk/file");
    p["spec"]["restartPolicy"] = json!("Never");
    p["spec"]["volumes"] = json!([{"name": "memory", "emptyDir": {"medium": "Memory"}},
        {"name": "disk", "emptyDir": {}}]);
    p["spec"]["containers"][0]["volumeMounts"] = json!([
        {"name": "memory", "mountPath": "/memory"}, {"name": "disk", "mountPath": "/disk"}]);
    node.apply(&p).await;
    node.until_phase("done", "Succeeded").await;
    let uid = p["metadata"]["uid"].as_str().unwrap();
    let directory = node.config.data_dir.join("pods").join(uid);
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let place = directory.display().to_string();
    node.until("nothing is mounted", |_| !mounts().contains(&place)).await;
    let disk = directory.join("volumes/kubernetes.io~empty-dir/disk/file");
    assert_eq!(std::fs::read_to_string(disk).unwrap(), "more\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn ephemeral_containers_are_refused_and_the_pod_goes_on() {
    let mut node = TestNode::start().await;
    let mut p = pod("debugged", FOREVER);
    node.apply(&p).await;
    node.until_ready("debugged").await;
    p["spec"]["ephemeralContainers"] = json!([{"name": "debugger", "image": BUSYBOX}]);
    node.apply(&p).await;
    let waiting = |n: &TestNode| {
        n.status("debugged")["ephemeralContainerStatuses"][0]["state"]["waiting"].clone()
    };
    node.until("it is said", |n| waiting(n)["reason"] == "CreateContainerConfigError").await;
    assert!(node.has_event("debugged", "Failed", "ephemeral containers are not supported"));
    assert_eq!(node.condition("debugged", "Ready"), "True");
}
