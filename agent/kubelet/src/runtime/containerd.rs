//! A containerd of our own: written configuration, started in a session of its own so that it and its
//! shims outlive the agent, adopted by the next agent, started again when it dies.

use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use super::images::Importer;
use super::settings::Settings;
use super::{RuntimeState, answer};
use crate::config::{CgroupDriver, KubeletConfig, ManagedRuntime};
use crate::cri::Cri;
use crate::kubelet::StartError;

/// Between starts of a containerd that keeps dying.
const RESTART_DELAY: Duration = Duration::from_secs(1);
/// How long a containerd may take to end when asked.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// Descriptors below this one can have been left open by whoever started the agent: the limit that processes
/// have by default.
const INHERITED_MAX: i32 = 1024;
/// The log is cut off at a start when it is longer.
const LOG_BYTES_MAX: u64 = 16 << 20;

/// Where a managed containerd has its files.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    pub(crate) root: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) config: PathBuf,
    pub(crate) log: PathBuf,
    /// Pid and start time, so that a reused pid is not taken for it.
    pub(crate) pid: PathBuf,
}

impl Paths {
    pub(crate) fn of(config: &KubeletConfig) -> Self {
        let root = config.data_dir.join("containerd");
        let run = config.run_dir.join("containerd");
        Self {
            config: root.join("config.toml"),
            log: root.join("containerd.log"),
            socket: run.join("containerd.sock"),
            pid: run.join("containerd.pid"),
            root: root.join("root"),
            state: run.join("state"),
        }
    }
}

/// A process that cannot be mistaken for a later one with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pid: i32,
    /// Clock ticks after boot, field 22 of /proc/<pid>/stat.
    start_ticks: u64,
}

impl Process {
    fn of(pid: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is a name in parentheses that may hold anything.
        let (_, after) = stat.rsplit_once(')')?;
        let mut fields = after.split_whitespace();
        if matches!(fields.next()?, "Z" | "X") {
            return None;
        }
        let start_ticks = fields.nth(18)?.parse().ok()?;
        Some(Self { pid, start_ticks })
    }

    /// The one that a pid file names, while it lives.
    pub(crate) fn from_file(path: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(path).ok()?;
        let (pid, start_ticks) = text.trim().split_once(' ')?;
        let recorded = Self { pid: pid.parse().ok()?, start_ticks: start_ticks.parse().ok()? };
        (Self::of(recorded.pid)? == recorded).then_some(recorded)
    }

    pub(crate) fn pid(self) -> i32 {
        self.pid
    }

    fn write(self, path: &Path) -> std::io::Result<()> {
        std::fs::write(path, format!("{} {}\n", self.pid, self.start_ticks))
    }

    /// Waits for its end without asking again and again.
    async fn ended(self) {
        let Some(fd) = pidfd_open(self.pid) else { return };
        if Self::of(self.pid) != Some(self) {
            return;
        }
        // SAFETY: the descriptor is owned by the AsyncFd and so stays open while it is registered.
        if let Ok(fd) = unsafe { AsyncFd::register(fd) } {
            let _ = fd.readable().await;
        }
    }

    /// Asks it to end, then makes it.
    pub(crate) async fn terminate(self) {
        // It may be gone by now, which is what is wanted.
        let _ = kill(Pid::from_raw(self.pid), Signal::SIGTERM);
        if tokio::time::timeout(STOP_TIMEOUT, self.ended()).await.is_err() {
            let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
            self.ended().await;
        }
    }
}

fn pidfd_open(pid: i32) -> Option<OwnedFd> {
    // SAFETY: pidfd_open takes two integers and returns a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0)?;
    // SAFETY: the descriptor is new and owned by nobody else.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Where the programs are that are run by us.
pub(crate) struct Programs {
    containerd: PathBuf,
    ctr: PathBuf,
}

impl Programs {
    /// All of them, also those that containerd runs.
    pub(crate) fn find(managed: &ManagedRuntime) -> Result<Self, StartError> {
        const REMEDY: &str = "install it with `apt-get install containerd runc`, or name another \
                              container runtime with --cri-endpoint";
        let containerd = find_program(&managed.containerd, REMEDY)?;
        find_program(Path::new("runc"), REMEDY)?;
        find_program(Path::new("containerd-shim-runc-v2"), REMEDY)?;
        Ok(Self { containerd, ctr: find_program(&managed.ctr, REMEDY)? })
    }
}

/// What is needed to run it.
#[derive(Debug)]
pub(crate) struct Containerd {
    pub(crate) paths: Paths,
    program: PathBuf,
    pause_program: PathBuf,
    settings: Settings,
    importer: Importer,
}

impl Containerd {
    /// Finds the programs, makes the directories, decides what depends on the machine.
    pub(crate) fn prepare(
        config: &KubeletConfig,
        managed: &ManagedRuntime,
    ) -> Result<Self, StartError> {
        let Programs { containerd: program, ctr } = Programs::find(managed)?;
        let paths = Paths::of(config);
        let parents = [&paths.config, &paths.socket].map(|path| path.parent());
        let directories = [&paths.root, &paths.state, &managed.cni_conf_dir].map(|p| p.as_path());
        for directory in parents.into_iter().flatten().chain(directories) {
            std::fs::create_dir_all(directory).map_err(|source| {
                let path = directory.display().to_string();
                StartError::Directory { path, source }
            })?;
        }
        if let Some(directory) = managed.cni_bin_dirs.first() {
            super::loopback::ensure(directory).map_err(|source| {
                let path = directory.display().to_string();
                StartError::Directory { path, source }
            })?;
        }
        let snapshotter = snapshotter(&paths.root);
        let systemd = match managed.cgroup_driver {
            Some(driver) => driver == CgroupDriver::Systemd,
            None => Path::new("/run/systemd/system").exists(),
        };
        let settings = Settings {
            root: paths.root.clone(),
            state: paths.state.clone(),
            socket: paths.socket.clone(),
            cni_bin_dirs: managed.cni_bin_dirs.clone(),
            cni_conf_dir: managed.cni_conf_dir.clone(),
            snapshotter,
            systemd_cgroup: systemd,
            restrict_oom_score_adj: !crate::machine::may_lower_oom_score(),
            apparmor: Path::new("/sys/module/apparmor/parameters/enabled").exists()
                && find_program(Path::new("apparmor_parser"), "").is_ok(),
        };
        let importer = Importer { ctr, socket: paths.socket.clone(), snapshotter };
        let pause_program = managed.pause_program.clone();
        Ok(Self { paths, program, pause_program, settings, importer })
    }

    fn cgroup_driver(&self) -> CgroupDriver {
        if self.settings.systemd_cgroup { CgroupDriver::Systemd } else { CgroupDriver::Cgroupfs }
    }

    /// Adopts or starts it, says how it is, starts it again when it dies. Ends with the agent, which it
    /// does not take along.
    pub(crate) async fn supervise(
        self,
        image_dir: Option<PathBuf>,
        states: watch::Sender<RuntimeState>,
    ) {
        let cri = Cri::new(&self.paths.socket);
        while !states.is_closed() {
            let process = match self.adopt().await {
                Some(process) => process,
                None => match self.spawn() {
                    Ok(process) => process,
                    Err(error) => {
                        tracing::error!(%error, "containerd does not start");
                        states.send_replace(RuntimeState::Down(format!("containerd: {error}")));
                        tokio::time::sleep(RESTART_DELAY).await;
                        continue;
                    }
                },
            };
            let up = async {
                let facts = answer(&cri, self.cgroup_driver()).await;
                self.provide_images(&cri, image_dir.as_deref(), &states).await;
                tracing::info!(version = facts.version, pid = process.pid, "containerd is up");
                states.send_replace(RuntimeState::Up(facts));
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = up => {}
                () = process.ended() => {}
            }
            let down = format!("containerd ended; see {}", self.paths.log.display());
            tracing::error!("{down}");
            states.send_replace(RuntimeState::Down(down));
            tokio::time::sleep(RESTART_DELAY).await;
        }
    }

    /// Pods wait for all of them: one that found its image missing would back off for ten seconds.
    async fn provide_images(
        &self,
        cri: &Cri,
        image_dir: Option<&Path>,
        states: &watch::Sender<RuntimeState>,
    ) {
        while let Err(error) = self.importer.ensure_pause(cri, &self.pause_program).await {
            tracing::error!(error = %crate::chain(&error), "no pause image, so no pod can start");
            states.send_replace(RuntimeState::Down(crate::chain(&error)));
            tokio::time::sleep(RESTART_DELAY).await;
        }
        if let Some(directory) = image_dir {
            self.importer.import_missing(cri, directory).await;
        }
    }

    /// One that runs with the configuration we would give it. Another one is ended first; its shims, and
    /// so the pods, go on.
    async fn adopt(&self) -> Option<Process> {
        let process = Process::from_file(&self.paths.pid)?;
        let same = std::fs::read_to_string(&self.paths.config).ok();
        if same.as_deref() == Some(self.settings.to_toml().as_str()) {
            return Some(process);
        }
        tracing::info!(pid = process.pid, "containerd is started again: its configuration changed");
        process.terminate().await;
        None
    }

    fn spawn(&self) -> std::io::Result<Process> {
        std::fs::write(&self.paths.config, self.settings.to_toml())?;
        let log = open_log(&self.paths.log)?;
        let mut command = std::process::Command::new(&self.program);
        command
            .arg("--config")
            .arg(&self.paths.config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        outlive_starter(&mut command);
        let mut child = command.spawn()?;
        let pid = i32::try_from(child.id()).unwrap_or(i32::MAX);
        let process = Process::of(pid)
            .ok_or_else(|| std::io::Error::other("it ended at once; see its log"))?;
        process.write(&self.paths.pid)?;
        // Reaps it, so that its end is seen and no zombie stays.
        std::thread::Builder::new()
            .name("containerd-wait".into())
            .stack_size(64 << 10)
            .spawn(move || child.wait())?;
        Ok(process)
    }
}

/// Puts the program into a session of its own, without descriptors that somebody left open for the agent: a
/// lock, or the end of a pipe, would be held for as long as containerd and its shims live.
fn outlive_starter(command: &mut std::process::Command) {
    // SAFETY: only async-signal-safe system calls, which touch no memory of ours.
    unsafe {
        command.pre_exec(|| {
            nix::unistd::setsid()?;
            let (first, last, flags) = (3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
            if libc::syscall(libc::SYS_close_range, first, last, flags) != 0 {
                // Before 5.11 there is no such flag. What is not open is an error that says so.
                for fd in 3..INHERITED_MAX {
                    libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
                }
            }
            Ok(())
        });
    }
}

fn open_log(path: &Path) -> std::io::Result<std::fs::File> {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    if file.metadata()?.len() > LOG_BYTES_MAX {
        file.set_len(0)?;
    }
    Ok(file)
}

fn find_program(program: &Path, remedy: &'static str) -> Result<PathBuf, StartError> {
    let missing = || StartError::ProgramMissing { program: program.display().to_string(), remedy };
    if program.components().count() > 1 {
        return if program.exists() { Ok(program.to_owned()) } else { Err(missing()) };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(program)).find(|p| p.is_file());
    found.ok_or_else(missing)
}

/// overlayfs where the kernel can mount it over this directory, else plain copies.
fn snapshotter(root: &Path) -> &'static str {
    let trial = root.join(".overlay-trial");
    let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|n| trial.join(n));
    let made = [&lower, &upper, &work, &merged].into_iter().try_for_each(std::fs::create_dir_all);
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        upper.display(),
        work.display()
    );
    let mounted = made.is_ok()
        && nix::mount::mount(
            Some("overlay"),
            &merged,
            Some("overlay"),
            nix::mount::MsFlags::empty(),
            Some(options.as_str()),
        )
        .is_ok();
    if mounted {
        // It is on nobody's path; detached it disappears by itself.
        let _ = nix::mount::umount2(&merged, nix::mount::MntFlags::MNT_DETACH);
    }
    let _ = std::fs::remove_dir_all(&trial);
    if mounted { "overlayfs" } else { "native" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_names_only_the_process_it_was_written_for() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pid");
        let me = Process::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        me.write(&file).unwrap();
        assert_eq!(Process::from_file(&file), Some(me));
        Process { start_ticks: me.start_ticks + 1, ..me }.write(&file).unwrap();
        assert_eq!(Process::from_file(&file), None);
    }

    #[test]
    fn what_outlives_its_starter_holds_nothing_of_it() {
        let (read, write) = std::io::pipe().unwrap();
        let fds = [std::os::fd::AsRawFd::as_raw_fd(&read), std::os::fd::AsRawFd::as_raw_fd(&write)];
        for fd in fds {
            // SAFETY: the descriptor is open; a child would inherit it from here on.
            assert_eq!(unsafe { libc::fcntl(fd, libc::F_SETFD, 0) }, 0);
        }
        let list = |prepare: fn(&mut std::process::Command)| {
            let mut command = std::process::Command::new("ls");
            command.args(["-l", "/proc/self/fd"]);
            prepare(&mut command);
            String::from_utf8(command.output().unwrap().stdout).unwrap()
        };
        let pipe = std::fs::read_link(format!("/proc/self/fd/{}", fds[0])).unwrap();
        let pipe = pipe.to_str().unwrap();
        assert!(list(|_| {}).contains(pipe), "others inherit it");
        assert!(!list(outlive_starter).contains(pipe));
    }

    #[test]
    fn a_missing_program_is_named_with_its_remedy() {
        let error = find_program(Path::new("no-such-program"), "apt-get install it").unwrap_err();
        assert_eq!(error.to_string(), "no-such-program not found; apt-get install it");
    }
}
