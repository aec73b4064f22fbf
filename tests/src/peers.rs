//! Nodes in network namespaces, each with the agent's own program, which serves the same manifests: pods behind
//! veths as the CNI plugin makes them, and a client outside that belongs to no node. On one link, or each on a
//! link of its own behind a router that knows no pods and takes nothing that comes from one.
//!
//! ```text
//!                        router  192.0.2.254 | .254 of each node's own link
//! node n: 192.0.2.n on the link, or 203.0.n.2 behind the router; 2001:db8::n, or 2001:db8:n::2
//! pods of n: 10.244.n.P and fd00:244:n::P          outside: 198.51.100.9 and 2001:db8:9::9
//! ```

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails, and says where")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use serde_json::Value;
use sheave_abi::endpoint::Endpoint;
use sheave_abi::event::Event;
use sheave_abi::order::Addr;
use sheave_dataplane::Dataplane;

use crate::agent_socket;
use crate::cgroup::TestCgroup;
use crate::kernel;
use crate::netns::Netns;
use crate::node::BpffsDir;
use crate::pod_hook;
use crate::scratch;
use crate::wait;

/// Longer than the agent takes to start on a machine that has much else to do.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Of pods' interfaces, as the CNI plugin makes them.
const POD_MTU: u32 = 65_520;

/// How the nodes are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// All on one link.
    Link,
    /// Each on its own, with a router between.
    Router,
}

/// The nodes and what surrounds them.
pub struct Nodes {
    /// By number, from 1 on.
    pub nodes: BTreeMap<u8, Node>,
    /// Who belongs to no node.
    pub outside: Netns,
    /// The network between.
    pub router: Netns,
    between: Between,
    program: PathBuf,
    manifests: tempfile::TempDir,
}

/// One of them.
pub struct Node {
    /// Its network.
    pub netns: Netns,
    /// Its pods, by the last byte of their address.
    pub pods: BTreeMap<u8, Netns>,
    number: u8,
    agent: Option<Child>,
    flags: Vec<String>,
    dir: tempfile::TempDir,
    // After all else: what is attached is detached first.
    bpffs: BpffsDir,
    cgroup: TestCgroup,
}

/// An address as the maps have it.
pub fn addr(text: &str) -> Addr {
    match text.parse().unwrap() {
        std::net::IpAddr::V4(ip) => Addr::v4(ip.octets()),
        std::net::IpAddr::V6(ip) => Addr::v6(ip.octets()),
    }
}

fn host() -> Netns {
    let netns = Netns::new();
    netns.sysctl("net.ipv6.conf.default.accept_dad", "0");
    netns
}

impl Nodes {
    /// So many nodes without an agent.
    pub fn new(name: &str, between: Between, count: u8, program: &Path) -> Self {
        let (router, outside) = (host(), host());
        router.sysctl("net.ipv4.ip_forward", "1");
        router.sysctl("net.ipv6.conf.all.forwarding", "1");
        if between == Between::Link {
            router.ip("link add br0 type bridge");
            router.ip("addr add 192.0.2.254/24 dev br0");
            router.ip("addr add 2001:db8::fe/64 dev br0");
            router.ip("link set br0 up");
        }
        router.ip("link add out0 type veth peer name eth0");
        router.give("eth0", &outside);
        for (netns, interface, last) in [(&router, "out0", "1"), (&outside, "eth0", "9")] {
            netns.ip(&format!("addr add 198.51.100.{last}/24 dev {interface}"));
            netns.ip(&format!("addr add 2001:db8:9::{last}/64 dev {interface}"));
            netns.ip(&format!("link set {interface} up"));
        }
        outside.ip("route add default via 198.51.100.1");
        outside.ip("route add default via 2001:db8:9::1");
        let mut nodes = Self {
            nodes: BTreeMap::new(),
            outside,
            router,
            between,
            program: program.into(),
            manifests: scratch::directory("manifests"),
        };
        for number in 1..=count {
            nodes.add(&format!("{name}-{number}"), number);
        }
        // Nothing with an address that the router has no way to: it knows no pods.
        nodes.router.sysctl("net.ipv4.conf.all.rp_filter", "1");
        nodes.serve("");
        nodes
    }

    /// Addresses of a node, IPv4 first.
    pub fn addresses(&self, number: u8) -> [String; 2] {
        match self.between {
            Between::Link => [format!("192.0.2.{number}"), format!("2001:db8::{number}")],
            Between::Router => [format!("203.0.{number}.2"), format!("2001:db8:{number}::2")],
        }
    }

    fn add(&mut self, name: &str, number: u8) {
        let netns = host();
        let link = format!("n{number}");
        self.router.ip(&format!("link add {link} type veth peer name up0"));
        self.router.give("up0", &netns);
        let gateways = match self.between {
            Between::Link => {
                self.router.ip(&format!("link set {link} master br0"));
                ["192.0.2.254".to_owned(), "2001:db8::fe".to_owned()]
            }
            Between::Router => {
                let gateways = [format!("203.0.{number}.254"), format!("2001:db8:{number}::fe")];
                for (gateway, len) in gateways.iter().zip([24, 64]) {
                    self.router.ip(&format!("addr add {gateway}/{len} dev {link}"));
                }
                gateways
            }
        };
        self.router.ip(&format!("link set {link} up"));
        for (address, len) in self.addresses(number).iter().zip([24, 64]) {
            netns.ip(&format!("addr add {address}/{len} dev up0"));
        }
        netns.ip("link set up0 up");
        for gateway in gateways {
            netns.ip(&format!("route add default via {gateway}"));
        }
        let node = Node {
            netns,
            pods: BTreeMap::new(),
            number,
            agent: None,
            flags: self.flags(number),
            dir: scratch::directory("node"),
            bpffs: BpffsDir::new(),
            cgroup: TestCgroup::new(name),
        };
        self.nodes.insert(number, node);
    }

    fn flags(&self, number: u8) -> Vec<String> {
        let [v4, v6] = self.addresses(number);
        let words = format!(
            "--node-name n{number} --node-ip {v4} --node-ip {v6} --uplink up0 --xdp off --dns-port 0 \
             --service-cidr 10.96.0.0/16 --service-cidr fd00:96::/112 \
             --pod-cidr 10.244.{number}.0/24 --pod-cidr fd00:244:{number}::/64 \
             --cluster-pod-cidr 10.244.0.0/16 --cluster-pod-cidr fd00:244::/32"
        );
        let manifests = self.manifests.path().to_str().unwrap();
        let words = words.split_whitespace().map(str::to_owned);
        words.chain(["--manifests".into(), manifests.into()]).collect()
    }

    /// Replaces the manifests: the nodes, and these.
    pub fn serve(&self, manifests: &str) {
        let numbers: Vec<u8> = self.nodes.keys().copied().collect();
        self.serve_with(&numbers, manifests);
    }

    /// Likewise, of these nodes alone.
    pub fn serve_with(&self, numbers: &[u8], manifests: &str) {
        let mut all = manifests.to_owned();
        for number in numbers {
            let [v4, v6] = self.addresses(*number);
            write!(
                all,
                "\n---\nkind: Node\nmetadata: {{name: n{number}}}\n\
                 spec: {{podCIDRs: [10.244.{number}.0/24, 'fd00:244:{number}::/64']}}\n\
                 status: {{addresses: [{{type: InternalIP, address: {v4}}}, \
                 {{type: InternalIP, address: '{v6}'}}]}}\n"
            )
            .unwrap();
        }
        let unfinished = self.manifests.path().join("unfinished");
        std::fs::write(&unfinished, all).unwrap();
        std::fs::rename(&unfinished, self.manifests.path().join("all.yaml")).unwrap();
    }

    /// Starts a node's agent with these flags more, and waits until it serves.
    pub fn start(&mut self, number: u8, more: &[&str]) {
        let program = self.program.clone();
        let others = self.nodes.len() - 1;
        let node = self.nodes.get_mut(&number).unwrap();
        node.start(&program, more);
        node.wait_for_agent(others);
    }

    /// A node.
    pub fn node(&self, number: u8) -> &Node {
        &self.nodes[&number]
    }

    /// A node, to be changed.
    pub fn node_mut(&mut self, number: u8) -> &mut Node {
        self.nodes.get_mut(&number).unwrap()
    }
}

impl Node {
    fn start(&mut self, program: &Path, more: &[&str]) {
        assert!(self.agent.is_none(), "one agent at a time");
        let path = |name: &str| self.dir.path().join(name);
        let mut command = Command::new(program);
        command.args(&self.flags).args(more);
        command.arg("--data-dir").arg(path("data")).arg("--run-dir").arg(path("run"));
        command.arg("--bpffs-dir").arg(&self.bpffs.path);
        command.arg("--cgroup2-path").arg(self.cgroup.path());
        let log = std::fs::File::options().create(true).append(true).open(path("agent.log"));
        command.env("SHEAVE_LOG", "info").stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(log.unwrap());
        let file = self.netns.file().try_clone().unwrap();
        // SAFETY: between fork and exec, only system calls.
        unsafe {
            command.pre_exec(move || Ok(setns(file.as_fd(), CloneFlags::CLONE_NEWNET)?));
        }
        self.agent = Some(command.spawn().unwrap());
    }

    fn wait_for_agent(&self, others: usize) {
        let reached = |status: &Value| status["podNetwork"]["nodes"].as_array().map_or(0, Vec::len);
        let is_there = |status: &Option<Value>| {
            status.as_ref().is_some_and(|status| reached(status) == others)
        };
        wait::until("the agent to serve", START_LIMIT, || self.ask("/status"), is_there);
    }

    /// Asks the agent at its socket.
    pub fn ask(&self, path: &str) -> Option<Value> {
        agent_socket::ask(&self.dir.path().join("run"), path)
    }

    /// kill -9.
    pub fn kill_agent(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            agent.kill().unwrap();
            agent.wait().unwrap();
        }
    }

    /// Takes the agent and all that it made away, as `sheave down` does.
    pub fn clean_up(&mut self, program: &Path) {
        self.kill_agent();
        let path = |name: &str| self.dir.path().join(name).to_str().unwrap().to_owned();
        let bpffs = self.bpffs.path.to_str().unwrap();
        let words = ["--data-dir", &path("data"), "--run-dir", &path("run"), "--bpffs-dir", bpffs];
        let command = format!("cleanup {}", words.join(" "));
        self.netns.command(program.to_str().unwrap(), &command);
    }

    /// What the agents have logged so far.
    pub fn agent_log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("agent.log")).unwrap_or_default()
    }

    /// The maps.
    pub fn maps(&self) -> Dataplane {
        Dataplane::inspect(&self.bpffs.path).unwrap()
    }

    /// Where its programs and maps are pinned.
    pub fn bpffs_dir(&self) -> &Path {
        &self.bpffs.path
    }

    /// How often `event` was counted.
    pub fn counter(&self, event: Event) -> u64 {
        let counters = self.maps().counters().unwrap();
        counters.into_iter().find(|(e, _)| *e == event).unwrap().1
    }

    /// Fails if anything was dropped.
    pub fn assert_nothing_dropped(&self) {
        for event in Event::ALL.iter().filter(|event| event.is_drop()) {
            assert_eq!(self.counter(*event), 0, "node {}: {}", self.number, event.name());
        }
    }

    /// Addresses of a pod, IPv4 first.
    pub fn pod_addresses(&self, last: u8) -> [String; 2] {
        let number = self.number;
        [format!("10.244.{number}.{last}"), format!("fd00:244:{number}::{last}")]
    }

    /// Adds a pod, as the CNI plugin does: packets elsewhere have at most `mtu` bytes. The agent has run.
    pub fn add_pod(&mut self, last: u8, mtu: u32) {
        let (pod, host_end) = (host(), format!("pod{last}"));
        let (pod_mac, host_mac) =
            ([2, 0, 0, 0, self.number, last], [2, 0, 0, 1, self.number, last]);
        let text = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
        let (pod_text, host_text) = (text(pod_mac), text(host_mac));
        let node = &self.netns;
        node.ip(&format!(
            "link add {host_end} mtu {POD_MTU} address {host_text} type veth peer name eth0 mtu {POD_MTU} \
             address {pod_text}"
        ));
        node.give("eth0", &pod);
        node.ip(&format!("link set {host_end} up"));
        pod.ip("link set eth0 up");
        let addresses = self.pod_addresses(last);
        for ((address, len), gateway) in
            addresses.iter().zip([32, 128]).zip(["169.254.1.1", "fe80::1"])
        {
            pod.ip(&format!("addr add {address}/{len} dev eth0"));
            pod.ip(&format!("neigh add {gateway} lladdr {host_text} dev eth0"));
            pod.ip(&format!("route add default via {gateway} dev eth0 onlink mtu {mtu}"));
            node.ip(&format!("route add {address}/{len} dev {host_end}"));
            node.ip(&format!("neigh add {address} lladdr {pod_text} dev {host_end}"));
        }
        let bpffs = &self.bpffs.path;
        let host_ifindex = pod_hook::attach(node, bpffs, &host_end, kernel::tc_attachment());
        let maps = self.maps();
        for address in &addresses {
            let addr = addr(address);
            maps.put_endpoint(addr, Endpoint { host_ifindex, pod_mac, host_mac }).unwrap();
            if let Some(cookie) = pod.run(sheave_dataplane::netns_cookie) {
                maps.put_namespace(addr, cookie).unwrap();
            }
        }
        self.pods.insert(last, pod);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill_agent();
        if std::thread::panicking() {
            eprintln!("the agents of node {} said:\n{}", self.number, self.agent_log());
        }
    }
}
