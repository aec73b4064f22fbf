//! The agent's program announces the load balancer addresses of its manifests: a client on the same network
//! learns where they are, nobody answers for those that are not to be announced, and of two agents one does.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(20);
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

/// Two nodes and a client, each in a network namespace, on one bridge; all removed with the value.
struct Lab {
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

fn output(words: &str) -> String {
    let words: Vec<&str> = words.split_whitespace().collect();
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn mac(node: u8) -> String {
    format!("02:00:00:00:00:1{node}")
}

impl Lab {
    fn new(test: &str) -> Self {
        let name = format!("shvannounce-{}-{test}", std::process::id());
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let cgroup2 = mounts.lines().find(|line| line.contains(" cgroup2 ")).unwrap();
        let cgroup = Path::new(cgroup2.split(' ').nth(1).unwrap()).join(&name);
        std::fs::create_dir(&cgroup).unwrap();
        let dir = tempfile::Builder::new().prefix("shvannounce").tempdir().unwrap();
        let lab = Self { name, dir, cgroup };
        output(&format!("ip netns add {}", lab.client()));
        for command in [
            "link add br0 type bridge",
            "address add 192.0.2.9/24 dev br0",
            "address add 2001:db8::9/64 dev br0 nodad",
            "link set br0 up",
        ] {
            output(&format!("ip -n {} {command}", lab.client()));
        }
        for node in 1..=2 {
            std::fs::create_dir(lab.cgroup.join(node.to_string())).unwrap();
            let netns = lab.node(node);
            output(&format!("ip netns add {netns}"));
            let peer = format!("type veth peer name port{node} netns {}", lab.client());
            for command in [
                "link set lo up".to_owned(),
                format!("link add up0 address {} {peer}", mac(node)),
                format!("address add 192.0.2.1{node}/24 dev up0"),
                "link set up0 up".to_owned(),
            ] {
                output(&format!("ip -n {netns} {command}"));
            }
            output(&format!("ip -n {} link set port{node} master br0", lab.client()));
            output(&format!("ip -n {} link set port{node} up", lab.client()));
        }
        lab
    }

    fn node(&self, node: u8) -> String {
        format!("{}-{node}", self.name)
    }

    fn client(&self) -> String {
        format!("{}-c", self.name)
    }

    /// With the endpoint of `local` on a node.
    fn write(&self, node: &str) {
        std::fs::write(self.path("services.yaml"), SERVICES.replace("NODE", node)).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn command(&self, node: u8, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.node(node))).arg("--");
        command.arg(env!("CARGO_BIN_EXE_sheave-agent")).args(words);
        let path = |name: &str| self.path(&format!("{name}{node}"));
        command.args(["--data-dir", &path("data"), "--run-dir", &path("run")]);
        command.args(["--bpffs-dir", &path("bpf"), "--cgroup-root", "/shvannounce"]);
        command
    }

    fn run(&self, node: u8, more: &[&str]) -> Command {
        let mut command = self.command(node, &["--manifests", &self.path("services.yaml")]);
        let cgroup = self.cgroup.join(node.to_string());
        command.args(["--cgroup2-path", cgroup.to_str().unwrap()]);
        command.args([
            "--node-name",
            &format!("n{node}"),
            "--node-ip",
            &format!("192.0.2.1{node}"),
        ]);
        command.args(["--load-balancer-pool", "192.0.2.50-192.0.2.60,2001:db8::/64"]);
        command.args(more).env("SHEAVE_LOG", "warn");
        command
    }

    fn start(&self, node: u8, more: &[&str]) -> Agent {
        Agent(self.run(node, more).spawn().unwrap())
    }

    /// Waits for what an agent says that it announces.
    fn until_announced(&self, node: u8, is_right: impl Fn(&[String]) -> bool) -> Vec<String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let announced = self.announced(node);
            match announced {
                Some(announced) if is_right(&announced) => return announced,
                announced => assert!(Instant::now() < deadline, "n{node} announces {announced:?}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn announced(&self, node: u8) -> Option<Vec<String>> {
        let mut socket = UnixStream::connect(self.path(&format!("run{node}/agent.sock"))).ok()?;
        write!(socket, "GET /status HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        socket.read_to_string(&mut text).ok()?;
        let status: Value = serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()?;
        let announced = status["announcing"][0]["announced"].as_array()?.iter();
        Some(announced.map(|one| one["address"].as_str().unwrap().to_owned()).collect())
    }

    /// Where the client finds an address, of which it knows nothing.
    fn resolve(&self, address: &str) -> Option<String> {
        output(&format!("ip -n {} neigh flush dev br0", self.client()));
        let _ = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", self.client()))
            .args(["--", "busybox", "ping", "-c", "1", "-W", "2", address])
            .output();
        self.known(address)
    }

    /// Where it believes an address to be.
    fn known(&self, address: &str) -> Option<String> {
        let found = output(&format!("ip -n {} -json neigh show to {address}", self.client()));
        let found: Value = serde_json::from_str(&found).unwrap();
        found[0]["lladdr"].as_str().map(str::to_owned)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for node in 1..=2 {
            let _ = self.command(node, &["cleanup"]).output();
            let _ = Command::new("ip").args(["netns", "del", &self.node(node)]).output();
            let _ = std::fs::remove_dir(self.cgroup.join(node.to_string()));
        }
        let _ = Command::new("ip").args(["netns", "del", &self.client()]).output();
        let _ = std::fs::remove_dir(&self.cgroup);
    }
}

#[test]
fn addresses_of_the_pool_are_found_by_a_client() {
    let lab = Lab::new("pool");
    lab.write("n2");
    let agent = lab.start(1, &[]);
    let with_policy_cluster = |now: &[String]| now == ["192.0.2.50", "2001:db8::50"];
    let all = |now: &[String]| now == ["192.0.2.50", "192.0.2.51", "2001:db8::50"];
    lab.until_announced(1, with_policy_cluster);
    for address in ["192.0.2.50", "2001:db8::50"] {
        assert_eq!(lab.resolve(address), Some(mac(1)), "{address}");
    }
    assert_eq!(lab.resolve("192.0.2.51"), None, "its endpoint is on another node");
    assert_eq!(lab.resolve("192.0.2.60"), None, "no Service has it");

    lab.write("n1");
    lab.until_announced(1, all);
    assert_eq!(lab.resolve("192.0.2.51"), Some(mac(1)));

    drop(agent);
    assert_eq!(lab.resolve("192.0.2.50"), None, "nothing is left behind");
    let _again = lab.start(1, &[]);
    lab.until_announced(1, all);
}

#[test]
fn of_two_agents_one_announces_and_the_other_when_that_is_killed() {
    let lab = Lab::new("two");
    lab.write("n1");
    std::fs::write(lab.path("key"), "a secret of the cluster\n").unwrap();
    let key = lab.path("key");
    let mut agents = [1, 2].map(|node| lab.start(node, &["--announce-key-file", &key]));
    let all = ["192.0.2.50", "192.0.2.51", "2001:db8::50"];
    let deadline = Instant::now() + LIMIT;
    let announced = loop {
        let now = [1, 2].map(|node| lab.announced(node).unwrap_or_default());
        let mut together = now.concat();
        together.sort();
        if together == all {
            break now;
        }
        assert!(Instant::now() < deadline, "{now:?}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(announced[0].contains(&"192.0.2.51".into()), "only n1 has its endpoint");
    let owner = if announced[0].contains(&"192.0.2.50".into()) { 1 } else { 2 };
    let other = 3 - owner;
    assert_eq!(lab.resolve("192.0.2.50"), Some(mac(owner)));
    let killed = Instant::now();
    // Reaped later: a process that holds programs takes its time to end.
    agents[usize::from(owner) - 1].0.kill().unwrap();
    while lab.known("192.0.2.50") != Some(mac(other)) {
        assert!(killed.elapsed() < Duration::from_millis(2500), "nobody took over");
    }
    println!("the client knew the new owner {} ms after kill -9", killed.elapsed().as_millis());
    assert_eq!(lab.resolve("2001:db8::50"), Some(mac(other)));
}

#[test]
fn a_key_that_is_none_is_refused_in_a_sentence() {
    let lab = Lab::new("key");
    lab.write("n1");
    for (content, expected) in [(Some("short\n"), "has 5 bytes"), (None, "No such file")] {
        let file = lab.path("key");
        match content {
            Some(content) => std::fs::write(&file, content).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let refused = lab.run(1, &["--announce-key-file", &file]).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success());
        assert!(said.contains("--announce-key-file") && said.contains(expected), "{said}");
        assert!(!Path::new(&lab.path("bpf1")).exists(), "nothing was made");
    }
}
