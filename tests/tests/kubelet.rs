//! The kubelet against a real containerd.
#![expect(clippy::unwrap_used, reason = "what a test cannot do without fails it")]

mod kubelet_node;

use std::time::{Duration, Instant};

use kubelet_node::{BUSYBOX, FOREVER, TestNode, container, key, pod};
use serde_json::{Value, json};
use sheave_kubelet::Update;
use sheave_push::v1;

fn ran(node: &TestNode, pod: &str) -> Value {
    node.status(pod)["containerStatuses"][0].clone()
}

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
async fn a_crash_backs_off_and_an_agent_that_starts_anew_changes_nothing() {
    let mut node = TestNode::start().await;
    let good = pod("good", FOREVER);
    let bad = pod("bad", "echo no > /dev/termination-log; exit 7");
    node.apply(&good).await;
    node.apply(&bad).await;
    node.until_ready("good").await;
    let waits = |n: &TestNode| ran(n, "bad")["state"]["waiting"]["reason"] == "CrashLoopBackOff";
    node.until("bad backs off", waits).await;
    let crashed = ran(&node, "bad");
    assert_eq!(crashed["restartCount"], 1, "{:#?}", node.events);
    assert_eq!(crashed["lastState"]["terminated"]["exitCode"], 7);
    assert_eq!(crashed["lastState"]["terminated"]["message"], "no\n");
    let message = crashed["state"]["waiting"]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("back-off 10s restarting failed container=main pod=bad_default("));
    assert!(node.has_event("bad", "BackOff", "Back-off restarting failed container"));

    // The objects as the API has them by now.
    let before = node.status("good").clone();
    let with_status = |p: &Value, status: &Value| {
        let mut p = p.clone();
        p["status"] = status.clone();
        p
    };
    let pods = [with_status(&good, &before), with_status(&bad, node.status("bad"))];
    node.history.clear();
    node.events.clear();
    node.restart_kubelet(&pods).await;
    node.listen(Duration::from_secs(2)).await;
    for (name, status) in node.history.iter().filter(|(name, _)| name == "good") {
        assert_eq!(status, &before, "{name}");
    }
    assert_eq!(ran(&node, "bad")["state"]["waiting"]["reason"], "CrashLoopBackOff");
    assert!(!node.has_event("good", "Started", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_container_is_restarted_at_once() {
    let mut node = TestNode::start().await;
    // Two dollar signs in a command are one.
    let mut p = pod("victim", "echo $$$$ > /host/pid; exec sleep 1000");
    let host = node.directory.path().join("host");
    std::fs::create_dir_all(&host).unwrap();
    p["spec"]["hostPID"] = json!(true);
    p["spec"]["volumes"] = json!([{"name": "h", "hostPath": {"path": host, "type": "Directory"}}]);
    p["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "h", "mountPath": "/host"}]);
    node.apply(&p).await;
    node.until_ready("victim").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let pid: i32 = std::fs::read_to_string(host.join("pid")).unwrap().trim().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
        .unwrap();
    let again = |n: &TestNode| {
        ran(n, "victim")["restartCount"] == 1 && n.condition("victim", "Ready") == "True"
    };
    let took = node.until("it runs again", again).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(ran(&node, "victim")["lastState"]["terminated"]["exitCode"], 137);
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
async fn what_is_missing_is_named_and_comes_later() {
    let mut node = TestNode::start().await;
    let mut p = pod("needs", "echo $A; cat /c/k; sleep 1000");
    p["spec"]["containers"][0]["env"] =
        json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "a"}}}]);
    p["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "c", "mountPath": "/c"}]);
    p["spec"]["volumes"] = json!([{"name": "c", "configMap": {"name": "cm"}}]);
    node.apply(&p).await;
    let mount = |n: &TestNode| n.has_event("needs", "FailedMount", "configmap \"cm\" not found");
    node.until("the missing ConfigMap is named", mount).await;
    node.kubelet.update(Update::ConfigMap(object("cm", "k", "v1\n"))).await;
    let reason = |n: &TestNode| ran(n, "needs")["state"]["waiting"].clone();
    node.until("the missing Secret is named", |n| {
        reason(n)["reason"] == "CreateContainerConfigError"
            && reason(n)["message"] == "secret \"s\" not found"
    })
    .await;
    node.kubelet.update(Update::Secret(object("s", "a", "secret"))).await;
    let took = node.until_ready("needs").await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let log = node.log(&p, "main", 0);
    assert!(log.contains(" F secret\n") && log.contains(" F v1\n"), "{log}");
    // A changed ConfigMap shows in the running container.
    node.kubelet.update(Update::ConfigMap(object("cm", "k", "v2\n"))).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(run_in(&node, &p, "cat /c/k").await, "v2\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_image_is_said_as_kubernetes_says_it() {
    let mut node = TestNode::start().await;
    let mut never = pod("never", FOREVER);
    never["spec"]["containers"][0]["image"] = json!("sheave.test/none:1");
    never["spec"]["containers"][0]["imagePullPolicy"] = json!("Never");
    let mut pull = never.clone();
    pull["metadata"]["name"] = json!("pull");
    pull["metadata"]["uid"] = json!("uid-pull");
    // Nobody listens there.
    pull["spec"]["containers"][0]["image"] = json!("127.0.0.1:1/none:1");
    pull["spec"]["containers"][0]["imagePullPolicy"] = json!("IfNotPresent");
    node.apply(&never).await;
    node.apply(&pull).await;
    let reason = |n: &TestNode, pod: &str| ran(n, pod)["state"]["waiting"]["reason"].clone();
    node.until("both wait", |n| {
        reason(n, "never") == "ErrImageNeverPull" && reason(n, "pull") == "ImagePullBackOff"
    })
    .await;
    let seen = |reason: &str| {
        node.history.iter().any(|(name, s)| {
            name == "pull" && s["containerStatuses"][0]["state"]["waiting"]["reason"] == reason
        })
    };
    assert!(seen("ErrImagePull"));
    assert!(node.has_event("pull", "Failed", "Failed to pull image"));
    assert!(node.has_event("pull", "BackOff", "Back-off pulling image"));
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_followed_and_the_run_before_is_kept() {
    let mut node = TestNode::start().await;
    let p = pod("talks", "for i in 1 2 3; do echo line $i; sleep 0.3; done; exit 1");
    node.apply(&p).await;
    node.until_ready("talks").await;
    let ask = |logs: v1::Logs| v1::TunnelRequest {
        id: "t".into(),
        pod: Some(key("talks")),
        pod_uid: "uid-talks".into(),
        kind: Some(v1::tunnel_request::Kind::Logs(logs)),
        ..Default::default()
    };
    let follow = v1::Logs { container: "main".into(), follow: true, ..Default::default() };
    let begin = Instant::now();
    let text = collect(&node, ask(follow)).await;
    assert_eq!(text, "line 1\nline 2\nline 3\n");
    assert!(begin.elapsed() < Duration::from_secs(3), "the end is seen when it comes");
    node.until("it has been restarted", |n| ran(n, "talks")["restartCount"] == 1).await;
    let previous = v1::Logs {
        container: "main".into(),
        previous: true,
        tail_lines: Some(1),
        ..Default::default()
    };
    assert_eq!(collect(&node, ask(previous)).await, "line 3\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_reaches_the_runtime_and_back() {
    let mut node = TestNode::start().await;
    let p = pod("box", FOREVER);
    node.apply(&p).await;
    node.until_ready("box").await;
    assert_eq!(run_in(&node, &p, "echo out; echo $((6*7))").await, "out\n42\n");
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
async fn a_pod_whose_object_is_gone_ends_only_after_a_complete_state() {
    let mut node = TestNode::start().await;
    let p = pod("orphan", FOREVER);
    node.apply(&p).await;
    node.until_ready("orphan").await;
    node.kubelet.update(Update::Init).await;
    node.listen(Duration::from_secs(1)).await;
    assert!(node.ended.is_empty());
    assert_eq!(run_in(&node, &p, "echo here").await, "here\n");
    node.kubelet.update(Update::InitDone).await;
    node.until("it has ended", |n| n.ended.contains(&"orphan".into())).await;
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
async fn a_dead_runtime_is_started_again_and_pods_go_on() {
    let mut node = TestNode::start().await;
    let p = pod("steady", FOREVER);
    node.apply(&p).await;
    node.until_ready("steady").await;
    let id = ran(&node, "steady")["containerID"].clone();
    let file = node.config.run_dir.join("containerd/containerd.pid");
    let pid = std::fs::read_to_string(file).unwrap();
    let pid: i32 = pid.split(' ').next().unwrap().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
        .unwrap();
    let after = pod("after", FOREVER);
    node.apply(&after).await;
    node.until_ready("after").await;
    assert_eq!(ran(&node, "steady")["containerID"], id);
    assert_eq!(ran(&node, "steady")["restartCount"], 0);
    let status = node.node_status.clone().unwrap();
    assert_eq!(status["nodeInfo"]["operatingSystem"], "linux");
    assert_eq!(status["capacity"]["pods"], "110");
    assert!(status["images"].to_string().contains(BUSYBOX));
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
        let status = n.node_status.clone().unwrap_or_default();
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
async fn a_pod_deleted_while_the_agent_was_away_is_ended_when_it_is_back() {
    let mut node = TestNode::start().await;
    let (gone, kept) = (pod("gone", FOREVER), pod("kept", FOREVER));
    node.apply(&gone).await;
    node.apply(&kept).await;
    node.until("both are ready", |n| {
        n.condition("gone", "Ready") == "True" && n.condition("kept", "Ready") == "True"
    })
    .await;
    node.restart_kubelet(&[kept]).await;
    let directory = node.config.data_dir.join("pods/uid-gone");
    let begin = Instant::now();
    while directory.exists() {
        assert!(begin.elapsed() < Duration::from_secs(10), "the pod is still there");
        node.listen(Duration::from_millis(100)).await;
    }
    assert!(node.config.data_dir.join("pods/uid-kept").exists());
    assert_eq!(node.condition("kept", "Ready"), "True");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_sandbox_is_made_anew() {
    let mut node = TestNode::start().await;
    let p = pod("boxed", FOREVER);
    node.apply(&p).await;
    node.until_ready("boxed").await;
    let first = ran(&node, "boxed")["containerID"].clone();
    let pause = std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let groups = std::fs::read_to_string(entry.path().join("cgroup")).ok()?;
        let ours = groups.contains(&node.config.cgroup_root);
        (ours && line.starts_with(b"/pause")).then_some(pid)
    });
    let pause = nix::unistd::Pid::from_raw(pause.expect("the pause program runs"));
    nix::sys::signal::kill(pause, nix::sys::signal::Signal::SIGKILL).unwrap();
    node.until("it runs anew", |n| {
        n.condition("boxed", "Ready") == "True" && ran(n, "boxed")["containerID"] != first
    })
    .await;
    assert_eq!(ran(&node, "boxed")["restartCount"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn attach_and_port_forward_are_upgraded_by_the_runtime() {
    use v1::tunnel_data::Kind;
    let mut node = TestNode::start().await;
    let p = pod("streams", FOREVER);
    node.apply(&p).await;
    node.until_ready("streams").await;
    let attach = v1::Attach { container: "main".into(), stdout: true, ..Default::default() };
    let missing = v1::Attach { container: "none".into(), ..attach.clone() };
    let forward = v1::PortForward { ports: vec![80] };
    let cases = [
        (v1::tunnel_request::Kind::Attach(attach), "v4.channel.k8s.io", 101),
        (v1::tunnel_request::Kind::Attach(missing), "v4.channel.k8s.io", 404),
        (v1::tunnel_request::Kind::PortForward(forward), "portforward.k8s.io", 101),
    ];
    for (kind, protocol, expected) in cases {
        let header =
            |name: &str, value: &str| v1::Header { name: name.into(), value: value.into() };
        let request = v1::TunnelRequest {
            id: "t".into(),
            pod: Some(key("streams")),
            pod_uid: "uid-streams".into(),
            kind: Some(kind),
            method: "POST".into(),
            headers: vec![
                header("Connection", "Upgrade"),
                header("Upgrade", "SPDY/3.1"),
                header("X-Stream-Protocol-Version", protocol),
            ],
        };
        let mut answers = node.kubelet.tunnel(request, tokio_stream::pending());
        let Some(Kind::Opened(opened)) = answers.recv().await.unwrap().kind else { panic!() };
        assert_eq!(opened.status, expected, "{}", opened.message);
        if expected == 101 {
            let accepted = opened
                .headers
                .iter()
                .find(|h| h.name.eq_ignore_ascii_case("X-Stream-Protocol-Version"));
            assert_eq!(accepted.unwrap().value, protocol);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cleanup_leaves_nothing() {
    use sheave_kubelet::cleanup::{self, Leftover, Mode};
    let mut node = TestNode::start().await;
    let mut p = pod("messy", FOREVER);
    // With a network namespace of its own, which is a mount.
    node.configure_network("10.9.0.3");
    p["spec"]["hostNetwork"] = json!(false);
    p["spec"]["volumes"] = json!([{"name": "m", "emptyDir": {"medium": "Memory"}}]);
    p["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "m", "mountPath": "/m"}]);
    node.apply(&p).await;
    node.until_ready("messy").await;
    node.kubelet.stop();
    let listed = cleanup::run(&node.config, Mode::DryRun).unwrap();
    let has = |is: fn(&Leftover) -> bool| listed.iter().any(is);
    assert!(has(|l| matches!(l, Leftover::Process { name, .. } if name == "containerd")));
    assert!(has(|l| matches!(l, Leftover::Process { name, .. } if name == "pause")));
    assert!(has(|l| matches!(l, Leftover::Mount(_))) && has(|l| matches!(l, Leftover::Cgroup(_))));
    // The pod's network namespace is among what goes.
    assert!(has(
        |l| matches!(l, Leftover::Mount(path) if path.to_string_lossy().contains("netns"))
    ));
    cleanup::run(&node.config, Mode::Remove).unwrap();
    assert_eq!(cleanup::run(&node.config, Mode::DryRun).unwrap(), []);
    assert!(!node.config.data_dir.join("containerd").exists());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let ours = node.directory.path().display().to_string();
    assert_eq!(mounts.lines().find(|line| line.contains(&ours)), None);
}

fn object(name: &str, key_name: &str, value: &str) -> v1::DataObject {
    v1::DataObject {
        key: Some(key(name)),
        uid: name.into(),
        resource_version: String::new(),
        data: [(key_name.to_owned(), value.as_bytes().to_vec().into())].into(),
    }
}

/// All bytes of a tunnel without a client that says anything.
async fn collect(node: &TestNode, request: v1::TunnelRequest) -> String {
    use v1::tunnel_data::Kind;
    let mut answers = node.kubelet.tunnel(request, tokio_stream::pending());
    let mut text = Vec::new();
    while let Some(answer) = answers.recv().await {
        match answer.kind {
            Some(Kind::Opened(opened)) => assert_eq!(opened.status, 200, "{}", opened.message),
            Some(Kind::Data(bytes)) => text.extend_from_slice(&bytes),
            Some(Kind::HalfClose(_)) => break,
            other => panic!("{other:?}"),
        }
    }
    String::from_utf8(text).unwrap()
}

/// Runs a script in a pod through the exec tunnel, over WebSocket as kubectl does; gives its output.
async fn run_in(node: &TestNode, pod: &Value, script: &str) -> String {
    use v1::tunnel_data::Kind;
    let header = |name: &str, value: &str| v1::Header { name: name.into(), value: value.into() };
    let meta = &pod["metadata"];
    let request = v1::TunnelRequest {
        id: "exec".into(),
        pod: Some(key(meta["name"].as_str().unwrap())),
        pod_uid: meta["uid"].as_str().unwrap().into(),
        kind: Some(v1::tunnel_request::Kind::Exec(v1::Exec {
            container: "main".into(),
            command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            stdout: true,
            stderr: true,
            ..Default::default()
        })),
        method: "GET".into(),
        headers: vec![
            header("Connection", "Upgrade"),
            header("Upgrade", "websocket"),
            header("Sec-WebSocket-Version", "13"),
            header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            header("Sec-WebSocket-Protocol", "v4.channel.k8s.io"),
            header("Authorization", "Bearer not-for-the-runtime"),
        ],
    };
    let mut answers = node.kubelet.tunnel(request, tokio_stream::pending());
    let mut bytes = Vec::new();
    while let Some(answer) = answers.recv().await {
        match answer.kind {
            Some(Kind::Opened(opened)) => assert_eq!(opened.status, 101, "{}", opened.message),
            Some(Kind::Data(data)) => bytes.extend_from_slice(&data),
            Some(Kind::HalfClose(_)) => break,
            other => panic!("{other:?}"),
        }
    }
    stdout_of(&bytes)
}

/// Channel 1 of the frames of a server, which are not masked.
fn stdout_of(mut bytes: &[u8]) -> String {
    let mut text = Vec::new();
    while bytes.len() >= 2 {
        let (length, head) = match bytes[1] & 0x7f {
            126 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
            length => (usize::from(length), 2),
        };
        let payload = &bytes[head..head + length];
        if payload.first() == Some(&1) {
            text.extend_from_slice(&payload[1..]);
        }
        bytes = &bytes[head + length..];
    }
    String::from_utf8(text).unwrap()
}
