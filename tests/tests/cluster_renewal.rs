//! Certificates that live for a moment renew themselves, of the server, the administrator and the nodes,
//! while everything is in use: no request fails, and no connection breaks.
//!
//! `SHEAVE_RENEWAL_LIFETIME=2m` makes it longer than the 40 s of a usual run.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sheave_join::{Certificate, Pin};
use sheave_tests::cluster::{Cluster, Settings, program};
use sheave_tests::joined::{CONTROL, Joined, Link};
use sheave_tests::kubectl::Kubectl;
use sheave_tests::{command, wait};

const NODE: &str = "vm-2";
/// Requests of a kind, and what went wrong.
type Tally = (u32, Vec<String>);

fn lifetime() -> &'static str {
    let text = std::env::var("SHEAVE_RENEWAL_LIFETIME").unwrap_or_else(|_| "40s".to_owned());
    text.leak()
}

struct Site {
    // Dropped first: it is a node of the other.
    joined: Joined,
    cluster: Cluster,
    /// The administrator's first certificate and key.
    admin: tempfile::TempDir,
}

impl Site {
    fn start() -> Self {
        let link = Link::new();
        let mut joined = Joined::prepare(link);
        let arguments = vec!["--advertise-address".to_owned(), CONTROL.to_owned()];
        let variables = vec![("SHEAVE_CERTIFICATE_LIFETIME", lifetime())];
        let cluster = Cluster::start_with(Settings { arguments, variables, ..Settings::default() });
        let admin = tempfile::tempdir().expect("a temporary directory");
        for file in ["admin.crt", "admin.key", "ca.crt"] {
            let from = cluster.data_dir.join("server/pki").join(file);
            std::fs::copy(from, admin.path().join(file)).expect("the server made it");
        }
        let sheave = program("sheave").display().to_string();
        let flags = cluster.flags();
        let words = [sheave.as_str(), "token", "create"].into_iter();
        let words: Vec<&str> = words.chain(flags.iter().map(String::as_str)).collect();
        let line = command::output(&words);
        joined.start(&line.split_whitespace().collect::<Vec<_>>(), NODE);
        joined.wait_ready();
        for (pod, node) in [("there", NODE), ("here", "")] {
            let node =
                if node.is_empty() { String::new() } else { format!("nodeName: {node}\n  ") };
            cluster.apply(&format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: {pod}}}\nspec:\n  {node}\
                 terminationGracePeriodSeconds: 0\n  containers:\n  - {{name: a, image: \
                 sheave.local/busybox:1, command: [sh, -c, \"while sleep 1; do echo tick; done\"]}}\n"
            ));
            cluster.wait_pod_ready(pod);
        }
        Self { joined, cluster, admin }
    }

    fn curl(&self) -> Command {
        let file = |name: &str| self.admin.path().join(name);
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "900", "--cacert"]);
        command.arg(file("ca.crt")).arg("--cert").arg(file("admin.crt"));
        command.arg("--key").arg(file("admin.key"));
        command
    }

    fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.cluster.api_port)
    }

    /// One connection for all requests, which outlives the certificates of both its ends.
    fn keep_alive(&self, lasts: Duration) -> Tally {
        let mut command = self.curl();
        let count = lasts.as_secs() * 10;
        command.args(["--rate", "10/s", "--output", "/dev/null"]);
        command.args(["--write-out", "%{http_code} %{num_connects}\n"]);
        command.arg(self.url(&format!("/api/v1/nodes?number=[1-{count}]")));
        let output = command.output().expect("curl is there");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut connects = 0;
        let mut failures: Vec<String> = Vec::new();
        for (number, line) in said.lines().enumerate() {
            connects += line.split(' ').nth(1).and_then(|n| n.parse::<u32>().ok()).unwrap_or(0);
            if !line.starts_with("200 ") {
                failures.push(format!("request {number} on a kept connection: {line}"));
            }
        }
        if connects != 1 || !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            failures.push(format!("{connects} connections instead of one: {error}"));
        }
        (said.lines().count() as u32, failures)
    }

    /// A process and a connection for each request, with the kubeconfig as it is then.
    fn new_connections(&self, arguments: &[&str], expected: &str, stop: &AtomicBool) -> Tally {
        let (mut count, mut failures) = (0, Vec::new());
        while !stop.load(Ordering::Relaxed) {
            let said = self.cluster.try_kubectl(arguments);
            count += 1;
            if !said.ok || !said.stdout.contains(expected) {
                failures.push(format!("kubectl {}: {said:?}", arguments.join(" ")));
            }
            thread::sleep(Duration::from_millis(100));
        }
        (count, failures)
    }

    /// A process that goes on for the whole time.
    fn kubectl(&self, arguments: &[&str]) -> Child {
        let mut command = self.cluster.kubectl_command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::inherit()).spawn().expect("kubectl is there")
    }

    /// What is sent through one exec comes back, line by line.
    fn echoes(&self, pod: &str, stop: &AtomicBool) -> Tally {
        let mut child = self.kubectl(&["exec", "--stdin", pod, "--", "cat"]);
        let mut to = child.stdin.take().expect("a pipe");
        let mut from = BufReader::new(child.stdout.take().expect("a pipe"));
        let (mut count, mut failures) = (0, Vec::new());
        while !stop.load(Ordering::Relaxed) && failures.is_empty() {
            count += 1;
            let mut line = String::new();
            let sent = writeln!(to, "{count}").and_then(|()| from.read_line(&mut line));
            if sent.is_err() || line.trim() != count.to_string() {
                failures.push(format!("exec in {pod}, line {count}: {sent:?} {line:?}"));
            }
            thread::sleep(Duration::from_millis(100));
        }
        drop(to);
        let _ = child.wait();
        (count, failures)
    }

    /// A log that is followed never pauses for long.
    fn follows(&self, pod: &str, stop: &AtomicBool) -> Tally {
        let mut child = self.kubectl(&["logs", "--follow", "--tail=1", pod]);
        let mut from = BufReader::new(child.stdout.take().expect("a pipe"));
        let (mut count, mut failures) = (0, Vec::new());
        while !stop.load(Ordering::Relaxed) && failures.is_empty() {
            let (began, mut line) = (Instant::now(), String::new());
            let read = from.read_line(&mut line);
            count += 1;
            if !read.is_ok_and(|bytes| bytes > 0) || began.elapsed() > Duration::from_secs(4) {
                failures.push(format!("log of {pod}, line {count}: after {:?}", began.elapsed()));
            }
        }
        let _ = child.kill();
        let _ = child.wait();
        (count, failures)
    }

    /// The certificates that are there now.
    fn pins(&self) -> Vec<(&'static str, Pin)> {
        let server = self.cluster.data_dir.join("server/pki");
        let files: [(&str, PathBuf); 4] = [
            ("server", server.join("server.crt")),
            ("admin", server.join("admin.crt")),
            ("own node", self.cluster.data_dir.join("agent/pki/node.crt")),
            ("joined node", self.joined.data_dir().join("agent/pki/node.crt")),
        ];
        files.map(|(name, path)| (name, read(&path).pin)).to_vec()
    }
}

fn read(path: &Path) -> Certificate {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Certificate::from_pem(&text).unwrap_or_else(|| panic!("{} holds none", path.display()))
}

#[test]
fn certificates_renew_themselves_under_load_with_no_failed_request() {
    let site = Site::start();
    let life = read(&site.admin.path().join("admin.crt"));
    let life = life.not_after.duration_since(life.not_before).expect("it ends after it begins");
    let lasts = life.mul_f64(2.3);
    let first = site.pins();
    let ready = r#"{.items[*].status.conditions[?(@.type=="Ready")].lastTransitionTime}"#;
    let ready_since = site.cluster.value(&["nodes"], ready);
    let stop = AtomicBool::new(false);
    let mut renewals = [0; 4];
    let tallies = thread::scope(|scope| {
        let (site, stop) = (&site, &stop);
        let nodes = ["get", "--raw=/api/v1/nodes"];
        let exec = ["exec", "there", "--", "echo", "seen"];
        let running = [
            ("kept connection", scope.spawn(move || site.keep_alive(lasts))),
            (
                "new connections",
                scope.spawn(move || site.new_connections(&nodes, "NodeList", stop)),
            ),
            ("new execs", scope.spawn(move || site.new_connections(&exec, "seen", stop))),
            (
                "new logs",
                scope.spawn(move || site.new_connections(&["logs", "--tail=1", "there"], "", stop)),
            ),
            ("one exec", scope.spawn(move || site.echoes("there", stop))),
            ("one exec on the first node", scope.spawn(move || site.echoes("here", stop))),
            ("one log", scope.spawn(move || site.follows("there", stop))),
        ];
        let (began, mut known) = (Instant::now(), first.clone());
        while began.elapsed() < lasts {
            thread::sleep(Duration::from_millis(200));
            let now = site.pins();
            for (count, (one, other)) in renewals.iter_mut().zip(now.iter().zip(&known)) {
                *count += u32::from(one != other);
            }
            known = now;
        }
        stop.store(true, Ordering::Relaxed);
        running.map(|(name, running)| (name, running.join().expect("it does not panic")))
    });
    let mut failures = Vec::new();
    for (name, (count, failed)) in tallies {
        println!("{name}: {count} requests, {} failed", failed.len());
        assert!(count > 10, "{name}: there was no load");
        failures.extend(failed);
    }
    for ((name, _), count) in first.iter().zip(renewals) {
        println!("{name}: renewed {count} times in {} s", lasts.as_secs());
        assert!(count >= 2, "{name}");
    }
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(site.cluster.value(&["nodes"], ready), ready_since, "no node was ever away");
    let log = site.joined.agent_log();
    assert!(!log.contains("trying again"), "{log}");
    // What was renewed had to be: the first certificate is of no use by now.
    wait::until_true("the first certificate to be refused", Duration::from_secs(5), || {
        let mut command = site.curl();
        let output = command.arg(site.url("/api/v1/nodes")).output().expect("curl is there");
        !output.status.success()
    });
}
