//! A node and its pods as network namespaces, and the plugin run there as a runtime runs it.

use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sheave_abi::endpoint::Endpoint;
use sheave_cni::add::map_key;
use sheave_cni::bpf::{Endpoints, Namespaces};

use crate::pins::{self, Verdict};

/// A node: a namespace with an uplink of MTU 1400 and two addresses, a bpffs with the pins, a store.
pub(crate) struct Node {
    name: String,
    dir: tempfile::TempDir,
}

/// A disk without room, unmounted with the value.
pub(crate) struct FullDisk {
    path: PathBuf,
}

impl FullDisk {
    pub(crate) fn new(node: &Node) -> Self {
        let path = node.dir.path().join("disk");
        std::fs::create_dir(&path).unwrap();
        said(&["mount", "-t", "tmpfs", "-o", "size=16k", "none", path.to_str().unwrap()]);
        let disk = Self { path };
        std::fs::write(disk.path.join("filler"), [0; 16 << 10]).unwrap();
        disk
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What the network of the tests keeps there.
    pub(crate) fn files(&self) -> Vec<String> {
        names_in(&self.path.join("test")).collect()
    }

    pub(crate) fn make_room(&self) {
        std::fs::remove_file(self.path.join("filler")).unwrap();
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        output(&["umount", self.path.to_str().unwrap()]);
    }
}

/// A pod's namespace, removed with the value.
pub(crate) struct Pod {
    name: String,
    has_namespace: bool,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The plugin, built once by the cargo that runs the test; where there is no cargo, it is there already.
fn plugin() -> &'static Path {
    static PLUGIN: OnceLock<PathBuf> = OnceLock::new();
    PLUGIN.get_or_init(|| {
        if std::env::var_os("SHEAVE_TESTS_PREBUILT").is_none() {
            let built = Command::new(env!("CARGO"))
                .args(["build", "--quiet", "-p", "sheave-cni"])
                .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
                .status();
            assert!(built.unwrap().success(), "the plugin builds");
        }
        // target/debug/deps/<this test>
        std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("sheave-cni")
    })
}

fn output(words: &[&str]) -> Output {
    Command::new(words[0]).args(&words[1..]).output().unwrap()
}

fn said(words: &[&str]) -> String {
    let output = output(words);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", words.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

/// As a process of a named namespace, with the mounts of ours.
fn within<'a>(netns: &'a str, words: &[&'a str]) -> Vec<&'a str> {
    [&["nsenter", netns, "--"], words].concat()
}

impl Node {
    pub(crate) fn new(verdict: Verdict) -> Self {
        plugin();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("shvcni-{}-{number}", std::process::id());
        let dir = tempfile::Builder::new().prefix("shvcni").tempdir().unwrap();
        let node = Self { name, dir };
        let bpffs = node.bpffs();
        std::fs::create_dir(&bpffs).unwrap();
        said(&["mount", "-t", "bpf", "bpffs", bpffs.to_str().unwrap()]);
        pins::make(&bpffs, verdict);
        said(&["ip", "netns", "add", &node.name]);
        for command in [
            "ip link set lo up",
            "ip link add up0 mtu 1400 type veth peer name up1",
            "ip link add zz0 type veth peer name zz1",
            "ip address add 198.51.100.1/24 dev zz0",
            "ip address add 192.0.2.10/24 dev up0",
            "ip address add 2001:db8::10/64 dev up0 nodad",
            "ip link set up1 up",
            "ip link set zz0 up",
            "ip link set up0 up",
            "ip route add default via 192.0.2.1 dev up0",
        ] {
            node.run(&command.split(' ').collect::<Vec<_>>());
        }
        node
    }

    fn netns_argument(&self) -> String {
        format!("--net=/run/netns/{}", self.name)
    }

    pub(crate) fn bpffs(&self) -> PathBuf {
        self.dir.path().join("bpf")
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("addresses")
    }

    /// Runs a program on the node, which must succeed.
    pub(crate) fn run(&self, words: &[&str]) -> String {
        said(&within(&self.netns_argument(), words))
    }

    /// An interface, as `ip` describes it.
    pub(crate) fn link(&self, name: &str) -> Value {
        one_link(&self.run(&["ip", "-json", "link", "show", name]))
    }

    /// Where its namespace is named.
    pub(crate) fn netns_path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    /// The network configuration, with these keys over the usual ones.
    fn conf(&self, keys: &Value) -> Value {
        let mut conf = json!({
            "cniVersion": "1.0.0", "name": "test", "type": "sheave-cni",
            "ranges": ["10.244.7.0/24"], "nodeAddresses": ["192.0.2.10"],
            "dataDir": self.store(), "bpffsDir": self.bpffs(),
        });
        for (key, value) in keys.as_object().unwrap() {
            conf[key] = value.clone();
        }
        conf
    }

    fn start(&self, command: &str, pod: Option<&Pod>, keys: &Value) -> Child {
        let mut process = Command::new("nsenter");
        process.arg(self.netns_argument()).arg("--").arg(plugin());
        process.env_clear().env("CNI_COMMAND", command).env("CNI_PATH", "/opt/cni/bin");
        if let Some(pod) = pod {
            process.env("CNI_CONTAINERID", pod.container_id()).env("CNI_IFNAME", "eth0");
            process.env("CNI_NETNS", pod.netns_path());
        }
        let pipes = process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        let conf = self.conf(keys).to_string();
        // One that refuses its environment does not read on.
        let _ = child.stdin.take().unwrap().write_all(conf.as_bytes());
        child
    }

    /// Runs the plugin: its result, or its error result.
    pub(crate) fn command(
        &self,
        command: &str,
        pod: Option<&Pod>,
        keys: &Value,
    ) -> Result<Value, Value> {
        let output = self.start(command, pod, keys).wait_with_output().unwrap();
        let value = match output.stdout.as_slice() {
            [] => Value::Null,
            text => serde_json::from_slice(text).unwrap(),
        };
        if output.status.success() { Ok(value) } else { Err(value) }
    }

    pub(crate) fn cni(&self, command: &str, pod: &Pod, keys: Value) -> Result<Value, Value> {
        self.command(command, Some(pod), &keys)
    }

    /// Starts an ADD and kills it after a while; whether it was done before.
    pub(crate) fn killed_add(&self, pod: &Pod, after: Duration) -> bool {
        let mut child = self.start("ADD", Some(pod), &json!({}));
        std::thread::sleep(after);
        let _ = child.kill();
        child.wait().unwrap().success()
    }

    pub(crate) fn endpoint(&self, address: IpAddr) -> Option<Endpoint> {
        Endpoints::open(&self.bpffs()).unwrap().get(&map_key(address)).unwrap()
    }

    pub(crate) fn namespace(&self, address: IpAddr) -> Option<u64> {
        Namespaces::open(&self.bpffs()).unwrap().get(&map_key(address)).unwrap()
    }

    /// How many pods a map holds.
    pub(crate) fn entries(&self, pin: &str) -> usize {
        let path = self.bpffs().join(pin);
        let dump = said(&["bpftool", "--json", "map", "dump", "pinned", path.to_str().unwrap()]);
        serde_json::from_str::<Vec<Value>>(&dump).unwrap().len()
    }

    pub(crate) fn host_interfaces(&self) -> Vec<String> {
        let links = self.run(&["ip", "-json", "link"]);
        let links: Vec<Value> = serde_json::from_str(&links).unwrap();
        let names = links.iter().map(|link| link["ifname"].as_str().unwrap().to_owned());
        names.filter(|name| name.starts_with("shv")).collect()
    }

    pub(crate) fn records(&self) -> Vec<String> {
        names_in(&self.store().join("test")).filter(|name| name.starts_with("shv")).collect()
    }

    pub(crate) fn link_pins(&self) -> Vec<String> {
        names_in(&self.bpffs().join(sheave_abi::pins::POD_LINKS_DIR)).collect()
    }
}

fn one_link(text: &str) -> Value {
    let mut links: Vec<Value> = serde_json::from_str(text).unwrap();
    links.remove(0)
}

fn names_in(dir: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap())
}

impl Drop for Node {
    fn drop(&mut self) {
        output(&["ip", "netns", "del", &self.name]);
        output(&["umount", self.bpffs().to_str().unwrap()]);
    }
}

impl Pod {
    pub(crate) fn new(node: &Node, name: &str) -> Self {
        let mut pod = Self::named_only(node, name);
        pod.has_namespace = true;
        said(&["ip", "netns", "add", &pod.name]);
        pod
    }

    /// A pod without a namespace.
    pub(crate) fn named_only(node: &Node, name: &str) -> Self {
        Self { name: format!("{}-{name}", node.name), has_namespace: false }
    }

    /// Its namespace goes away.
    pub(crate) fn without_namespace(mut self) -> Self {
        self.remove_namespace();
        self
    }

    /// Of its namespace.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn container_id(&self) -> &str {
        &self.name
    }

    pub(crate) fn netns_path(&self) -> String {
        format!("/run/netns/{}", self.name)
    }

    /// Runs a program in the pod's namespace, which must succeed.
    pub(crate) fn run(&self, words: &[&str]) -> String {
        let argument = format!("--net={}", self.netns_path());
        said(&within(&argument, words))
    }

    /// An interface, as `ip` describes it.
    pub(crate) fn link(&self, name: &str) -> Value {
        one_link(&self.run(&["ip", "-json", "link", "show", name]))
    }

    /// Whether a program in the pod's namespace succeeds.
    pub(crate) fn try_run(&self, words: &[&str]) -> bool {
        let argument = format!("--net={}", self.netns_path());
        output(&within(&argument, words)).status.success()
    }

    fn remove_namespace(&mut self) {
        if std::mem::take(&mut self.has_namespace) {
            output(&["ip", "netns", "del", &self.name]);
        }
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.remove_namespace();
    }
}
