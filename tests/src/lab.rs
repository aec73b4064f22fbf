//! A node in network namespaces with the agent's own program, which serves manifests: pods behind veths as
//! the CNI plugin makes them, and a client outside. All of it goes with the value.
//!
//! ```text
//! outside 192.0.2.9 ... .24  cl0 --- up0  192.0.2.1 node  podN --- eth0  10.244.0.N pod
//! ```

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails, and says where")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use serde_json::Value;
use sheave_abi::endpoint::Endpoint;
use sheave_abi::order::Addr;
use sheave_dataplane::{Dataplane, DataplaneConfig, Sizes, TcAttachment};

use crate::agent_socket;
use crate::cgroup::TestCgroup;
use crate::netns::Netns;
use crate::node::BpffsDir;
use crate::pod_hook;
use crate::scratch;
use crate::wait;

/// Address of the node on its uplink.
pub const NODE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// Addresses of the client outside: the last bytes.
const OUTSIDE: std::ops::RangeInclusive<u8> = 9..=24;
/// Longer than the agent takes to start on a machine that has much else to do.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The node and what surrounds it.
pub struct Lab {
    /// The agent, while one runs.
    agent: Option<Child>,
    /// How the dataplane was installed, and would be again.
    pub config: DataplaneConfig,
    /// The node's network.
    pub node: Netns,
    /// The client's network.
    pub outside: Netns,
    /// By the last byte of the address.
    pub pods: BTreeMap<u8, Netns>,
    how: TcAttachment,
    dir: tempfile::TempDir,
    // After all else: what is attached is detached first.
    _bpffs: BpffsDir,
    cgroup: TestCgroup,
}

/// Where a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sockets {
    /// In the cgroup whose sockets are translated.
    Translated,
    /// Elsewhere: its packets are.
    Untouched,
}

impl Lab {
    /// A node with the dataplane installed, for maps of a machine of 2 GiB, and no agent yet.
    pub fn new(name: &str, how: TcAttachment) -> Self {
        Self::over(TestCgroup::new(name), how)
    }

    /// Likewise, whose socket hooks are at this cgroup.
    pub fn over(cgroup: TestCgroup, how: TcAttachment) -> Self {
        let (node, outside) = (Netns::new(), Netns::new());
        let bpffs = BpffsDir::new();
        let dir = scratch::directory("lab");
        std::fs::create_dir(dir.path().join("manifests")).unwrap();
        node.ip("link add up0 type veth peer name cl0");
        node.give("cl0", &outside);
        node.ip(&format!("addr add {NODE}/24 dev up0"));
        node.ip("link set up0 up");
        for last in OUTSIDE {
            outside.ip(&format!("addr add 192.0.2.{last}/24 dev cl0"));
        }
        outside.ip("link set cl0 up");
        outside.ip(&format!("route add default via {NODE}"));
        node.ip("route add default via 192.0.2.9");
        node.sysctl("net.ipv4.ip_forward", "1");
        let config = DataplaneConfig {
            bpffs_dir: bpffs.path.clone(),
            cgroup2_path: Some(cgroup.path().into()),
            uplinks: vec!["up0".into()],
            tc_attachment: Some(how),
            sizes: Some(Sizes::for_memory(2 << 30)),
            ..DataplaneConfig::default()
        };
        drop(node.run(|| Dataplane::open(&config)).unwrap());
        let pods = BTreeMap::new();
        Self { agent: None, config, node, outside, pods, how, dir, _bpffs: bpffs, cgroup }
    }

    /// The client's own addresses.
    pub fn outside_addresses() -> Vec<IpAddr> {
        OUTSIDE.map(|last| Ipv4Addr::new(192, 0, 2, last).into()).collect()
    }

    /// Adds the pod 10.244.0.`last`, as the CNI plugin does.
    pub fn add_pod(&mut self, last: u8) {
        let (pod, host_end) = (Netns::new(), format!("pod{last}"));
        let (pod_mac, host_mac) = ([2, 0, 0, 0, 0, last], [2, 0, 0, 0, 1, last]);
        let text = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
        let node = &self.node;
        node.ip(&format!(
            "link add {host_end} address {} type veth peer name eth0 address {}",
            text(host_mac),
            text(pod_mac)
        ));
        node.give("eth0", &pod);
        node.ip(&format!("link set {host_end} up"));
        pod.ip(&format!("addr add 10.244.0.{last}/32 dev eth0"));
        pod.ip("link set eth0 up");
        pod.ip(&format!("neigh add 169.254.1.1 lladdr {} dev eth0", text(host_mac)));
        pod.ip("route add 169.254.1.1 dev eth0 scope link");
        pod.ip("route add default via 169.254.1.1 dev eth0");
        node.ip(&format!("route add 10.244.0.{last}/32 dev {host_end}"));
        node.ip(&format!("neigh add 10.244.0.{last} lladdr {} dev {host_end}", text(pod_mac)));

        let bpffs = &self.config.bpffs_dir;
        let host_ifindex = pod_hook::attach(node, bpffs, &host_end, self.how);
        let dataplane = Dataplane::inspect(bpffs).unwrap();
        let endpoint = Endpoint { host_ifindex, pod_mac, host_mac };
        dataplane.put_endpoint(Addr::v4([10, 244, 0, last]), endpoint).unwrap();
        if let Some(cookie) = pod.run(sheave_dataplane::netns_cookie) {
            dataplane.put_namespace(Addr::v4([10, 244, 0, last]), cookie).unwrap();
        }
        self.pods.insert(last, pod);
    }

    /// Adds another node with the pod 10.244.1.9 behind the client outside, which routes: that node knows a
    /// way to the client past ours.
    pub fn other_node(&self) -> Netns {
        let (there, outside) = (Netns::new(), &self.outside);
        outside.ip("link add there0 type veth peer name eth0");
        outside.give("eth0", &there);
        outside.ip("addr add 198.51.100.1/24 dev there0");
        outside.ip("link set there0 up");
        outside.sysctl("net.ipv4.ip_forward", "1");
        outside.ip("route add 10.244.1.0/24 via 198.51.100.2");
        there.ip("addr add 198.51.100.2/24 dev eth0");
        there.ip("addr add 10.244.1.9/32 dev lo");
        there.ip("link set eth0 up");
        there.ip("route add default via 198.51.100.1");
        there
    }

    /// A directory for what the test wants to keep in files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Replaces the manifests that the agent serves, whole.
    pub fn serve(&self, manifests: &str) {
        self.serve_file("services", manifests);
    }

    /// Replaces one of several files of manifests.
    pub fn serve_file(&self, name: &str, manifests: &str) {
        let unfinished = self.dir.path().join("unfinished");
        std::fs::write(&unfinished, manifests).unwrap();
        std::fs::rename(&unfinished, self.manifests().join(format!("{name}.yaml"))).unwrap();
    }

    fn manifests(&self) -> PathBuf {
        self.dir.path().join("manifests")
    }

    /// Starts this agent program; the one before must have ended.
    pub fn start_agent(&mut self, program: &Path) {
        assert!(self.agent.is_none(), "one agent at a time");
        let path = |name: &str| self.dir.path().join(name);
        let mut command = Command::new(program);
        command.arg("--manifests").arg(self.manifests());
        command.arg("--data-dir").arg(path("data")).arg("--run-dir").arg(path("run"));
        command.arg("--bpffs-dir").arg(&self.config.bpffs_dir);
        command.arg("--cgroup2-path").arg(self.cgroup.path());
        command.args(["--node-name", "here", "--uplink", "up0", "--node-ip", &NODE.to_string()]);
        let log = std::fs::File::options().create(true).append(true).open(path("agent.log"));
        command.env("SHEAVE_LOG", "info").stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(log.unwrap());
        self.agent = Some(self.spawn(&self.node, Sockets::Untouched, command));
    }

    /// Waits until the agent has put a complete state into effect.
    pub fn wait_for_agent(&self) -> Value {
        let is_in_effect = |status: &Option<Value>| matches!(status, Some(s) if !s["services"]["inEffectAt"].is_null());
        let status =
            wait::until("the agent to serve", START_LIMIT, || self.ask("/status"), is_in_effect);
        status.unwrap()
    }

    /// Asks the agent at its socket.
    pub fn ask(&self, path: &str) -> Option<Value> {
        agent_socket::ask(&self.dir.path().join("run"), path)
    }

    /// What the agents have logged so far.
    pub fn agent_log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("agent.log")).unwrap_or_default()
    }

    /// Memory and processor time of the agent: its process.
    pub fn agent_pid(&self) -> Option<u32> {
        self.agent.as_ref().map(Child::id)
    }

    /// kill -9.
    pub fn kill_agent(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            agent.kill().unwrap();
            agent.wait().unwrap();
        }
    }

    /// Asks the agent to end, as a package manager does before it starts a new version.
    pub fn end_agent(&mut self) {
        let mut agent = self.agent.take().expect("an agent runs");
        let pid = nix::unistd::Pid::from_raw(agent.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert!(agent.wait().unwrap().success(), "an agent that is asked to end says 0");
    }

    /// Starts a program in a network of the lab.
    pub fn spawn(&self, netns: &Netns, sockets: Sockets, mut command: Command) -> Child {
        let file = netns.file().try_clone().unwrap();
        let procs = (sockets == Sockets::Translated).then(|| self.cgroup.procs());
        // SAFETY: between fork and exec, only system calls.
        unsafe {
            command.pre_exec(move || {
                if let Some(procs) = &procs {
                    std::fs::write(procs, "0")?;
                }
                Ok(setns(file.as_fd(), CloneFlags::CLONE_NEWNET)?)
            });
        }
        command.spawn().unwrap()
    }

    /// The kernel's ids of the programs that are attached by links, with where: another set with each
    /// version that is put to work.
    pub fn attached(&self) -> Vec<String> {
        let mut seen = Vec::new();
        let pods = self.pods.keys().map(|last| format!("pod{last}"));
        for interface in pods.chain(["up0".into()]) {
            let programs = self.node.run(|| sheave_dataplane::programs_at(&interface)).unwrap();
            seen.extend(programs.iter().map(|p| format!("{interface} {} {}", p.hook, p.id)));
        }
        seen
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.kill_agent();
        if std::thread::panicking() {
            eprintln!("the agents said:\n{}", self.agent_log());
        }
    }
}
