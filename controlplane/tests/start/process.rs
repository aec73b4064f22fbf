//! A `sheave-server` process of its own, ended when dropped.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sheave-server");

/// A port that nobody has now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) struct Server {
    child: Child,
    pub(crate) data_dir: PathBuf,
    pub(crate) port: u16,
}

fn command(data_dir: &Path, port: u16) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("--data-dir").arg(data_dir).args(["--bind", &format!("127.0.0.1:{port}")]);
    command.args(["--node-name", "vm-1"]);
    command
}

impl Server {
    /// Returns when the server says that it is ready.
    pub(crate) fn start(data_dir: &Path, port: u16) -> Self {
        Self::start_with(data_dir, port, &[])
    }

    pub(crate) fn start_with(data_dir: &Path, port: u16, more: &[&str]) -> Self {
        let mut command = command(data_dir, port);
        let mut child = command.args(more).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let server = Self { child, data_dir: data_dir.to_owned(), port };
        let ready = format!("API server ready at https://127.0.0.1:{port} in ");
        assert!(line.starts_with(&ready), "{line:?}");
        server
    }

    /// Starts a server that must give up; returns what it says.
    pub(crate) fn refused(data_dir: &Path, port: u16) -> String {
        Self::refused_with(data_dir, port, &[])
    }

    pub(crate) fn refused_with(data_dir: &Path, port: u16, more: &[&str]) -> String {
        complaint(command(data_dir, port).args(more))
    }

    /// On a file system that is full, mounted where only this process sees it.
    pub(crate) fn refused_on_full_disk(dir: &Path, size: &str) -> String {
        let script = "mount -t tmpfs -o size=$1 none \"$2\" && shift 2 && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh", size]).arg(dir).arg(PROGRAM);
        command.arg("--data-dir").arg(dir).args(["--bind", "127.0.0.1:0"]);
        complaint(&mut command)
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        let output = Command::new("kubectl")
            .args(arguments)
            .env("KUBECONFIG", self.data_dir.join("server/admin.kubeconfig"))
            .env("HOME", &self.data_dir)
            .output()
            .expect("these tests drive the real kubectl: install kubernetes-client");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {}: {said}", arguments.join(" "));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A request that must be refused; returns what kubectl says.
    pub(crate) fn kubectl_refused(&self, arguments: &[&str]) -> String {
        let output = Command::new("kubectl")
            .args(arguments)
            .env("KUBECONFIG", self.data_dir.join("server/admin.kubeconfig"))
            .env("HOME", &self.data_dir)
            .output()
            .expect("these tests drive the real kubectl: install kubernetes-client");
        assert!(!output.status.success(), "kubectl {}", arguments.join(" "));
        String::from_utf8(output.stderr).unwrap()
    }

    /// Asks it to end, and waits until it did.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        self.child.wait().unwrap()
    }

    /// Ends it without warning.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn complaint(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "the server must not start");
    assert!(output.stdout.is_empty(), "it must not say that it is ready");
    String::from_utf8(output.stderr).unwrap()
}
