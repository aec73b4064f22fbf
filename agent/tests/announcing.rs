//! The agent's program announces the load balancer addresses of its manifests: a client on the same network
//! learns where they are, and nobody answers for those that are not to be announced.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(20);
const UPLINK_MAC: &str = "02:00:00:00:00:10";

const SERVICES: &str = "
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, clusterIP: 10.96.0.7, ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{ip: 192.0.2.50}, {ip: '2001:db8::50'}, {ip: 198.51.100.1}]}}
---
kind: Service
metadata: {name: local}
spec: {type: LoadBalancer, clusterIP: 10.96.0.8, externalTrafficPolicy: Local, ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{ip: 192.0.2.51}]}}
---
kind: EndpointSlice
metadata: {name: local-1, labels: {kubernetes.io/service-name: local}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [10.244.1.2], nodeName: NODE}]
";

/// A node and a client, each in a network namespace; all removed with the value.
struct Lab {
    node: String,
    client: String,
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

fn output(words: &str) -> String {
    let words: Vec<&str> = words.split_whitespace().collect();
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

impl Lab {
    fn new() -> Self {
        let name = format!("shvannounce-{}", std::process::id());
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let cgroup2 = mounts.lines().find(|line| line.contains(" cgroup2 ")).unwrap();
        let cgroup = Path::new(cgroup2.split(' ').nth(1).unwrap()).join(&name);
        std::fs::create_dir(&cgroup).unwrap();
        let dir = tempfile::Builder::new().prefix("shvannounce").tempdir().unwrap();
        let lab = Self { node: format!("{name}-n"), client: format!("{name}-c"), dir, cgroup };
        output(&format!("ip netns add {}", lab.node));
        output(&format!("ip netns add {}", lab.client));
        let peer = format!("type veth peer name eth0 netns {}", lab.client);
        for command in [
            "link set lo up".to_owned(),
            format!("link add up0 address {UPLINK_MAC} {peer}"),
            "address add 192.0.2.10/24 dev up0".to_owned(),
            "link set up0 up".to_owned(),
        ] {
            output(&format!("ip -n {} {command}", lab.node));
        }
        for command in [
            "address add 192.0.2.9/24 dev eth0",
            "address add 2001:db8::9/64 dev eth0 nodad",
            "link set eth0 up",
        ] {
            output(&format!("ip -n {} {command}", lab.client));
        }
        lab
    }

    /// With the endpoint of `local` on a node.
    fn write(&self, node: &str) {
        std::fs::write(self.path("services.yaml"), SERVICES.replace("NODE", node)).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.node)).arg("--");
        command.arg(env!("CARGO_BIN_EXE_sheave-agent")).args(words);
        command.args(["--data-dir", &self.path("data"), "--run-dir", &self.path("run")]);
        command.args(["--bpffs-dir", &self.path("bpf"), "--cgroup-root", "/shvannounce"]);
        command
    }

    fn start(&self) -> Agent {
        let mut command = self.command(&["--manifests", &self.path("services.yaml")]);
        command.args(["--cgroup2-path", self.cgroup.to_str().unwrap(), "--node-name", "n1"]);
        command.args(["--node-ip", "192.0.2.10"]);
        command.args(["--load-balancer-pool", "192.0.2.50-192.0.2.60,2001:db8::/64"]);
        Agent(command.env("SHEAVE_LOG", "warn").spawn().unwrap())
    }

    /// What the agent says that it announces, once it is this.
    fn until_announced(&self, expected: &[&str]) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let announced = self.announced();
            if announced.as_ref().is_some_and(|announced| announced == expected) {
                return;
            }
            assert!(Instant::now() < deadline, "expected {expected:?}, not {announced:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn announced(&self) -> Option<Vec<String>> {
        let mut socket = UnixStream::connect(self.path("run/agent.sock")).ok()?;
        write!(socket, "GET /status HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        socket.read_to_string(&mut text).ok()?;
        let status: Value = serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()?;
        let announced = status["announcing"][0]["announced"].as_array()?.iter();
        Some(announced.map(|one| one["address"].as_str().unwrap().to_owned()).collect())
    }

    /// Where the client finds an address.
    fn resolve(&self, address: &str) -> Option<String> {
        output(&format!("ip -n {} neigh flush dev eth0", self.client));
        let _ = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", self.client))
            .args(["--", "busybox", "ping", "-c", "1", "-W", "2", address])
            .output();
        let found = output(&format!("ip -n {} -json neigh show to {address}", self.client));
        let found: Value = serde_json::from_str(&found).unwrap();
        found[0]["lladdr"].as_str().map(str::to_owned)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.command(&["cleanup"]).output();
        for netns in [&self.node, &self.client] {
            let _ = Command::new("ip").args(["netns", "del", netns]).output();
        }
        let _ = std::fs::remove_dir(&self.cgroup);
    }
}

#[test]
fn addresses_of_the_pool_are_found_by_a_client() {
    let lab = Lab::new();
    lab.write("n2");
    let agent = lab.start();
    lab.until_announced(&["192.0.2.50", "2001:db8::50"]);
    for address in ["192.0.2.50", "2001:db8::50"] {
        assert_eq!(lab.resolve(address).as_deref(), Some(UPLINK_MAC), "{address}");
    }
    assert_eq!(lab.resolve("192.0.2.51"), None, "its endpoint is on another node");
    assert_eq!(lab.resolve("192.0.2.60"), None, "no Service has it");

    lab.write("n1");
    lab.until_announced(&["192.0.2.50", "192.0.2.51", "2001:db8::50"]);
    assert_eq!(lab.resolve("192.0.2.51").as_deref(), Some(UPLINK_MAC));

    drop(agent);
    assert_eq!(lab.resolve("192.0.2.50"), None, "nothing is left behind");
    let again = lab.start();
    lab.until_announced(&["192.0.2.50", "192.0.2.51", "2001:db8::50"]);
    drop(again);
}

#[test]
fn a_key_that_is_none_is_refused_in_a_sentence() {
    let lab = Lab::new();
    lab.write("n1");
    for (content, expected) in [(Some("short\n"), "has 5 bytes"), (None, "No such file")] {
        let file = lab.path("key");
        match content {
            Some(content) => std::fs::write(&file, content).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let mut command = lab.command(&["--manifests", &lab.path("services.yaml")]);
        command.args(["--cgroup2-path", lab.cgroup.to_str().unwrap(), "--node-ip", "192.0.2.10"]);
        let refused = command.args(["--announce-key-file", &file]).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success());
        assert!(said.contains("--announce-key-file") && said.contains(expected), "{said}");
    }
}
