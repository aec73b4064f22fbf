//! The agent's program on a node of its own, fed from manifests: it refuses what cannot work, serves,
//! leaves the maps alone when it comes back, and takes everything away.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(20);

const WEB: &str = "
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.7, ports: [{port: 80}]}
---
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [10.244.0.2]}, {addresses: [10.244.0.3]}]
";

/// A network namespace with an uplink, a cgroup, and directories; all removed with the value.
struct Node {
    name: String,
    dir: tempfile::TempDir,
    cgroup: PathBuf,
}

struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn must(words: &str) {
    let words: Vec<&str> = words.split_whitespace().collect();
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Node {
    fn new(test: &str) -> Self {
        let name = format!("shvagent-{}-{test}", std::process::id());
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let cgroup2 = mounts.lines().find(|line| line.contains(" cgroup2 ")).unwrap();
        let cgroup = Path::new(cgroup2.split(' ').nth(1).unwrap()).join(&name);
        std::fs::create_dir(&cgroup).unwrap();
        let dir = tempfile::Builder::new().prefix("shvagent").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("manifests")).unwrap();
        let node = Self { name, dir, cgroup };
        must(&format!("ip netns add {}", node.name));
        for command in [
            // IPv4 settings of a new namespace are copies of the machine's.
            "sysctl -qw net.ipv4.ip_forward=0",
            "ip link set lo up",
            "ip link add up0 type veth peer name up1",
            "ip address add 192.0.2.10/24 dev up0",
            "ip link set up0 up",
            "ip link set up1 up",
            "ip route add default via 192.0.2.1",
        ] {
            must(&format!("ip netns exec {} {command}", node.name));
        }
        node.write(WEB);
        node
    }

    fn write(&self, manifest: &str) {
        std::fs::write(self.dir.path().join("manifests/web.yaml"), manifest).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.name)).arg("--");
        command.arg(env!("CARGO_BIN_EXE_sheave-agent")).args(words);
        command.args(["--data-dir", &self.path("data"), "--run-dir", &self.path("run")]);
        command.args([
            "--bpffs-dir",
            &self.path("bpf"),
            "--cgroup-root",
            &format!("/{}", self.name),
        ]);
        command
    }

    fn run(&self, more: &[&str]) -> Command {
        let mut command = self.command(&[]);
        command.args(["--manifests", &self.path("manifests")]);
        command.args(["--cgroup2-path", self.cgroup.to_str().unwrap(), "--node-name", "n1"]);
        command.args(more).env("SHEAVE_LOG", "warn");
        command
    }

    /// Started, and its complete state in effect.
    fn start(&self) -> Agent {
        self.start_with(&[])
    }

    fn start_with(&self, flags: &[&str]) -> Agent {
        let agent = Agent(self.run(flags).spawn().unwrap());
        self.until("a state is in effect", |status| !status["services"]["inEffectAt"].is_null());
        agent
    }

    /// Refuses: what it says.
    fn refused(&self, more: &[&str]) -> String {
        let Output { status, stderr, .. } = self.run(more).output().unwrap();
        assert!(!status.success());
        String::from_utf8(stderr).unwrap()
    }

    fn ask(&self, path: &str) -> Option<Value> {
        let mut socket = UnixStream::connect(self.path("run/agent.sock")).ok()?;
        write!(socket, "GET {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        socket.read_to_string(&mut text).ok()?;
        serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
    }

    fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + LIMIT;
        loop {
            let status = self.ask("/status");
            match status {
                Some(status) if is_so(&status) => return status,
                status => assert!(Instant::now() < deadline, "not within 20 s: {what}: {status:?}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn frontends(&self) -> Vec<(String, String, usize)> {
        let services = self.ask("/services").unwrap();
        let frontends = services["frontends"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        frontends
            .map(|f| {
                (text(&f["address"]), text(&f["service"]), f["backends"].as_array().unwrap().len())
            })
            .collect()
    }

    fn setting(&self) -> String {
        let output = Command::new("ip")
            .args(["netns", "exec", &self.name, "sysctl", "-n", "net.ipv4.ip_forward"])
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
    }

    fn clean_up(&self, more: &[&str]) -> Output {
        self.command(&[&["cleanup"], more].concat()).output().unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.clean_up(&[]);
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
        let _ = std::fs::remove_dir(&self.cgroup);
    }
}

#[test]
fn serves_follows_comes_back_and_goes() {
    let node = Node::new("life");
    let agent = node.start();
    let frontend = ("10.96.0.7:80".to_owned(), "default/web".to_owned(), 2);
    assert_eq!(node.frontends(), [frontend]);
    assert_eq!(node.setting(), "1");
    let healthy = node.command(&[]).get_program().to_owned();
    let health = Command::new(healthy)
        .args([&format!("--net=/run/netns/{}", node.name), "--", "curl", "-sf", "-m", "5"])
        .args(["http://192.0.2.10:10256/healthz", "http://127.0.0.1:10256/livez"])
        .output();
    assert!(health.unwrap().status.success(), "both health checks answer");

    let writes = node.ask("/status").unwrap()["services"]["mapWrites"].as_u64().unwrap();
    node.write(&WEB.replace(", {addresses: [10.244.0.3]}", ""));
    let written = |status: &Value| status["services"]["mapWrites"].as_u64().unwrap() > writes;
    node.until("the change is in effect", written);
    assert_eq!(node.frontends()[0].2, 1);

    // Killed, it comes back to maps that are as they should be.
    drop(agent);
    let agent = node.start();
    assert_eq!(node.ask("/status").unwrap()["services"]["mapWrites"], 0);

    // Nothing is taken away under a running agent.
    let refused = node.clean_up(&[]);
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(text.contains("an agent runs with these directories already"), "{text}");

    must(&format!("kill -TERM {}", agent.0.id()));
    drop(agent);
    let listed = node.clean_up(&["--dry-run"]);
    let text = String::from_utf8(listed.stdout).unwrap();
    assert!(text.contains("maps/FRONTENDS") && text.contains("net/ipv4/ip_forward back to \"0\""));
    assert!(Path::new(&node.path("bpf/maps/FRONTENDS")).exists(), "only listed");

    let done = node.clean_up(&[]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(node.setting(), "0");
    assert!(!Path::new(&node.path("bpf")).exists());
    let left: Vec<_> = std::fs::read_dir(node.path("data")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(node.clean_up(&[]).stdout, b"", "nothing is left to remove");
}

const NODE_PORT: &str = "
kind: Service
metadata: {name: web}
spec: {type: NodePort, clusterIP: 10.96.0.7, ports: [{port: 80, nodePort: 30080}]}
---
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [10.244.0.2]}]
";

impl Node {
    fn ip(&self, words: &str) {
        must(&format!("ip -n {} {words}", self.name));
    }

    /// Until node port 30080 is served on these addresses and no others.
    fn until_served_on(&self, expected: &[&str]) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let frontends = self.frontends();
            let addresses = frontends.iter().filter_map(|(at, ..)| at.strip_suffix(":30080"));
            let mut addresses: Vec<&str> = addresses.collect();
            addresses.sort_unstable();
            if addresses == expected {
                return;
            }
            assert!(Instant::now() < deadline, "not within 20 s: {expected:?}: {addresses:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn node_ports_follow_the_addresses_that_a_flag_names() {
    let node = Node::new("ports");
    node.write(NODE_PORT);
    // Without an address.
    node.ip("link add bare type veth peer name bare1");
    node.ip("link add also type veth peer name also1");
    node.ip("address add 198.51.100.7/24 dev also");
    let flags =
        ["--node-port-addresses", "198.51.100.0/24", "--node-port-addresses", "192.0.2.10/32,::/0"];
    let agent = node.start_with(&flags);
    node.until_served_on(&["127.0.0.1", "192.0.2.10", "198.51.100.7"]);
    let status = node.ask("/status").unwrap();
    assert_eq!(status["nodePortAddresses"], serde_json::json!(["192.0.2.10", "198.51.100.7"]));
    let set = status["services"]["mapWrites"].clone();

    node.ip("address add 198.51.100.8/24 dev bare");
    node.ip("address add 203.0.113.5/24 dev bare");
    node.until_served_on(&["127.0.0.1", "192.0.2.10", "198.51.100.7", "198.51.100.8"]);
    node.ip("link del also");
    node.until_served_on(&["127.0.0.1", "192.0.2.10", "198.51.100.8"]);
    assert_ne!(node.ask("/status").unwrap()["services"]["mapWrites"], set);

    // An agent that comes back finds what it left, and what changed meanwhile.
    drop(agent);
    let agent = node.start_with(&flags);
    assert_eq!(node.ask("/status").unwrap()["services"]["mapWrites"], 0);
    drop(agent);
    node.ip("address del 198.51.100.8/24 dev bare");
    let agent = node.start_with(&flags);
    node.until_served_on(&["127.0.0.1", "192.0.2.10"]);
    drop(agent);
    let _agent = node.start();
    node.until_served_on(&["127.0.0.1", "192.0.2.10"]);
}

const BALANCED: &str = "
kind: Service
metadata: {name: web}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  clusterIP: 10.96.0.7
  healthCheckNodePort: 31000
  ports: [{port: 80, nodePort: 30080}]
---
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8080}]
endpoints:
- {addresses: [10.244.0.2], nodeName: n1, conditions: {ready: true}}
- {addresses: [10.244.1.2], nodeName: n2}
";

impl Node {
    /// What a load balancer hears on the node's address: body and code; `None` when nobody listens.
    fn checked(&self) -> Option<String> {
        let output = Command::new("nsenter")
            .args([&format!("--net=/run/netns/{}", self.name), "--", "curl", "-s", "-m", "5"])
            .args(["-w", " %{http_code}", "http://192.0.2.10:31000/healthz"])
            .output()
            .unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    fn until_checked(&self, what: &str, is_so: impl Fn(&Option<String>) -> bool) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let heard = self.checked();
            if is_so(&heard) {
                return;
            }
            assert!(Instant::now() < deadline, "not within 20 s: {what}: {heard:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn load_balancers_are_told_whether_endpoints_are_here() {
    let node = Node::new("balanced");
    node.write(BALANCED);
    let _agent = node.start();
    let heard = |endpoints: usize, code: u16| {
        let expected = format!(
            r#"{{"service":{{"namespace":"default","name":"web"}},"localEndpoints":{endpoints},"serviceProxyHealthy":true}} {code}"#
        );
        move |heard: &Option<String>| heard.as_ref() == Some(&expected)
    };
    node.until_checked("one is here", heard(1, 200));
    node.write(
        &BALANCED.replace("{ready: true}", "{ready: false, serving: true, terminating: true}"),
    );
    node.until_checked("the one that is here terminates", heard(0, 503));
    node.write(&BALANCED.replace("Local", "Cluster"));
    node.until_checked("every node is as good", Option::is_none);
}

#[test]
fn each_refusal_is_a_sentence_and_makes_nothing() {
    let node = Node::new("refusals");
    let cases: [(&[&str], &str); 5] = [
        (
            &["--node-ip", "198.51.100.1"],
            "no interface of this machine has the address 198.51.100.1",
        ),
        (&["--node-ip", "192.0.2.10", "--node-ip", "192.0.2.11"], "one each"),
        (&["--uplink", "absent0"], "there is no network interface absent0"),
        (&["--service-cidr", "10.96.0.0/33"], "invalid value '10.96.0.0/33'"),
        (&["--node-port-addresses", "eth0"], "'--node-port-addresses <CIDR>': give `primary`"),
    ];
    for (more, expected) in cases {
        let said = node.refused(more);
        assert!(said.contains(expected), "{more:?}: {said}");
    }
    let mut taken = Command::new("nsenter")
        .args([&format!("--net=/run/netns/{}", node.name), "--", "busybox", "nc", "-l"])
        .args(["-p", "10256"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + LIMIT;
    let said = loop {
        let mut agent = Agent(node.run(&[]).stderr(Stdio::piped()).spawn().unwrap());
        std::thread::sleep(Duration::from_secs(2));
        if let Some(status) = agent.0.try_wait().unwrap() {
            assert!(!status.success());
            let mut said = String::new();
            agent.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            break said;
        }
        assert!(Instant::now() < deadline, "the port was never taken");
    };
    taken.kill().unwrap();
    taken.wait().unwrap();
    assert!(
        said.contains("cannot listen on 127.0.0.1:10256") && said.contains("--health-port"),
        "{said}"
    );
}
