//! A `sheave-server` of the measurement's own on the loopback, and the way to its API. Both are ended, and the store
//! is removed, when it is dropped.

use super::super::proxy::Proxy;
use crate::cluster::{output_of, wait_for};
use crate::traffic::Ask;
use crate::workspace::binary;
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// On a disk, as a store is.
const DIRECTORY: &str = "/var/lib/sheave-bench-push";
const START_LIMIT: Duration = Duration::from_secs(60);

pub(super) struct Server {
    port: u16,
    process: Child,
    proxy: Option<Proxy>,
}

impl Server {
    /// On an empty store.
    pub(super) fn start() -> Result<Self> {
        // Left by a run that was killed.
        remove_directory()?;
        std::fs::create_dir_all(DIRECTORY).with_context(|| format!("cannot make {DIRECTORY}"))?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut server = Self { port, process: spawn(port)?, proxy: None };
        server.wait_ready()?;
        server.proxy = Some(Proxy::start(&server.kubeconfig())?);
        Ok(server)
    }

    /// On the same store: as after an update.
    pub(super) fn restart(&mut self) -> Result<()> {
        output_of(Command::new("kill").arg(self.process.id().to_string()))?;
        self.process.wait().context("the server is a child of this process")?;
        self.process = spawn(self.port)?;
        self.wait_ready()
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Where files may be put that go with it.
    pub(super) fn directory(&self) -> &Path {
        Path::new(DIRECTORY)
    }

    pub(super) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// One that lets any number of machines join.
    pub(super) fn token(&self) -> Result<String> {
        let mut command = Command::new(binary("sheave"));
        command.args(["token", "create", "--kubeconfig"]).arg(self.kubeconfig());
        let line = output_of(&mut command)?;
        let token = line.split_whitespace().skip_while(|word| *word != "--token").nth(1);
        Ok(token.context("`sheave token create` prints no token")?.to_owned())
    }

    /// The answer of the API, as JSON.
    pub(super) fn ask(&self, ask: &Ask<'_>) -> Result<Value> {
        self.proxy.as_ref().context("kubectl proxy does not run yet")?.ask(ask)
    }

    fn kubeconfig(&self) -> PathBuf {
        self.directory().join("server/admin.kubeconfig")
    }

    fn wait_ready(&mut self) -> Result<()> {
        let kubeconfig = self.kubeconfig();
        let process = &mut self.process;
        wait_for("the server to be ready", START_LIMIT, || {
            if let Some(status) = process.try_wait()? {
                let said = std::fs::read_to_string(log()).unwrap_or_default();
                let last = said.lines().last().unwrap_or_default();
                return Ok(Some(Err(anyhow::anyhow!("the server ended with {status}: {last}"))));
            }
            let mut kubectl = Command::new("kubectl");
            kubectl.arg("--kubeconfig").arg(&kubeconfig).args(["get", "--raw=/readyz"]);
            output_of(&mut kubectl).map(|_| Some(Ok(())))
        })?
    }
}

fn spawn(port: u16) -> Result<Child> {
    let log = File::options().create(true).append(true).open(log())?;
    let mut command = Command::new(binary("sheave-server"));
    command.args(["--data-dir", DIRECTORY, "--bind", &format!("127.0.0.1:{port}")]);
    // Nobody's agent is on this machine; agents say who they are.
    command.args(["--advertise-address", "127.0.0.1", "--node-name", "server"]);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().context("cannot start sheave-server")
}

fn log() -> PathBuf {
    Path::new(DIRECTORY).join("server.log")
}

fn remove_directory() -> Result<()> {
    match std::fs::remove_dir_all(DIRECTORY) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {DIRECTORY}"))
        }
        _ => Ok(()),
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Err(error) = remove_directory() {
            eprintln!("{error:#}");
        }
    }
}
