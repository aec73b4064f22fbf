//! `sheave-agent cleanup`: everything the agent ever made on this node, in the reverse of the order in
//! which it came: pods and runtime, pods' network, programs and maps, kernel settings, files.
//!
//! It goes on after a failure and says at the end that something is left.

use std::fmt::Display;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use sheave_kubelet::cleanup::Mode;
use sheave_kubelet::{KubeletConfig, ManagedRuntime, RuntimeChoice};

use crate::config::{CleanupArguments, Directories};
use crate::footprint::Footprint;
use crate::lock::Lock;
use crate::{cni, sysctl};

pub(crate) fn run(arguments: &CleanupArguments) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("cleaning up needs root: run it as root, or with sudo");
    }
    let lock_path = arguments.directories.lock();
    let lock = Lock::take(&lock_path)?;
    let mut cleanup = Cleanup { dry_run: arguments.dry_run, failures: 0 };
    let directories = &arguments.directories;
    cleanup.pods(directories);
    cleanup.pod_network(directories);
    cleanup.dataplane(directories);
    cleanup.settings(directories);
    cleanup.files(directories);
    drop(lock);
    let _ = fs::remove_file(lock_path);
    match cleanup.failures {
        0 => Ok(()),
        count => bail!("{count} of the above could not be removed"),
    }
}

struct Cleanup {
    dry_run: bool,
    failures: usize,
}

impl Cleanup {
    fn say(&self, what: impl Display) {
        println!("{} {what}", if self.dry_run { "would remove" } else { "removed" });
    }

    fn failed(&mut self, what: impl Display, error: impl Into<anyhow::Error>) {
        self.failures += 1;
        eprintln!("cannot remove {what}: {:#}", error.into());
    }

    /// Containers, runtime, volumes, cgroups, logs.
    fn pods(&mut self, directories: &Directories) {
        let config = KubeletConfig {
            data_dir: directories.data_dir.clone(),
            run_dir: directories.run_dir.clone(),
            log_dir: directories.pod_logs(),
            runtime: RuntimeChoice::Managed(ManagedRuntime::default()),
            cgroup_root: directories.cgroup_root.clone(),
            ..KubeletConfig::new("", Vec::new())
        };
        let mode = if self.dry_run { Mode::DryRun } else { Mode::Remove };
        match sheave_kubelet::cleanup::run(&config, mode) {
            Ok(leftovers) => leftovers.iter().for_each(|leftover| self.say(leftover)),
            Err(error) => self.failed("the pods", error),
        }
    }

    /// Interfaces, routes and addresses: the plugin that made them takes them away.
    fn pod_network(&mut self, directories: &Directories) {
        let plugin = cni::plugin(directories);
        let Some(request) = cni::remove_all_request(&directories.cni_conf()) else { return };
        if !plugin.exists() {
            return;
        }
        let attachments = count_files(&directories.cni_addresses().join(cni::NETWORK), "shv");
        if !self.dry_run
            && let Err(error) = collect_garbage(&plugin, &request)
        {
            return self.failed("the pods' network", error);
        }
        if attachments > 0 {
            self.say(format!("the network of {attachments} pods"));
        }
    }

    fn dataplane(&mut self, directories: &Directories) {
        let dir = &directories.bpffs_dir;
        if self.dry_run {
            match sheave_dataplane::installed_network(dir) {
                Ok(all) => all.iter().for_each(|what| self.say(what)),
                Err(error) => self.failed("the routes to other nodes' pods", error),
            }
            match sheave_dataplane::installed(dir) {
                Ok(pins) => pins.iter().for_each(|pin| self.say(pin.display())),
                Err(error) => self.failed(dir.display(), error),
            }
            return;
        }
        match sheave_dataplane::cleanup(dir) {
            Ok(cleaned) => {
                cleaned.network.iter().for_each(|what| self.say(what));
                cleaned.removed.iter().for_each(|pin| self.say(pin.display()));
                if cleaned.unmounted {
                    self.say(format!("the BPF file system of {}", dir.display()));
                }
            }
            Err(error) => self.failed(dir.display(), error),
        }
    }

    fn settings(&mut self, directories: &Directories) {
        let footprint = match Footprint::open(directories.footprint()) {
            Ok(footprint) => footprint,
            Err(error) => return self.failed("changes of kernel settings", error),
        };
        for (name, before) in sysctl::restore_order(&footprint) {
            if self.dry_run {
                println!("would set {name} back to {before:?}");
            } else if let Err(error) = sysctl::restore(name, before) {
                self.failed(format!("the change of {name}"), error);
            } else {
                println!("set {name} back to {before:?}");
            }
        }
    }

    /// What is ours in the data and run directories; certificates and images are somebody else's.
    fn files(&mut self, directories: &Directories) {
        // Without the notes of what to put back, a second try could not.
        let footprint = (self.failures == 0).then(|| directories.footprint());
        let files = [directories.control_socket(), directories.view()];
        for file in files.into_iter().chain(footprint) {
            if file.exists() {
                self.remove(&file, |file| fs::remove_file(file));
            }
        }
        let dir = directories.data_dir.join("cni");
        if dir.exists() && self.failures == 0 {
            self.remove(&dir, |dir| fs::remove_dir_all(dir));
        }
    }

    fn remove(&mut self, path: &Path, how: impl FnOnce(&PathBuf) -> std::io::Result<()>) {
        if !self.dry_run
            && let Err(error) = how(&path.to_owned())
            && error.kind() != ErrorKind::NotFound
        {
            return self.failed(path.display(), error);
        }
        self.say(path.display());
    }
}

fn count_files(dir: &Path, prefix: &str) -> usize {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix)).count()
}

fn collect_garbage(plugin: &Path, request: &serde_json::Value) -> Result<()> {
    let mut child = Command::new(plugin)
        .env("CNI_COMMAND", "GC")
        .env("CNI_PATH", plugin.parent().unwrap_or(Path::new("/")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", plugin.display()))?;
    let mut stdin = child.stdin.take().context("the plugin has no input")?;
    stdin.write_all(request.to_string().as_bytes()).context("the plugin takes no input")?;
    drop(stdin);
    let output = child.wait_with_output().context("cannot wait for the plugin")?;
    if output.status.success() {
        return Ok(());
    }
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    bail!("{}", answer["details"].as_str().unwrap_or("the plugin failed"))
}
