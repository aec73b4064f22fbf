//! A real one-node cluster for a test: release binaries, directories and ports of its own. It is
//! taken away when the value is dropped, also when the test fails, and then it explains itself first.
//!
//! Clusters attach to the machine's network, so one runs at a time: `cargo xtask test` runs these
//! programs with one thread, and a lock keeps a plain `cargo test` to that.

use crate::command::{self, Said};
use crate::kubectl::Kubectl;
use crate::wait;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Until a fresh cluster serves. It takes about three seconds on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(90);
/// Each daemon may take twenty seconds.
const STOP_LIMIT: Duration = Duration::from_secs(50);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A running cluster.
pub struct Cluster {
    /// `--data-dir`.
    pub data_dir: PathBuf,
    /// `--run-dir`.
    pub run_dir: PathBuf,
    /// `--bpffs-dir`.
    pub bpffs_dir: PathBuf,
    /// `--api-port`.
    pub api_port: u16,
    /// Files of the test: manifests, what is copied.
    pub scratch: tempfile::TempDir,
    supervisor: Option<Child>,
    settings: Settings,
    _alone: MutexGuard<'static, ()>,
}

/// What makes a cluster another one than that of [`Cluster::start`].
#[derive(Default)]
pub struct Settings {
    /// In the environment of `sheave up`, and so of the daemons.
    pub variables: Vec<(&'static str, &'static str)>,
    /// More arguments of `sheave up`.
    pub arguments: Vec<String>,
    /// Where the images of its node are, below `target/images`.
    pub images: &'static str,
}

/// A program of the release directory; built by `cargo xtask build`.
pub fn program(name: &str) -> PathBuf {
    let path = root().join("target/release").join(name);
    assert!(path.exists(), "{} is missing: run `cargo xtask build`", path.display());
    path
}

/// The checkout's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie below the root")
}

impl Cluster {
    /// Starts a cluster and waits until its node is Ready.
    pub fn start() -> Self {
        Self::start_with(Settings::default())
    }

    /// As [`Cluster::start`], but for the settings.
    pub fn start_with(settings: Settings) -> Self {
        let mut cluster = Self::prepare();
        cluster.settings = settings;
        cluster.start_supervisor();
        wait::until_true("the API server to be ready", START_LIMIT, || {
            cluster.assert_alive();
            cluster.kubeconfig().exists() && cluster.try_kubectl(&["get", "--raw=/readyz"]).ok
        });
        cluster.wait_node_ready();
        cluster.wait_service_account("default");
        cluster
    }

    /// Directories and a port, nothing running yet.
    pub fn prepare() -> Self {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(
            nix::unistd::geteuid().is_root(),
            "cluster tests need root: run `cargo xtask test`"
        );
        // Short, because a socket's path has at most 107 bytes.
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("sheave-test-{}-{number}", std::process::id());
        Self {
            data_dir: Path::new("/var/lib").join(&name),
            run_dir: Path::new("/run").join(&name),
            bpffs_dir: Path::new("/sys/fs/bpf").join(&name),
            api_port: free_port(),
            scratch: tempfile::tempdir().expect("a temporary directory"),
            supervisor: None,
            settings: Settings::default(),
            _alone: alone,
        }
    }

    /// The flags that every command about this cluster takes.
    pub fn flags(&self) -> Vec<String> {
        [
            ("--data-dir", &self.data_dir),
            ("--run-dir", &self.run_dir),
            ("--bpffs-dir", &self.bpffs_dir),
        ]
        .iter()
        .flat_map(|(flag, path)| [(*flag).to_owned(), path.display().to_string()])
        .collect()
    }

    /// The whole command line of `sheave up` for this cluster.
    pub fn up_command(&self) -> Command {
        let mut command = Command::new(program("sheave"));
        command.arg("up").args(self.flags()).args(["--cgroup-root", &self.cgroup_root()]);
        command.args(["--api-port", &self.api_port.to_string()]);
        let Settings { variables, arguments, images } = &self.settings;
        command.arg("--image-dir").arg(root().join("target/images").join(images)).args(arguments);
        command.envs(variables.iter().copied()).envs([crate::machine::MARK]);
        command
    }

    /// Starts `sheave up`, also again after [`Cluster::stop_supervisor`].
    pub fn start_supervisor(&mut self) {
        let log = File::options().create(true).append(true).open(self.up_log()).expect("up.log");
        let child = self
            .up_command()
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("up.log"))
            .stderr(log)
            .spawn()
            .expect("sheave is executable");
        self.supervisor = Some(child);
    }

    /// Ends `sheave up` as a user does: pods and traffic go on.
    pub fn stop_supervisor(&mut self) {
        let Some(mut child) = self.supervisor.take() else { return };
        signal(child.id(), nix::sys::signal::Signal::SIGTERM);
        let mut ended = false;
        for _ in 0..STOP_LIMIT.as_millis() / 50 {
            ended = matches!(child.try_wait(), Ok(Some(_)));
            if ended {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        if !ended {
            // Killed as a last resort, so that nothing is left; and it is a failure.
            let _ = child.kill();
            let _ = child.wait();
            assert!(
                std::thread::panicking(),
                "sheave up did not end within {STOP_LIMIT:?} of SIGTERM"
            );
        }
    }

    /// The process id of `sheave up`.
    pub fn supervisor_pid(&self) -> u32 {
        self.supervisor.as_ref().expect("sheave up was started").id()
    }

    /// The process id of a daemon, by its program's name, once it runs.
    pub fn daemon_pid(&self, name: &str) -> u32 {
        let parent = self.supervisor_pid();
        wait::until(
            &format!("{name} to run"),
            Duration::from_secs(30),
            || child_of(parent, name),
            Option::is_some,
        )
        .expect("waited for it")
    }

    fn assert_alive(&mut self) {
        let child = self.supervisor.as_mut().expect("sheave up was started");
        if let Ok(Some(status)) = child.try_wait() {
            self.supervisor = None;
            panic!("sheave up ended with {status}");
        }
    }

    fn up_log(&self) -> PathBuf {
        self.scratch.path().join("up.log")
    }

    /// Everything that explains a failure: objects, events, the ends of the logs.
    fn explain(&self) {
        const OBJECTS: [[&str; 4]; 2] = [
            ["get", "nodes,pods,services,endpoints", "--all-namespaces", "--output=wide"],
            ["get", "events", "--all-namespaces", "--sort-by=.metadata.creationTimestamp"],
        ];
        // Without a kubeconfig there was no API server yet.
        let objects = if self.kubeconfig().exists() { &OBJECTS[..] } else { &[] };
        for arguments in objects {
            let said = self.try_kubectl(arguments);
            eprintln!("--- kubectl {}\n{}{}", arguments.join(" "), said.stdout, said.stderr);
        }
        let logs = ["server.log", "agent.log"].map(|name| self.data_dir.join("log").join(name));
        for path in logs.iter().chain([&self.up_log()]) {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let tail = &lines[lines.len().saturating_sub(40)..];
            eprintln!("--- {} ends\n{}", path.display(), tail.join("\n"));
        }
    }

    /// Takes the cluster away; what `sheave down` said.
    pub fn remove(&mut self) -> Said {
        self.stop_supervisor();
        let sheave = program("sheave");
        let flags = self.flags();
        let root = self.cgroup_root();
        let own = [sheave.to_str().expect("the path is UTF-8"), "down", "--cgroup-root", &root];
        let words: Vec<&str> = own.into_iter().chain(flags.iter().map(String::as_str)).collect();
        command::run(&words, &[], "")
    }

    /// The pods' cgroups are below this one: another cluster's pods must not be taken for ours.
    pub fn cgroup_root(&self) -> String {
        let name = self.run_dir.file_name().expect("the directory has a name");
        format!("/{}", name.to_string_lossy())
    }
}

impl Kubectl for Cluster {
    fn kubeconfig(&self) -> PathBuf {
        self.data_dir.join("server/admin.kubeconfig")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        if failed {
            self.explain();
        }
        let said = self.remove();
        if !said.ok {
            eprintln!("sheave down failed: {}{}", said.stdout, said.stderr);
            assert!(failed, "sheave down failed");
        }
    }
}

/// A port that nothing listens on at the moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

/// Sends a signal to a process that this test knows to be its own.
pub fn signal(pid: u32, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("a process id"));
    nix::sys::signal::kill(pid, signal)
        .unwrap_or_else(|error| panic!("{signal} to {pid}: {error}"));
}

/// The child of `parent` that runs the program `name`; not one that has ended and was not waited for.
pub fn child_of(parent: u32, name: &str) -> Option<u32> {
    // The kernel keeps 15 bytes of a program's name.
    let name = &name[..name.len().min(15)];
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
        let field = |key: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(key))
                .map(str::trim)
                .unwrap_or_default()
        };
        let is_it = field("Name:") == name
            && field("PPid:") == parent.to_string()
            && !field("State:").starts_with('Z');
        // One that only looks whether it could run is no daemon.
        let words = std::fs::read(entry.path().join("cmdline")).ok()?;
        let only_looks = words.split(|byte| *byte == 0).any(|word| word == b"--check");
        (is_it && !only_looks).then_some(pid)
    })
}
