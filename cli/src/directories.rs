//! Where a cluster on this machine keeps its things: flags that several commands share.

use std::ffi::OsString;
use std::path::PathBuf;

/// Directories of one cluster on this machine. Two clusters never share one.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Directories {
    /// State that outlives a reboot: objects, certificates, images, logs.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/sheave")]
    pub(crate) data_dir: PathBuf,
    /// Sockets and pid files.
    #[arg(long, value_name = "DIR", default_value = "/run/sheave")]
    pub(crate) run_dir: PathBuf,
    /// Pinned programs, maps and links.
    #[arg(long, value_name = "DIR", default_value = "/sys/fs/bpf/sheave")]
    pub(crate) bpffs_dir: PathBuf,
}

/// Where a cluster's pods are in the cgroup trees.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Cgroups {
    /// The pods' cgroups are below this one [default: /sheave].
    #[arg(long, value_name = "CGROUP")]
    cgroup_root: Option<String>,
}

impl Cgroups {
    /// For the agent's command line; nothing when it is to decide.
    pub(crate) fn words(&self) -> impl Iterator<Item = OsString> {
        self.cgroup_root.iter().flat_map(|root| ["--cgroup-root".into(), root.into()])
    }
}

impl Directories {
    /// The administrator's kubeconfig, made by the server at its first start.
    pub(crate) fn admin_kubeconfig(&self) -> PathBuf {
        self.data_dir.join("server/admin.kubeconfig")
    }

    /// Where the agent answers questions.
    pub(crate) fn agent_socket(&self) -> PathBuf {
        self.run_dir.join("agent.sock")
    }

    /// Where the agent's sockets are kept while it is away.
    pub(crate) fn keeper_socket(&self) -> PathBuf {
        self.run_dir.join("keeper.sock")
    }

    /// Holds the process id of the running `sheave up`.
    pub(crate) fn pid_file(&self) -> PathBuf {
        self.run_dir.join("up.pid")
    }

    /// The log of a daemon: `server`, `agent`.
    pub(crate) fn log(&self, daemon: &str) -> PathBuf {
        self.data_dir.join("log").join(format!("{daemon}.log"))
    }

    /// Everything of the agent below the data directory.
    pub(crate) fn agent_data_dir(&self) -> PathBuf {
        self.data_dir.join("agent")
    }
}
