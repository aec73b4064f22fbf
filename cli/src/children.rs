//! The two daemons as children of `sheave up`: started, watched, started again when they end.
//!
//! A child that ends takes nothing with it: pods and dataplane go on. So the only policy here is to start
//! it again, at once first and later when it keeps ending.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

const RESTART_DELAY_FIRST: Duration = Duration::from_millis(100);
const RESTART_DELAY_MAX: Duration = Duration::from_secs(30);
/// A daemon that ran this long did not fail at its start.
const SETTLED_AFTER: Duration = Duration::from_secs(5);
/// How long a daemon may take to end when it is told to.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// How to run one daemon.
pub(crate) struct Daemon {
    /// `server`, `agent`.
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) log: PathBuf,
}

impl Daemon {
    /// Starts it, its output appended to its log. It is told to end when `sheave up` dies.
    pub(crate) fn start(&self) -> Result<Child> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot share the log")?)
            .stderr(log);
        // SAFETY: between fork and exec only prctl is called, which is async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                nix::sys::prctl::set_pdeathsig(Signal::SIGTERM).map_err(std::io::Error::from)
            });
        }
        command.spawn().with_context(|| format!("cannot run {}", self.program.display()))
    }

    /// Keeps it running until the future is dropped or the daemon cannot even be started.
    pub(crate) async fn keep(&self, child: &mut Child) -> Result<()> {
        let mut delay = RESTART_DELAY_FIRST;
        loop {
            let started = Instant::now();
            let ended =
                child.wait().await.with_context(|| format!("lost sight of {}", self.name))?;
            if started.elapsed() >= SETTLED_AFTER {
                delay = RESTART_DELAY_FIRST;
            }
            eprintln!("sheave: {} ended ({ended}); starting it again", self.name);
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(RESTART_DELAY_MAX);
            *child = self.start()?;
        }
    }
}

/// Asks a daemon to end and waits; kills it when it does not.
pub(crate) async fn stop(name: &str, child: &mut Child) {
    // No id: it has ended already.
    let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) else { return };
    // It may end by itself in this moment, which is what is wanted.
    let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    if tokio::time::timeout(STOP_TIMEOUT, child.wait()).await.is_err() {
        eprintln!("sheave: {name} did not end within {} s and is killed", STOP_TIMEOUT.as_secs());
        let _ = child.kill().await;
    }
}
