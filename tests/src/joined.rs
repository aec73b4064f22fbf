//! A node that joins a cluster of a test, in a network of its own that a link leads to: everything of it is
//! real, and taken away when the value is dropped.

use crate::cgroup::TestCgroup;
use crate::cluster::{program, root, signal};
use crate::command::Said;
use crate::netns::Netns;
use crate::wait;
use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The control plane's end of the link.
pub const CONTROL: &str = "198.51.100.1";
/// The node's end.
pub const NODE: &str = "198.51.100.2";
const LIMIT: Duration = Duration::from_secs(60);

/// The network of a machine, and the link to it. Must be there before the control plane starts, whose
/// certificate is for the addresses that it has then.
pub struct Link {
    netns: Netns,
    name: String,
}

impl Link {
    /// Makes both.
    pub fn new() -> Self {
        let (here, netns) = (Netns::current(), Netns::new());
        let name = format!("tojoin{}", std::process::id() % 100_000);
        here.ip(&format!("link add {name} type veth peer name up0"));
        here.give("up0", &netns);
        here.ip(&format!("addr add {CONTROL}/24 dev {name}"));
        here.ip(&format!("link set {name} up"));
        netns.ip(&format!("addr add {NODE}/24 dev up0"));
        netns.ip("link set up0 up");
        netns.ip(&format!("route add default via {CONTROL}"));
        Self { netns, name }
    }

    /// The machine's network.
    pub fn netns(&self) -> &Netns {
        &self.netns
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        crate::command::run(&["ip", "link", "delete", "dev", &self.name], &[], "");
    }
}

/// The machine at the other end.
pub struct Joined {
    link: Link,
    /// Below /var/lib, /run and /sys/fs/bpf.
    name: String,
    cgroup: TestCgroup,
    scratch: tempfile::TempDir,
    supervisor: Option<Child>,
}

impl Joined {
    /// Nothing runs there yet.
    pub fn prepare(link: Link) -> Self {
        let name = format!("sheave-test-{}-j", std::process::id());
        let cgroup = TestCgroup::new("joined");
        let scratch = tempfile::tempdir().expect("a temporary directory");
        Self { link, name, cgroup, scratch, supervisor: None }
    }

    /// `--data-dir`.
    pub fn data_dir(&self) -> PathBuf {
        Path::new("/var/lib").join(&self.name)
    }

    /// Network of the machine.
    pub fn netns(&self) -> &Netns {
        &self.link.netns
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program("sheave"));
        command.args(words).arg("--data-dir").arg(self.data_dir());
        command.arg("--run-dir").arg(Path::new("/run").join(&self.name));
        command.arg("--bpffs-dir").arg(Path::new("/sys/fs/bpf").join(&self.name));
        command.args(["--cgroup-root", &format!("/{}", self.name)]);
        command.envs([crate::machine::MARK]).stdin(Stdio::null());
        command
    }

    /// Starts `sheave join` with the line that `sheave token create` printed, or without its token.
    pub fn start(&mut self, line: &[&str], node_name: &str) {
        assert!(self.supervisor.is_none(), "one at a time");
        let mut command = self.command(line.strip_prefix(&["sheave"]).expect("the line"));
        command.args(["--node-name", node_name, "--node-ip", NODE, "--uplink", "up0"]);
        command.arg("--cgroup2-path").arg(self.cgroup.path());
        command.arg("--image-dir").arg(self.image_dir());
        let log = File::options().create(true).append(true).open(self.log()).expect("the log");
        command.stdout(log.try_clone().expect("the log")).stderr(log);
        let child = self.link.netns.run(|| command.spawn());
        self.supervisor = Some(child.expect("sheave is executable"));
    }

    /// One image is enough: time goes by while they are unpacked.
    fn image_dir(&self) -> PathBuf {
        let dir = self.scratch.path().join("images");
        std::fs::create_dir_all(&dir).expect("scratch is writable");
        let archive = "busybox-1.tar";
        // There from an earlier start.
        let _ = symlink(root().join("target/images").join(archive), dir.join(archive));
        dir
    }

    /// What `sheave join` has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.scratch.path().join("join.log")
    }

    /// The agent's log.
    pub fn agent_log(&self) -> String {
        std::fs::read_to_string(self.data_dir().join("log/agent.log")).unwrap_or_default()
    }

    /// Waits until `sheave join` says that the node is Ready; how long that took from its start, as it says.
    pub fn wait_ready(&mut self) -> Duration {
        let deadline = Instant::now() + LIMIT;
        loop {
            let said = self.said();
            let last = said.lines().rev().find_map(|line| line.split_once(" Ready after "));
            if let Some((_, took)) = last {
                let ms = took.trim_end_matches(" ms").parse().expect("milliseconds");
                return Duration::from_millis(ms);
            }
            let child = self.supervisor.as_mut().expect("sheave join was started");
            if let Some(status) = child.try_wait().expect("it is our child") {
                panic!("sheave join ended with {status}: {said}");
            }
            assert!(Instant::now() < deadline, "the node is not Ready: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until `sheave join` has ended by itself.
    pub fn wait_ended(&mut self) -> ExitStatus {
        let child = self.supervisor.as_mut().expect("sheave join was started");
        let ended = wait::until(
            "sheave join to end",
            LIMIT,
            || child.try_wait().expect("it is our child"),
            Option::is_some,
        );
        self.supervisor = None;
        ended.expect("waited for it")
    }

    /// Ends `sheave join` as a user does, and forgets what it said.
    pub fn stop(&mut self) {
        let Some(mut child) = self.supervisor.take() else { return };
        signal(child.id(), nix::sys::signal::Signal::SIGTERM);
        let ended = wait::until(
            "sheave join to end",
            LIMIT,
            || child.try_wait().expect("it is our child"),
            Option::is_some,
        );
        assert!(ended.is_some_and(|status| status.success()), "{ended:?}: {}", self.said());
        let _ = std::fs::remove_file(self.log());
    }

    /// `sheave down` there.
    pub fn down(&mut self) -> Said {
        let mut command = self.command(&["down"]);
        let output = self.link.netns.run(|| command.output()).expect("sheave is executable");
        if let Some(mut child) = self.supervisor.take() {
            // It was ended by the command.
            let _ = child.wait();
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        Said { ok: output.status.success(), stdout, stderr }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.agent_log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(40)..].join("\n");
            eprintln!("--- sheave join said\n{}\n--- its agent's log ends\n{tail}", self.said());
        }
        let said = self.down();
        if !said.ok {
            eprintln!("sheave down on the joined node failed: {said:?}");
            assert!(std::thread::panicking(), "sheave down failed");
        }
    }
}
