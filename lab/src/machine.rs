//! One machine: namespaces of every kind that separates two hosts (network, mounts, host name, processes,
//! IPC, cgroups), a disk that is a directory, and a first process. All of it goes when that process ends.
//!
//! It has the outer machine's programs and files, but /var, /run, /proc and /sys of its own: a program finds
//! there what it finds on a host, and needs no flags to keep out of another node's way. Its kernel is
//! shared, so what the kernel has but once (modules, some settings) is everybody's.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cgroups::Cgroups;
use crate::error::LabError;
use crate::run;

const SCRIPT: &str = include_str!("machine.sh");
/// The cgroup namespace is made while the process is in what is to be its root; then it moves on, for inner
/// cgroups of version 2 may hold no processes. Descriptors were opened before, by the starter.
const ENTER: &str = r#"for file in $LAB_ENTRIES; do echo 0 >"$file"; done
unset LAB_ENTRIES
exec unshare --net --mount --uts --ipc --pid --fork -- "$@""#;
const START_LIMIT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A machine of a lab, running or not.
#[derive(Clone, Debug)]
pub struct Machine {
    lab: String,
    name: String,
    directory: PathBuf,
    programs: PathBuf,
}

impl Machine {
    pub(crate) fn new(lab: &str, name: &str, lab_directory: &Path, programs: &Path) -> Self {
        Self {
            lab: lab.to_owned(),
            name: name.to_owned(),
            directory: lab_directory.join(name),
            programs: programs.to_owned(),
        }
    }

    /// Its host name, and its node's if it has one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A file of its /var, as others reach it.
    pub fn var(&self, path: &str) -> PathBuf {
        self.directory.join("var").join(path)
    }

    /// The root of its cgroups of version 2, as others reach it.
    pub fn cgroup2(&self) -> Option<PathBuf> {
        self.cgroups().unified()
    }

    /// A file of the running machine by its path there, also below /run, /proc and /sys/fs/bpf.
    ///
    /// # Errors
    /// When it does not run.
    pub fn path(&self, path: &str) -> Result<PathBuf, LabError> {
        let root = PathBuf::from(format!("/proc/{}/root", self.first_process()?));
        Ok(root.join(path.trim_start_matches('/')))
    }

    /// Its network namespace.
    ///
    /// # Errors
    /// When it does not run.
    pub fn network(&self) -> Result<File, LabError> {
        let path = format!("/proc/{}/ns/net", self.first_process()?);
        File::open(&path).map_err(LabError::io(format!("open {path}")))
    }

    /// Starts it, without any link but its own loopback. Says so when it is about to run; see [`Self::wait`].
    pub(crate) fn start(&self, resolver: &str) -> Result<(), LabError> {
        let cgroups = self.cgroups();
        cgroups.create()?;
        fs::create_dir_all(&self.directory)
            .map_err(LabError::io(format!("make {}", self.directory.display())))?;
        let _ = fs::remove_file(self.started());
        let log = self.directory.join("machine.log");
        let log_file =
            File::create(&log).map_err(LabError::io(format!("write {}", log.display())))?;
        let entries = cgroups.entries();
        let entries: Vec<_> = entries.iter().map(|path| path.display().to_string()).collect();
        let mut command = Command::new("unshare");
        command
            .args([
                "--cgroup", "--", "sh", "-e", "-c", ENTER, "enter", "sh", "-c", SCRIPT, "machine",
            ])
            .arg(&self.name)
            .arg(&self.directory)
            .arg(self.programs.join("sheave-pause"))
            .arg(resolver)
            .env("LAB_ENTRIES", entries.join(" "))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log_file.try_clone().map_err(LabError::io("share the log"))?)
            .stderr(log_file);
        in_session_of_its_own(&mut command);
        in_cgroups(&mut command, &cgroups.roots())?;
        let child = command.spawn().map_err(LabError::io("run unshare"))?;
        reap(child);
        Ok(())
    }

    /// Waits until it runs.
    pub(crate) fn wait(&self) -> Result<(), LabError> {
        let deadline = Instant::now() + START_LIMIT;
        while !(self.started().exists() && self.is_running()) {
            if Instant::now() > deadline || self.cgroups().processes().is_empty() {
                let log =
                    fs::read_to_string(self.directory.join("machine.log")).unwrap_or_default();
                let seen = if log.is_empty() { "it said nothing".into() } else { log };
                let what = format!("{} to start", self.name);
                return Err(LabError::Late { what, limit: START_LIMIT, seen });
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    /// As when the power fails: everything ends at once, the disk stays.
    pub(crate) fn stop(&self) -> Result<(), LabError> {
        self.cgroups().remove()
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.first_process().is_ok()
    }

    /// A program in it, as somebody logged in there would run it; arguments are the caller's to add. Its path
    /// is looked up there, Sheave's programs first.
    ///
    /// # Errors
    /// When it does not run.
    pub fn command(&self, program: &str) -> Result<Command, LabError> {
        const NAMESPACES: [&str; 6] = ["--net", "--mount", "--uts", "--ipc", "--pid", "--cgroup"];
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first_process()?.to_string()]).args(NAMESPACES);
        command.arg("--").arg(program).env("PATH", self.path_variable()).current_dir("/");
        in_cgroups(&mut command, &self.cgroups().entries())?;
        Ok(command)
    }

    /// Runs a program in it to its end, and returns what it printed.
    ///
    /// # Errors
    /// When it does not run, or the program fails.
    pub fn run(&self, words: &[&str]) -> Result<String, LabError> {
        let (program, arguments) = words.split_first().expect("a program's name");
        run::output(self.command(program)?.args(arguments))
    }

    /// Starts a program that goes on by itself; what it says goes to a file in the machine's /var/log.
    pub(crate) fn start_daemon(
        &self,
        log: &str,
        words: &[String],
        variables: &[(String, String)],
    ) -> Result<(), LabError> {
        const DETACH: &str = r#"log=$1; shift; setsid "$@" </dev/null >>"/var/log/$log" 2>&1 &"#;
        let mut command = self.command("sh")?;
        command.args(["-c", DETACH, "sh", log]).args(words);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        run::output(&mut command).map(drop)
    }

    /// Runs a program where one of its pods has its network and its cgroup, with the outer machine's files: as
    /// a process of the pod, as far as sockets can tell. `uid` is the pod's.
    ///
    /// # Errors
    /// When the pod does not run here.
    pub fn pod_command(&self, uid: &str, program: &Path) -> Result<Command, LabError> {
        let absent = || LabError::Stopped(format!("the pod {uid} of {}", self.name));
        let pid = *self.pod_processes(uid).first().ok_or_else(absent)?;
        let mut command = Command::new("nsenter");
        command.args(["--target", &pid.to_string(), "--net", "--uts", "--"]).arg(program);
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}"));
        let memberships = read("cgroup").map_err(LabError::io("read the pod's cgroups"))?;
        in_cgroups(&mut command, &crate::cgroups::entries_of_process(&memberships))?;
        Ok(command)
    }

    /// Processes of a pod's containers, the one that was started first at the front.
    pub fn pod_processes(&self, uid: &str) -> Vec<i32> {
        let is_pods = |pid: &i32| {
            let list = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            list.contains(&format!("/pod{uid}/"))
        };
        self.cgroups().processes().into_iter().filter(is_pods).collect()
    }

    /// Processes of the machine that run this program.
    pub fn processes(&self, program: &str) -> Vec<i32> {
        // The kernel keeps 15 bytes of a program's name.
        let name = &program[..program.len().min(15)];
        let runs = |pid: &i32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            field(&status, "Name:") == Some(name) && !field(&status, "State:").is_some_and(is_dead)
        };
        self.cgroups().processes().into_iter().filter(runs).collect()
    }

    /// Its process 1, by the outer machine's number.
    fn first_process(&self) -> Result<i32, LabError> {
        let is_first = |pid: &i32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            // Its number in each namespace from ours inward: in one more, it is 1. Pods are in two more.
            let numbers: Vec<_> =
                field(&status, "NSpid:").unwrap_or_default().split('\t').collect();
            numbers.len() == 2 && numbers[1] == "1"
        };
        let found = self.cgroups().processes().into_iter().find(is_first);
        found.ok_or_else(|| LabError::Stopped(self.name.clone()))
    }

    fn cgroups(&self) -> Cgroups {
        Cgroups::of_machine(&self.lab, &self.name)
    }

    /// Made by the script when all is set up.
    fn started(&self) -> PathBuf {
        self.directory.join("started")
    }

    fn path_variable(&self) -> String {
        let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/sbin:/usr/bin:/sbin:/bin".into());
        format!("{}:{path}", self.programs.display())
    }
}

fn is_dead(state: &str) -> bool {
    state.starts_with(['Z', 'X'])
}

fn field<'a>(status: &'a str, key: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim)
}

/// Waits for a child that nobody else will.
fn reap(mut child: Child) {
    std::thread::spawn(move || child.wait());
}

/// A terminal's signals are not for it.
fn in_session_of_its_own(command: &mut Command) {
    // SAFETY: setsid is async-signal-safe and touches no memory of ours.
    unsafe {
        command.pre_exec(|| Ok(nix::unistd::setsid().map(drop)?));
    }
}

/// Has a command's process enter these cgroups before it becomes the program.
fn in_cgroups(command: &mut Command, entries: &[PathBuf]) -> Result<(), LabError> {
    let open = |path: &PathBuf| {
        let file = File::options().write(true).open(path);
        file.map_err(LabError::io(format!("enter the cgroup of {}", path.display())))
    };
    let files = entries.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    // SAFETY: between fork and exec, only writes to open files and a system call.
    unsafe {
        command.pre_exec(move || {
            for file in &files {
                io::Write::write_all(&mut &*file, b"0")?;
            }
            keep_descriptors_here();
            Ok(())
        });
    }
    Ok(())
}

/// What outlives its starter must not hold what that one was given: a lock, the end of a pipe. The mark is for
/// the moment of `exec`.
fn keep_descriptors_here() {
    let (first, last) = (3, libc::c_uint::MAX);
    // SAFETY: the call takes three integers. Kernels before 5.11 refuse it, and change nothing.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_CLOEXEC) };
}
