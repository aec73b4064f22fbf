//! Pods whose sockets are left alone, with the real hooks: what a pod's own kernel says of the connections
//! that it makes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use sheave_core::model::{Protocol::Tcp, Update};
use sheave_dataplane::{Dataplane, DataplaneConfig, Sizes};
use sheave_kubelet::SocketHooks;
use sheave_tests::kernel;
use sheave_tests::node::{BpffsDir, clean_up, complete, reconcile};
use sheave_tests::services::{service, slice};

use crate::node::{FOREVER, TestNode, container, pod};

/// As /proc/net/tcp writes 10.96.0.1:80 and 10.244.77.9:8080.
const SERVICE: &str = "0100600A:0050";
const BACKEND: &str = "094DF40A:1F90";
/// Makes a connection that nobody answers, and shows it.
const DIAL: &str = "nc 10.96.0.1 80 & while [ $(wc -l < /proc/net/tcp) -lt 2 ]; do sleep 0.1; done; \
                    cat /proc/net/tcp";
/// Gives a pod a way to everywhere that leads nowhere.
const ROUTE: &str = "nsenter --net=$CNI_NETNS ip link set lo up; \
                     nsenter --net=$CNI_NETNS ip address add 10.244.77.2/32 dev lo; \
                     nsenter --net=$CNI_NETNS ip route add default dev lo";

#[derive(Debug)]
struct Hooks(PathBuf);

impl SocketHooks for Hooks {
    fn leave_alone(&self, netns: &Path) -> Result<(), String> {
        sheave_dataplane::opt_out(&self.0, netns).map_err(|error| error.to_string())
    }

    fn forget(&self, netns: &Path) {
        // As the agent: one that has gone before leaves its entry.
        if let Err(error) = sheave_dataplane::opt_in(&self.0, netns) {
            eprintln!("{}: {error}", netns.display());
        }
    }
}

/// One service whose backend is nowhere, for all processes of this machine.
struct Services {
    dataplane: Dataplane,
    // After the dataplane: what is attached is detached first.
    bpffs: BpffsDir,
}

impl Services {
    fn start() -> Self {
        let bpffs = BpffsDir::new();
        let dataplane = Self::install(&bpffs);
        Self { dataplane, bpffs }
    }

    fn install(bpffs: &BpffsDir) -> Dataplane {
        let config = DataplaneConfig {
            bpffs_dir: bpffs.path.clone(),
            sizes: Some(Sizes::for_memory(0)),
            ..DataplaneConfig::default()
        };
        let mut dataplane = Dataplane::open(&config).unwrap();
        let web = Update::Service(service("web", Tcp, "10.96.0.1:80", None));
        let ledger = complete([web, slice("web", Tcp, 8080, &["10.244.77.9"])]);
        reconcile(&mut dataplane, &ledger);
        dataplane
    }

    /// Removed and installed anew: nothing is known of pods that run.
    fn install_anew(&mut self) {
        clean_up(&self.bpffs.path).unwrap();
        self.dataplane = Self::install(&self.bpffs);
    }

    /// How many network namespaces are left alone.
    fn left_alone(&self) -> usize {
        let maps = self.dataplane.occupancy().unwrap();
        maps.into_iter().find(|(map, ..)| *map == "OPTED_OUT").unwrap().1
    }

    async fn node(&self) -> TestNode {
        let hooks = Arc::new(Hooks(self.bpffs.path.clone()));
        let mut node = TestNode::start_with(|config| config.socket_hooks = Some(hooks)).await;
        node.until("the runtime is up", |n| !n.node_history.is_empty()).await;
        node.configure_network_with("10.244.77.2", ROUTE);
        node
    }
}

/// A pod of its own network that dials the service from an init container and from its own.
fn dialling(name: &str) -> Value {
    let mut pod = pod(name, &format!("{DIAL}; {FOREVER}"));
    pod["spec"]["hostNetwork"] = json!(false);
    pod["spec"]["initContainers"] = json!([container("first", DIAL)]);
    pod
}

fn off(mut pod: Value) -> Value {
    pod["metadata"]["annotations"] = json!({ "sheave.io/socket-hooks": "off" });
    pod
}

/// What the kernel of a pod showed in the containers' runs.
async fn dialled(node: &mut TestNode, pod: &Value, attempt: u32) -> Vec<String> {
    let mut seen = Vec::new();
    for container in ["first", "main"] {
        let shown = |n: &TestNode| n.log(pod, container, attempt).lines().count() > 1;
        for _ in 0..100 {
            if shown(node) {
                break;
            }
            node.listen(std::time::Duration::from_millis(100)).await;
        }
        let log = node.log(pod, container, attempt);
        let found = [SERVICE, BACKEND].into_iter().filter(|address| log.contains(address));
        seen.push(found.collect::<Vec<_>>().join(" and "));
    }
    seen
}

fn pause_of(node: &TestNode, uid: &str) -> nix::unistd::Pid {
    let pid = std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let groups = std::fs::read_to_string(entry.path().join("cgroup")).ok()?;
        let is_pods = groups.contains(&node.config.cgroup_root) && groups.contains(uid);
        (is_pods && line.starts_with(b"/pause")).then_some(pid)
    });
    nix::unistd::Pid::from_raw(pid.expect("the pause program runs"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_with_the_annotation_dials_the_service_itself_from_its_first_container_on() {
    if kernel::lacks(kernel::NETNS_COOKIE) {
        return;
    }
    let services = Services::start();
    let mut node = services.node().await;
    let (alone, other) = (off(dialling("alone")), dialling("other"));
    node.apply(&alone).await;
    node.apply(&other).await;
    node.until_ready("alone").await;
    node.until_ready("other").await;
    assert_eq!(dialled(&mut node, &alone, 0).await, [SERVICE, SERVICE]);
    assert_eq!(dialled(&mut node, &other, 0).await, [BACKEND, BACKEND]);
    assert_eq!(services.left_alone(), 1);
    node.delete(&other, 1).await;
    node.delete(&alone, 1).await;
    node.until("both have ended", |n| n.ended.len() == 2).await;
    assert_eq!(services.left_alone(), 0, "what has ended is not kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_holds_for_a_sandbox_that_is_made_anew_and_after_an_agent_that_is_started_anew() {
    if kernel::lacks(kernel::NETNS_COOKIE) {
        return;
    }
    let mut services = Services::start();
    let mut node = services.node().await;
    let alone = off(dialling("alone"));
    node.apply(&alone).await;
    node.until_ready("alone").await;
    let pause = pause_of(&node, "uid-alone");
    nix::sys::signal::kill(pause, nix::sys::signal::Signal::SIGKILL).unwrap();
    let again = |n: &TestNode| {
        crate::ran(n, "alone")["restartCount"] == 1 && n.condition("alone", "Ready") == "True"
    };
    node.until("it runs anew", again).await;
    assert_eq!(dialled(&mut node, &alone, 1).await, [SERVICE, SERVICE]);
    assert!(services.left_alone() > 0);

    services.install_anew();
    assert_eq!(services.left_alone(), 0);
    let mut known = alone.clone();
    known["status"] = node.status("alone").clone();
    node.restart_kubelet(std::slice::from_ref(&known)).await;
    let known_again = async {
        while services.left_alone() != 1 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let limit = std::time::Duration::from_secs(30);
    tokio::time::timeout(limit, known_again).await.expect("it is left alone again");
    node.delete(&known, 1).await;
    node.until("it has ended", |n| n.ended.len() == 1).await;
    assert_eq!(services.left_alone(), 0);
}

/// On a kernel that cannot, as an agent would say it.
#[derive(Debug)]
struct Unable;

impl SocketHooks for Unable {
    fn leave_alone(&self, _: &Path) -> Result<(), String> {
        Err("this kernel cannot".into())
    }

    fn forget(&self, _: &Path) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_left_alone_is_told_once_and_runs() {
    const REASON: &str = "FailedSocketOptOut";
    let mut node =
        TestNode::start_with(|config| config.socket_hooks = Some(Arc::new(Unable))).await;
    node.until("the runtime is up", |n| !n.node_history.is_empty()).await;
    node.configure_network("10.244.77.2");
    let mut own = off(pod("own", FOREVER));
    own["spec"]["hostNetwork"] = json!(false);
    node.apply(&own).await;
    node.apply(&off(pod("hosts", FOREVER))).await;
    node.until_ready("own").await;
    node.until_ready("hosts").await;
    assert!(node.has_event("own", REASON, "has no effect: this kernel cannot"));
    assert!(node.has_event("hosts", REASON, "is ignored: on the host network"));
    assert_eq!(node.events.iter().filter(|event| event.reason == REASON).count(), 2);
}
