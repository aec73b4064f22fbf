//! What goes wrong: crashes, kills, and agents, runtimes or objects that go away.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sheave_kubelet::Update;

use crate::node::{BUSYBOX, FOREVER, TestNode, pod};
use crate::ran;
use crate::tunnel::run_in;

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
    let status = node.node_history.last().cloned().unwrap();
    assert_eq!(status["nodeInfo"]["operatingSystem"], "linux");
    assert_eq!(status["capacity"]["pods"], "110");
    assert!(status["images"].to_string().contains(BUSYBOX));
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

/// What is recalled may lack the pods that came last before the agent was killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_nobody_recalls_runs_on_until_a_complete_state_lacks_it() {
    let mut node = TestNode::start().await;
    let (late, kept) = (pod("late", FOREVER), pod("kept", FOREVER));
    node.apply(&late).await;
    node.apply(&kept).await;
    node.until_ready("late").await;
    node.until_ready("kept").await;
    let before = ran(&node, "late")["containerID"].clone();
    node.statuses.clear();
    node.restart_kubelet_with(std::slice::from_ref(&kept), Update::Recalled).await;
    node.until_ready("kept").await;
    // Longer than what nobody knows takes to end.
    node.listen(Duration::from_secs(8)).await;

    let tell = async |node: &TestNode, pods: &[&Value]| {
        node.kubelet.update(Update::Init).await;
        for pod in pods {
            node.apply(pod).await;
        }
        node.kubelet.update(Update::InitDone).await;
    };
    tell(&node, &[&late, &kept]).await;
    node.until_ready("late").await;
    assert_eq!(ran(&node, "late")["containerID"], before, "it has run all the time");

    node.restart_kubelet_with(std::slice::from_ref(&kept), Update::Recalled).await;
    tell(&node, &[&kept]).await;
    let directory = node.config.data_dir.join("pods/uid-late");
    node.until("the pod has ended", |_| !directory.exists()).await;
    assert!(node.config.data_dir.join("pods/uid-kept").exists());
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

#[tokio::test(flavor = "multi_thread")]
async fn a_node_stays_ready_while_its_agent_starts_anew() {
    let mut node = TestNode::start().await;
    node.configure_network("10.9.0.2");
    let ready = |status: &Value| {
        let conditions = status["conditions"].as_array().unwrap();
        let ready = conditions.iter().find(|c| c["type"] == "Ready").unwrap();
        (ready["status"].clone(), ready["lastTransitionTime"].clone())
    };
    node.until("it is ready", |n| n.node_history.last().is_some_and(|s| ready(s).0 == "True"))
        .await;
    let before = ready(node.node_history.last().unwrap());
    // Times have no fractions of a second.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    node.node_history.clear();
    node.events.clear();
    node.restart_kubelet(&[]).await;
    let registered: Value = serde_json::from_slice(&node.kubelet.node_object()).unwrap();
    assert_eq!(ready(&registered["status"]), before);
    node.until("it is looked at", |n| !n.node_history.is_empty()).await;
    for status in &node.node_history {
        assert_eq!(ready(status), before);
    }
    assert!(node.events.iter().all(|event| event.kind != "Node"), "{:#?}", node.events);
}
