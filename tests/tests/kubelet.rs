//! The kubelet against a real containerd.

mod kubelet_node;

use std::time::Duration;

use kubelet_node::{FOREVER, TestNode, pod};
use serde_json::json;

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
    let container = &status["containerStatuses"][0];
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
