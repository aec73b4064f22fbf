//! The control plane alone, for what needs no node: killed and started again as often as a test likes.

use crate::cluster::{free_port, program};
use crate::kubectl::Kubectl;
use crate::wait;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const START_LIMIT: Duration = Duration::from_secs(30);

/// A running `sheave-server`; killed when dropped, and its store removed.
pub struct Server {
    data_dir: tempfile::TempDir,
    /// Where it listens, on the loopback.
    pub port: u16,
    process: Child,
}

impl Server {
    /// Starts one on an empty store and waits until it is ready.
    pub fn start() -> Self {
        let data_dir = tempfile::tempdir().expect("a temporary directory");
        let port = free_port();
        let process = spawn(&data_dir, port);
        let server = Self { data_dir, port, process };
        server.wait_ready();
        server.wait_service_account("default");
        server
    }

    /// Kills it as a power cut would, and starts it again on the same store.
    pub fn kill_and_start(&mut self) {
        self.process.kill().expect("it is our child");
        self.process.wait().expect("it is our child");
        self.process = spawn(&self.data_dir, self.port);
    }

    /// Waits until it says that it is ready.
    pub fn wait_ready(&self) {
        wait::until_true("the API server to be ready", START_LIMIT, || {
            self.kubeconfig().exists() && self.try_kubectl(&["get", "--raw=/readyz"]).ok
        });
    }

    fn log(&self) -> PathBuf {
        self.data_dir.path().join("server.log")
    }
}

fn spawn(data_dir: &tempfile::TempDir, port: u16) -> Child {
    let path = data_dir.path().join("server.log");
    let log = File::options().create(true).append(true).open(path).expect("the log");
    Command::new(program("sheave-server"))
        .arg("--data-dir")
        .arg(data_dir.path())
        .args(["--bind", &format!("127.0.0.1:{port}"), "--node-name", "alone"])
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("the log"))
        .stderr(log)
        .spawn()
        .expect("sheave-server is executable")
}

impl Kubectl for Server {
    fn kubeconfig(&self) -> PathBuf {
        self.data_dir.path().join("server/admin.kubeconfig")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = std::fs::read_to_string(self.log()).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            eprintln!(
                "--- the server's log ends\n{}",
                lines[lines.len().saturating_sub(40)..].join("\n")
            );
        }
        // Nothing may be left, and there is nobody to tell.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
