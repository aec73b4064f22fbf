//! A kubelet with a containerd of its own in a directory of its own, for the tests that need the real
//! thing. All that it starts is taken away when it is dropped, also when a test fails.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sheave_core::model::HostPort;
use sheave_kubelet::{Kubelet, KubeletConfig, ManagedRuntime, Outgoing, RuntimeChoice, Update};
use sheave_push::v1;
use tokio::sync::mpsc;

/// The image that test pods run.
pub(crate) const BUSYBOX: &str = "sheave.test/busybox:1";
/// More than any single wait of these tests should take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Without a word of the kubelet.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

static COUNTER: AtomicU32 = AtomicU32::new(0);

pub(crate) struct TestNode {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) config: KubeletConfig,
    pub(crate) kubelet: Kubelet,
    outgoing: mpsc::Receiver<Outgoing>,
    pub(crate) statuses: HashMap<String, Value>,
    /// Every status of every pod, in order.
    pub(crate) history: Vec<(String, Value)>,
    pub(crate) events: Vec<v1::Event>,
    pub(crate) ended: Vec<String>,
    /// Every status of the node, in order.
    pub(crate) node_history: Vec<Value>,
    /// Every set of host ports that was said, in order.
    pub(crate) host_ports: Vec<Vec<HostPort>>,
}

impl TestNode {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut KubeletConfig)) -> Self {
        let directory = sheave_tests::scratch::directory("kubelet");
        let root = directory.path();
        let images = root.join("images");
        std::fs::create_dir_all(&images).unwrap();
        std::fs::write(images.join("busybox.tar"), busybox_archive()).unwrap();
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let mut config = KubeletConfig::new("test-node", vec!["127.0.0.1".parse().unwrap()]);
        config.data_dir = root.join("data");
        config.run_dir = root.join("run");
        config.log_dir = root.join("logs");
        config.image_dir = Some(images);
        config.cgroup_root = format!("/sheave-test-{}-{number}", std::process::id());
        config.runtime = RuntimeChoice::Managed(ManagedRuntime {
            pause_program: pause_program(),
            cni_bin_dirs: vec![root.join("cni/bin")],
            cni_conf_dir: root.join("cni/net.d"),
            ..ManagedRuntime::default()
        });
        change(&mut config);
        let (kubelet, outgoing) = Kubelet::start(config.clone()).await.unwrap();
        kubelet.update(Update::Init).await;
        kubelet.update(Update::InitDone).await;
        Self {
            directory,
            config,
            kubelet,
            outgoing,
            statuses: HashMap::new(),
            history: Vec::new(),
            events: Vec::new(),
            ended: Vec::new(),
            node_history: Vec::new(),
            host_ports: Vec::new(),
        }
    }

    /// A network whose plugin gives every pod the same address and nothing else.
    pub(crate) fn configure_network(&self, pod_ip: &str) {
        self.configure_network_with(pod_ip, ":");
    }

    /// The plugin runs `commands` for each pod that it is asked to add.
    pub(crate) fn configure_network_with(&self, pod_ip: &str, commands: &str) {
        use std::os::unix::fs::PermissionsExt;
        let root = self.directory.path().join("cni");
        let plugin = root.join("bin/fixed");
        let result = format!(
            r#"{{"cniVersion":"1.0.0","interfaces":[{{"name":"eth0","sandbox":"x"}}],"ips":[{{"interface":0,"address":"{pod_ip}/32"}}]}}"#
        );
        let script = format!(
            "#!/bin/sh\nPATH=$PATH:/usr/sbin:/sbin\n\
             [ \"$CNI_COMMAND\" = ADD ] && {{ {commands}; echo '{result}'; }}\n\
             [ \"$CNI_COMMAND\" = VERSION ] && echo '{{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[\"1.0.0\"]}}'\n\
             exit 0\n"
        );
        std::fs::write(&plugin, script).unwrap();
        std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755)).unwrap();
        let conflist = r#"{"cniVersion":"1.0.0","name":"test","plugins":[{"type":"fixed"}]}"#;
        std::fs::write(root.join("net.d/10-test.conflist"), conflist).unwrap();
    }

    /// As an agent that was killed and started again: nothing is told to the runtime.
    pub(crate) async fn restart_kubelet(&mut self, pods: &[Value]) {
        self.restart_kubelet_with(pods, Update::InitDone).await;
    }

    /// Likewise, told of these pods until `end`.
    pub(crate) async fn restart_kubelet_with(&mut self, pods: &[Value], end: Update) {
        self.kubelet.stop();
        let (kubelet, outgoing) = Kubelet::start(self.config.clone()).await.unwrap();
        (self.kubelet, self.outgoing) = (kubelet, outgoing);
        self.kubelet.update(Update::Init).await;
        for pod in pods {
            self.apply(pod).await;
        }
        self.kubelet.update(end).await;
    }

    pub(crate) async fn apply(&self, pod: &Value) {
        let meta = &pod["metadata"];
        let pod = v1::Pod {
            key: Some(key(meta["name"].as_str().unwrap())),
            uid: meta["uid"].as_str().unwrap().into(),
            object: pod.to_string().into(),
        };
        self.kubelet.update(Update::Pod(pod)).await;
    }

    /// Marks a pod as deleted, as the API server does.
    pub(crate) async fn delete(&self, pod: &Value, grace_s: u32) {
        let mut pod = pod.clone();
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace_s);
        self.apply(&pod).await;
    }

    /// Takes what the kubelet says until `is_true`, which need not be of its saying; fails with what is known
    /// when that takes too long.
    pub(crate) async fn until(&mut self, what: &str, is_true: impl Fn(&Self) -> bool) -> Duration {
        let begin = Instant::now();
        while !is_true(self) {
            let is_late = begin.elapsed() > PATIENCE;
            assert!(!is_late, "not after {PATIENCE:?}: {what}\n{}", self.describe());
            match tokio::time::timeout(LOOK_AGAIN, self.outgoing.recv()).await {
                Ok(Some(message)) => self.note(message),
                Ok(None) => panic!("the kubelet ended while waiting until {what}"),
                Err(_) => {}
            }
        }
        begin.elapsed()
    }

    /// Takes what the kubelet says for a while.
    pub(crate) async fn listen(&mut self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while let Ok(Some(message)) = tokio::time::timeout_at(end, self.outgoing.recv()).await {
            self.note(message);
        }
    }

    fn note(&mut self, message: Outgoing) {
        match message {
            Outgoing::PodStatus(status) => {
                let name = status.pod.unwrap().name;
                let json: Value = serde_json::from_slice(&status.status).unwrap();
                self.history.push((name.clone(), json.clone()));
                self.statuses.insert(name, json);
            }
            Outgoing::PodEnded(ended) => self.ended.push(ended.pod.unwrap().name),
            Outgoing::Event(event) => self.events.push(event),
            Outgoing::NodeStatus(json) => {
                self.node_history.push(serde_json::from_slice(&json).unwrap());
            }
            Outgoing::HostPorts(said) => self.host_ports.push(said.ports),
        }
    }

    pub(crate) async fn until_phase(&mut self, name: &str, phase: &str) -> Duration {
        self.until(&format!("{name} is {phase}"), |n| n.status(name)["phase"] == phase).await
    }

    pub(crate) async fn until_ready(&mut self, name: &str) -> Duration {
        self.until(&format!("{name} is ready"), |n| n.condition(name, "Ready") == "True").await
    }

    pub(crate) fn status(&self, name: &str) -> &Value {
        self.statuses.get(name).unwrap_or(&Value::Null)
    }

    pub(crate) fn condition(&self, name: &str, kind: &str) -> &str {
        let conditions = self.status(name)["conditions"].as_array();
        let found = conditions.into_iter().flatten().find(|c| c["type"] == kind);
        found.and_then(|c| c["status"].as_str()).unwrap_or("")
    }

    pub(crate) fn has_event(&self, pod: &str, reason: &str, part: &str) -> bool {
        self.events.iter().any(|event| {
            event.object.as_ref().is_some_and(|object| object.name == pod)
                && event.reason == reason
                && event.message.contains(part)
        })
    }

    fn describe(&self) -> String {
        let mut text = String::new();
        for (name, status) in &self.statuses {
            text.push_str(&format!("{name}: {status:#}\n"));
        }
        for event in &self.events {
            let pod = event.object.as_ref().map(|object| object.name.as_str()).unwrap_or("");
            text.push_str(&format!("{pod}: {} {}\n", event.reason, event.message));
        }
        let log = self.config.data_dir.join("containerd/containerd.log");
        let log = std::fs::read_to_string(log).unwrap_or_default();
        let tail: Vec<_> = log.lines().rev().take(30).collect();
        text.push_str(&tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        text
    }

    /// Runs crictl's question without crictl: the log of a run.
    pub(crate) fn log(&self, pod: &Value, container: &str, attempt: u32) -> String {
        let meta = &pod["metadata"];
        let directory =
            format!("default_{}_{}", meta["name"].as_str().unwrap(), meta["uid"].as_str().unwrap());
        let path =
            self.config.log_dir.join(directory).join(container).join(format!("{attempt}.log"));
        std::fs::read_to_string(path).unwrap_or_default()
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        // Otherwise it would start its containerd again.
        self.kubelet.stop();
        let left =
            sheave_kubelet::cleanup::run(&self.config, sheave_kubelet::cleanup::Mode::Remove);
        if let Err(error) = left {
            eprintln!(
                "{}: {error}: {:?}",
                self.directory.path().display(),
                std::error::Error::source(&error)
            );
        }
    }
}

pub(crate) fn key(name: &str) -> v1::ObjectKey {
    v1::ObjectKey { namespace: "default".into(), name: name.into() }
}

/// A pod on the host network that runs a shell script.
pub(crate) fn pod(name: &str, script: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": "default", "name": name, "uid": format!("uid-{name}"),
            "labels": {"app": name}, "generation": 1},
        "spec": {
            "hostNetwork": true, "terminationGracePeriodSeconds": 5,
            "containers": [container("main", script)],
        },
    })
}

pub(crate) fn container(name: &str, script: &str) -> Value {
    json!({"name": name, "image": BUSYBOX, "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", script]})
}

/// A script that runs until it is asked to end, and then ends at once.
pub(crate) const FOREVER: &str = "trap 'exit 0' TERM; while :; do sleep 0.2; done";

fn pause_program() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let built = root.join("target/pause/pause");
    if !built.exists() {
        let status = Command::new(env!("CARGO"))
            .current_dir(root)
            .args(["build", "--profile", "pause", "--package", "sheave-pause"])
            .args(["--features", "program", "--bin", "pause"])
            .status()
            .unwrap();
        assert!(status.success(), "the pause program does not build");
    }
    built
}

/// Busybox as an image, in docker's archive layout.
fn busybox_archive() -> Vec<u8> {
    let busybox = std::fs::read("/bin/busybox").expect("apt-get install busybox-static");
    let mut layer = tar::Builder::new(Vec::new());
    for directory in ["bin/", "tmp/", "etc/"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o777);
        header.set_size(0);
        layer.append_data(&mut header, directory, std::io::empty()).unwrap();
    }
    append(&mut layer, "bin/busybox", &busybox, 0o755);
    for applet in [
        "sh", "sleep", "cat", "echo", "test", "touch", "rm", "nc", "id", "hostname", "env", "ls",
        "stat", "tar", "kill", "httpd", "mkdir", "printf", "seq", "head", "wc", "mount",
        "readlink",
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        layer.append_link(&mut header, format!("bin/{applet}"), "busybox").unwrap();
    }
    let layer = layer.into_inner().unwrap();
    // containerd checks the layer against its digest.
    let config = json!({"architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux", "config": {"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(&layer))]}});
    let manifest =
        json!([{"Config": "config.json", "RepoTags": [BUSYBOX], "Layers": ["layer.tar"]}]);
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, "config.json", config.to_string().as_bytes(), 0o644);
    append(&mut archive, "layer.tar", &layer, 0o644);
    append(&mut archive, "manifest.json", manifest.to_string().as_bytes(), 0o644);
    archive.into_inner().unwrap()
}

fn append(archive: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8], mode: u32) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    archive.append_data(&mut header, path, content).unwrap();
}

fn sha256(content: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}
