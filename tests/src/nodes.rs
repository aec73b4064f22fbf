//! A lab for a test: several real nodes and clients outside, taken away when the value is dropped, also when the
//! test fails, and then it explains itself first. [`crate::lab`] is the small one: a node without a cluster.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails, and says where")]

use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use sheave_lab::{Lab, Machine, Spec};

use crate::cluster::{program, root};
use crate::connections::{Job, Report};
use crate::kubectl::Kubectl;
use crate::machine;
use crate::probe::{Outcome, Probe};
use crate::wait;

const LIMIT: Duration = Duration::from_secs(90);
/// Lines of each log that a failure shows.
const LOG_LINES: usize = 40;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The lab of a test.
pub struct Nodes {
    /// To change it.
    pub lab: Lab,
    _alone: MutexGuard<'static, ()>,
}

/// A pod that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its uid, by which its processes are found.
    pub uid: String,
    /// Its node's number.
    pub node: usize,
    /// One of each family.
    pub addresses: Vec<IpAddr>,
}

impl Nodes {
    /// Three nodes and a client outside, changed as `change` says; all nodes are Ready.
    pub fn start(change: impl FnOnce(&mut Spec)) -> Self {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("test-{}", std::process::id());
        let programs = program("sheave").parent().unwrap().to_owned();
        let mut spec = Spec::new(&name, programs, root().join("target/images"));
        spec.clients = 1;
        spec.variables.push((machine::MARK.0.to_owned(), machine::MARK.1.to_owned()));
        change(&mut spec);
        let told = |what: &str, at: Duration| println!("{:5.1} s  {what}", at.as_secs_f64());
        match Lab::up(spec, told) {
            Ok(lab) => {
                let nodes = Self { lab, _alone: alone };
                nodes.wait_service_account("default");
                nodes
            }
            Err(error) => {
                if let Ok(lab) = Lab::open(&name) {
                    // Goes by its end, which is not yet that of a test that failed.
                    Self { lab, _alone: alone }.explain();
                }
                panic!("the lab does not start: {error}");
            }
        }
    }

    /// The machine of a node, by its number.
    pub fn node(&self, number: usize) -> Machine {
        self.lab.node(number).unwrap()
    }

    /// The client outside.
    pub fn client(&self) -> Machine {
        self.lab.client(1).unwrap()
    }

    /// A node's or client's address of a family.
    pub fn address(&self, machine: &str, is_v6: bool) -> IpAddr {
        let place = self.lab.plan().machines().find(|place| place.name == machine).unwrap();
        *place.addresses.iter().find(|address| address.is_ipv6() == is_v6).unwrap()
    }

    /// Pods that a selector chooses and that are not being deleted.
    pub fn pods(&self, selector: &str) -> Vec<Pod> {
        const TEMPLATE: &str = "--output=go-template={{range .items}}{{if not .metadata.deletionTimestamp}}\
             {{.metadata.name}} {{.metadata.uid}} {{.spec.nodeName}}\
             {{range .status.podIPs}} {{.ip}}{{end}}{{\"\\n\"}}{{end}}{{end}}";
        let text = self.kubectl(&["get", "pods", "--selector", selector, TEMPLATE]);
        let pod = |line: &str| {
            let mut words = line.split(' ');
            let mut next = || words.next().map(str::to_owned);
            let (name, uid, node) = (next()?, next()?, next()?);
            let node = node.strip_prefix("node-")?.parse().ok()?;
            let addresses = words.map(|word| word.parse().unwrap()).collect();
            Some(Pod { name, uid, node, addresses })
        };
        text.lines().filter_map(pod).collect()
    }

    /// The only pod that a selector chooses.
    pub fn pod(&self, selector: &str) -> Pod {
        let pods = self.pods(selector);
        assert_eq!(pods.len(), 1, "{selector}: {pods:?}");
        pods.into_iter().next().unwrap()
    }

    /// A command as a process of the pod, with the outer machine's files.
    pub fn in_pod(&self, pod: &Pod, program: &str) -> Command {
        self.node(pod.node).pod_command(&pod.uid, program.as_ref()).unwrap()
    }

    /// Waits until a node's kernel has these many backends at every frontend of a Service of the namespace
    /// `default`, whatever the API says.
    pub fn wait_live(&self, number: usize, service: &str, backends: usize) {
        let name = format!("default/{service}");
        let counts = || {
            let answer = self.ask(number, "/services").unwrap_or_default();
            let frontends = answer["frontends"].as_array().cloned().unwrap_or_default();
            let its = frontends.iter().filter(|frontend| frontend["service"] == name.as_str());
            its.map(|frontend| frontend["backends"].as_array().map_or(0, Vec::len))
                .collect::<Vec<_>>()
        };
        let what = format!("{service} to be live on node-{number}");
        let is_right =
            |counts: &Vec<usize>| !counts.is_empty() && counts.iter().all(|n| *n == backends);
        wait::until(&what, LIMIT, counts, is_right);
    }

    /// Asks a node's agent at its socket.
    pub fn ask(&self, number: usize, path: &str) -> Option<Value> {
        let socket = self.node(number).path("/run/sheave/agent.sock").ok()?;
        let mut socket = UnixStream::connect(socket).ok()?;
        write!(socket, "GET {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        socket.read_to_string(&mut text).ok()?;
        serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
    }
}

/// Makes probes by the program `prober`, at its path, as this command's process.
pub fn probe(mut command: Command, probes: &[Probe]) -> Vec<Outcome> {
    let output = command
        .arg(serde_json::to_string(probes).unwrap())
        .stdin(Stdio::null())
        .output()
        .expect("nsenter is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "prober: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A load that goes on until it is ended.
pub struct Load(Child);

impl Load {
    /// Starts the program `load-client`, at its path, as this command's process.
    pub fn start(mut command: Command, job: &Job) -> Self {
        command.arg(serde_json::to_string(job).unwrap());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self(command.spawn().expect("nsenter is there"))
    }

    /// Ends it, and says what became of it.
    pub fn end(mut self) -> Report {
        drop(self.0.stdin.take());
        let output = self.0.wait_with_output().unwrap();
        serde_json::from_slice(&output.stdout).expect("load-client reports")
    }
}

impl Kubectl for Nodes {
    fn kubeconfig(&self) -> PathBuf {
        self.lab.kubeconfig()
    }
}

impl Nodes {
    fn explain(&self) {
        const OBJECTS: [&[&str]; 2] = [
            &["get", "nodes,pods,services,endpointslices", "--all-namespaces", "--output=wide"],
            &["get", "events", "--all-namespaces", "--sort-by=.metadata.creationTimestamp"],
        ];
        for arguments in OBJECTS {
            match self.lab.kubectl(arguments) {
                Ok(said) => eprintln!("--- kubectl {}\n{said}", arguments.join(" ")),
                Err(error) => eprintln!("--- {error}"),
            }
        }
        for place in &self.lab.plan().nodes {
            let Ok(machine) = self.lab.machine(&place.name) else { continue };
            for log in ["log/sheave.log", "lib/sheave/log/server.log", "lib/sheave/log/agent.log"] {
                let text = std::fs::read_to_string(machine.var(log)).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                let end = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
                eprintln!("--- {} /var/{log} ends\n{end}", place.name);
            }
        }
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        if failed {
            self.explain();
        }
        if let Err(error) = Lab::down(&self.lab.spec().name) {
            eprintln!("the lab is not gone: {error}");
            assert!(failed, "the lab is not gone");
        }
    }
}
