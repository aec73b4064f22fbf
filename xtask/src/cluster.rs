//! A one-node cluster as a user runs it: `sheave up` in the background, kubectl, and files. Start,
//! stop, ask, remove; nothing here knows how Sheave works inside.

use crate::privilege;
use crate::process;
use crate::watch;
use crate::workspace::binary;
use anyhow::{Context, Result, anyhow, bail};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How often something is asked for that nobody announces to us.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Lines of each log that an error shows.
const LOG_TAIL_LINES: usize = 15;

/// Where a cluster keeps its things. Two never share one of these.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) data_dir: PathBuf,
    pub(crate) run_dir: PathBuf,
    pub(crate) bpffs_dir: PathBuf,
    pub(crate) api_port: u16,
    /// The pods' cgroups are below this one.
    cgroup_root: &'static str,
}

impl Cluster {
    /// The one that `cargo xtask up` starts: Sheave's defaults.
    pub(crate) fn standard() -> Self {
        Self {
            data_dir: "/var/lib/sheave".into(),
            run_dir: "/run/sheave".into(),
            bpffs_dir: "/sys/fs/bpf/sheave".into(),
            api_port: 6443,
            cgroup_root: "/sheave",
        }
    }

    /// One beside the standard one's files, to measure a first start. Not to be run at the same time:
    /// both would attach to the same interfaces.
    pub(crate) fn for_measuring() -> Self {
        Self {
            data_dir: "/var/lib/sheave-measure".into(),
            run_dir: "/run/sheave-measure".into(),
            bpffs_dir: "/sys/fs/bpf/sheave-measure".into(),
            api_port: 16443,
            cgroup_root: "/sheave-measure",
        }
    }

    /// The administrator's kubeconfig, which only root can read.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.data_dir.join("server/admin.kubeconfig")
    }

    fn pid_file(&self) -> PathBuf {
        self.run_dir.join("up.pid")
    }

    fn log(&self, name: &str) -> PathBuf {
        self.data_dir.join("log").join(name)
    }

    /// The process id of the running `sheave up`, if there is one.
    pub(crate) fn supervisor(&self) -> Option<u32> {
        let pid = std::fs::read_to_string(self.pid_file()).ok()?.trim().parse().ok()?;
        is_supervisor(pid).then_some(pid)
    }

    /// Starts `sheave up` in a session of its own, so that it outlives this command and its terminal.
    pub(crate) fn start(&self) -> Result<Started> {
        self.start_with(&[])
    }

    /// As [`Cluster::start`], with more words for `sheave up`.
    pub(crate) fn start_with(&self, words: &[&str]) -> Result<Started> {
        const SCRIPT: &str = r#"set -e
            log=$1; shift
            mkdir -p "$(dirname "$log")"
            setsid -- "$@" </dev/null >>"$log" 2>&1 &
            echo $!"#;
        let mut command = privilege::command_with_env("sh", &self.variables());
        command.args(["-c", SCRIPT, "sh"]).arg(self.log("up.log"));
        command.arg(binary("sheave")).arg("up").args(self.flags());
        command.args(["--api-port", &self.api_port.to_string()]);
        command.arg("--image-dir").arg(crate::images::archive_dir()).args(words);
        let at = Instant::now();
        let pid = output_of(&mut command).context("starting sheave up")?;
        let pid = pid.trim().parse().context("the shell tells a process id")?;
        Ok(Started { at, pid })
    }

    /// Ends `sheave up` and its daemons. Pods keep running, and so does their traffic.
    pub(crate) fn stop(&self) -> Result<()> {
        let Some(pid) = self.supervisor() else { return Ok(()) };
        output_of(privilege::command("kill").arg(pid.to_string())).context("ending sheave up")?;
        wait_for("sheave up to end", Duration::from_secs(30), || {
            Ok(self.supervisor().is_none().then_some(()))
        })
    }

    /// Takes everything away that the cluster put on this machine; returns what `sheave down` said.
    pub(crate) fn remove(&self) -> Result<String> {
        let mut command = privilege::command_with_env(binary("sheave"), &self.variables());
        output_of(command.arg("down").args(self.flags())).context("sheave down")
    }

    /// Takes away what the agent has on this machine: pods, programs, maps, what it recalls. The store stays, and the
    /// node's certificate. Not while `sheave up` runs.
    pub(crate) fn clean_node(&self) -> Result<()> {
        let mut command = privilege::command_with_env(binary("sheave-agent"), &self.variables());
        command.args(["cleanup", "--data-dir"]).arg(self.data_dir.join("agent"));
        command.arg("--run-dir").arg(&self.run_dir).arg("--bpffs-dir").arg(&self.bpffs_dir);
        output_of(&mut command).map(drop).context("sheave-agent cleanup")
    }

    fn variables(&self) -> [(&'static str, &'static str); 1] {
        [("SHEAVE_CGROUP_ROOT", self.cgroup_root)]
    }

    fn flags(&self) -> [&std::ffi::OsStr; 6] {
        [
            "--data-dir".as_ref(),
            self.data_dir.as_os_str(),
            "--run-dir".as_ref(),
            self.run_dir.as_os_str(),
            "--bpffs-dir".as_ref(),
            self.bpffs_dir.as_os_str(),
        ]
    }

    /// Whether anything of this cluster is on the machine.
    pub(crate) fn exists(&self) -> bool {
        self.supervisor().is_some() || self.data_dir.exists()
    }

    /// Runs kubectl as the administrator; returns what it printed.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        output_of(self.kubectl_command()?.args(arguments))
    }

    /// A kubectl of the administrator that has no arguments yet.
    pub(crate) fn kubectl_command(&self) -> Result<Command> {
        let kubeconfig = self.kubeconfig();
        let kubeconfig = kubeconfig.to_str().context("the kubeconfig's path is not UTF-8")?;
        Ok(privilege::command_with_env("kubectl", &[("KUBECONFIG", kubeconfig)]))
    }

    /// One value of an object or a list, by JSONPath.
    pub(crate) fn value(&self, what: &[&str], path: &str) -> Result<String> {
        let output = format!("--output=jsonpath={path}");
        self.kubectl(&[&["get"], what, &[&output]].concat())
    }

    /// Waits until the API server says that it is ready.
    ///
    /// # Errors
    /// At once when `sheave up` has given up.
    pub(crate) fn wait_api(&self, started: Option<&Started>) -> Result<()> {
        let mut gave_up = false;
        self.wait("the API server to be ready", Duration::from_secs(60), || {
            // Fails until the server has made its certificates and listens.
            if self.kubectl(&["get", "--raw=/readyz"]).is_ok() {
                return Ok(Some(true));
            }
            gave_up = started.is_some_and(|started| !process::is_alive(started.pid));
            Ok(gave_up.then_some(false))
        })?;
        if gave_up {
            return Err(anyhow!("sheave up ended by itself").context(self.log_tails()));
        }
        Ok(())
    }

    /// Waits until every node, and at least one, is Ready.
    pub(crate) fn wait_node_ready(&self) -> Result<()> {
        const PATH: &str = r#".status.conditions[?(@.type=="Ready")].status"#;
        self.watch("the node to be Ready", &["nodes"], PATH, |nodes| {
            !nodes.is_empty() && nodes.values().all(|state| state == "True")
        })
    }

    /// Waits until `count` pods of the namespace are in phase Running.
    pub(crate) fn wait_pods_running(&self, namespace: &str, count: usize) -> Result<()> {
        let get = ["pods", "--namespace", namespace];
        self.watch("the pods to be Running", &get, ".status.phase", |pods| {
            pods.values().filter(|phase| *phase == "Running").count() == count
        })
    }

    /// As [`watch::until`], with the ends of the daemons' logs when it does not come to pass.
    fn watch(
        &self,
        what: &str,
        get: &[&str],
        path: &str,
        reached: impl Fn(&watch::States) -> bool,
    ) -> Result<()> {
        watch::until(self, get, path, Duration::from_secs(120), reached)
            .with_context(|| format!("waiting for {what}"))
            .map_err(|error| error.context(self.log_tails()))
    }

    /// As [`wait_for`], with the ends of the daemons' logs when it does not come to pass.
    fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        check: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        wait_for(what, limit, check).map_err(|error| error.context(self.log_tails()))
    }

    /// The last lines of each daemon's log.
    pub(crate) fn log_tails(&self) -> String {
        let mut tails = String::new();
        for name in ["up.log", "server.log", "agent.log"] {
            let path = self.log(name);
            let text = output_of(privilege::command("cat").arg(&path)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
            let _ = writeln!(tails, "{} ends:\n  {}", path.display(), tail.join("\n  "));
        }
        tails
    }

    /// The process id of a daemon, by its program's name.
    pub(crate) fn daemon(&self, program: &str) -> Result<u32> {
        let supervisor = self.supervisor().context("sheave up does not run")?;
        process::child(supervisor, program)
    }

    /// Resident memory of a daemon in bytes, by its program's name.
    pub(crate) fn resident_bytes(&self, program: &str) -> Result<u64> {
        process::resident_bytes(self.daemon(program)?)
    }
}

/// A `sheave up` that was just started.
pub(crate) struct Started {
    pub(crate) at: Instant,
    pid: u32,
}

fn is_supervisor(pid: u32) -> bool {
    process::name(pid).is_some_and(|name| name == "sheave")
}

/// Calls `check` until it returns a value.
///
/// # Errors
/// When `limit` is over; the last error of `check` is told along.
pub(crate) fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut check: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        let outcome = check();
        if let Ok(Some(value)) = outcome {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            let reason = format!("waited {} s for {what}", limit.as_secs());
            return match outcome {
                Err(error) => Err(error.context(reason)),
                Ok(_) => bail!(reason),
            };
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// What a command prints on its standard output; its standard error is in the error.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let program = Path::new(command.get_program()).display().to_string();
    let output = command.output().with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        bail!(
            "{program} {} ended with {}: {}",
            words.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_the_last_reason() {
        let error =
            wait_for::<()>("rain", Duration::ZERO, || bail!("the sky is blue")).unwrap_err();
        assert_eq!(format!("{error:#}"), "waited 0 s for rain: the sky is blue");
        assert_eq!(wait_for("sun", Duration::ZERO, || Ok(Some(7))).unwrap(), 7);
    }
}
