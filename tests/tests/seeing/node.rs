//! The node of these tests: two pods that serve, one that dials, and `sheave` itself.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use sheave_dataplane::TcAttachment;
use sheave_tests::cluster::program;
use sheave_tests::lab::{Lab, Sockets};
use sheave_tests::wait;

/// `web` on both pods, `api` on 10.244.0.3 which is not ready, `pinned` with session affinity.
pub(crate) const MANIFESTS: &str = "
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIP: 10.96.0.1
  type: NodePort
  ports: [{name: http, port: 80, nodePort: 30080}]
---
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.244.0.2], nodeName: here}, {addresses: [10.244.0.3], nodeName: here}]
---
kind: Service
metadata: {name: limited, namespace: shop}
spec:
  clusterIP: 10.96.0.4
  type: LoadBalancer
  loadBalancerSourceRanges: [192.0.2.16/28]
  ports: [{port: 80}]
status: {loadBalancer: {ingress: [{ip: 192.0.2.200}]}}
---
kind: EndpointSlice
metadata: {name: limited-1, namespace: shop, labels: {kubernetes.io/service-name: limited}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [10.244.0.2], nodeName: here}]
---
kind: Service
metadata: {name: api, namespace: shop}
spec: {clusterIP: 10.96.0.2, ports: [{port: 80}]}
---
kind: EndpointSlice
metadata: {name: api-1, namespace: shop, labels: {kubernetes.io/service-name: api}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [10.244.0.3], nodeName: here, conditions: {ready: false, serving: false}}]
---
kind: Service
metadata: {name: pinned, namespace: shop}
spec:
  clusterIP: 10.96.0.3
  sessionAffinity: ClientIP
  sessionAffinityConfig: {clientIP: {timeoutSeconds: 600}}
  ports: [{port: 80}]
---
kind: EndpointSlice
metadata: {name: pinned-1, namespace: shop, labels: {kubernetes.io/service-name: pinned}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [10.244.0.2], nodeName: here}, {addresses: [10.244.0.3], nodeName: here}]
";

/// A node that serves [`MANIFESTS`].
pub(crate) struct Node {
    pub(crate) lab: Lab,
}

/// What a command said.
pub(crate) struct Said {
    pub(crate) ok: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Node {
    /// Pods .2 and .3 answer on 8080, .4 dials; the agent serves.
    pub(crate) fn new(name: &str) -> Self {
        let mut lab = Lab::new(name, TcAttachment::Tcx);
        for pod in [2, 3, 4] {
            lab.add_pod(pod);
        }
        for pod in [2, 3] {
            lab.pods[&pod].run(|| {
                let at: SocketAddr = format!("10.244.0.{pod}:8080").parse().unwrap();
                let listener = TcpListener::bind(at).unwrap();
                std::thread::spawn(move || listener.incoming().for_each(|s| hold(s.unwrap())));
            });
        }
        lab.serve(MANIFESTS);
        lab.start_agent(&program("sheave-agent"));
        lab.wait_for_agent();
        Self { lab }
    }

    /// Runs `sheave` with these words on this node.
    pub(crate) fn sheave(&self, words: &str) -> Said {
        let command = self.command(words);
        let child = self.lab.spawn(&self.lab.node, Sockets::Untouched, command);
        let output = child.wait_with_output().unwrap();
        Said {
            ok: output.status.success(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// `sheave` with these words, in the node's own directories.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(program("sheave"));
        command.args(words.split_whitespace());
        command.arg("--run-dir").arg(self.lab.dir().join("run"));
        command.arg("--bpffs-dir").arg(&self.lab.config.bpffs_dir);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// As [`Node::sheave`], in JSON.
    pub(crate) fn json(&self, words: &str) -> Value {
        let said = self.sheave(&format!("{words} --output json"));
        assert!(said.ok, "sheave {words}: {}", said.stderr);
        serde_json::from_str(&said.stdout).unwrap()
    }

    /// As [`Node::sheave`], for people; it must succeed.
    pub(crate) fn text(&self, words: &str) -> String {
        let said = self.sheave(words);
        assert!(said.ok, "sheave {words}: {}", said.stderr);
        said.stdout
    }

    /// A connection from pod .4 that stays open: by its packets, or by a process whose sockets are
    /// translated.
    pub(crate) fn connect(&self, sockets: Sockets, to: &str) -> Connection {
        let pod = &self.lab.pods[&4];
        match sockets {
            Sockets::Untouched => {
                let stream = pod.run(|| TcpStream::connect(to)).unwrap();
                let greeting = BufReader::new(stream.try_clone().unwrap()).lines().next();
                greeting.unwrap().unwrap();
                Connection {
                    client: stream.local_addr().unwrap().to_string(),
                    _open: Open::Here(stream),
                }
            }
            Sockets::Translated => {
                let mut command = Command::new("busybox");
                let (ip, port) = to.split_once(':').unwrap();
                command.args(["nc", ip, port]).stdin(Stdio::piped()).stdout(Stdio::piped());
                let mut child = self.lab.spawn(pod, sockets, command);
                let mut line = String::new();
                BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
                Connection { client: line.trim().to_owned(), _open: Open::There(child) }
            }
        }
    }

    /// Asks until the answer is right.
    pub(crate) fn until(&self, words: &str, is_right: impl Fn(&Value) -> bool) -> Value {
        wait::until(words, Duration::from_secs(10), || self.json(words), is_right)
    }
}

/// Says who connected, and keeps the connection.
pub(crate) fn hold(mut stream: TcpStream) {
    let peer = stream.peer_addr().unwrap();
    writeln!(stream, "{peer}").unwrap();
    std::thread::spawn(move || {
        let mut to_end = Vec::new();
        let _ = std::io::Read::read_to_end(&mut stream, &mut to_end);
    });
}

/// Open until dropped.
pub(crate) struct Connection {
    /// As whom the server sees it.
    pub(crate) client: String,
    _open: Open,
}

enum Open {
    #[expect(dead_code, reason = "kept open")]
    Here(TcpStream),
    There(Child),
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Self::There(child) = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
