//! Disks that are full at the start, and one that fills up under a server.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sheave_tests::cluster::{free_port, program};
use sheave_tests::command::{self, Said};
use sheave_tests::wait;

use crate::private::Machine;

const FULL: &str = "mkdir data && mount -t tmpfs -o size=16k none data";
/// Room for everything but the CNI plugin.
const SMALL: &str = "mkdir data && mount -t tmpfs -o size=1m none data";

#[test]
fn on_a_full_disk_nothing_starts() {
    let machine = Machine::new();
    let plugin = "data/cni/bin/sheave-cni";
    for (command, disk, place) in [
        (&["sheave", "up"][..], FULL, "data"),
        (&["sheave-agent"], FULL, "data"),
        (&["sheave-agent"], SMALL, plugin),
    ] {
        let ended = machine.run(disk, &machine.words(command));
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let place = machine.path(place).display().to_string();
        let remedy = "free some space, or choose another place with --data-dir";
        for part in [&place, remedy, "No space left on device"] {
            assert!(ended.said.contains(part), "{part:?} is not in: {}", ended.said);
        }
        assert_eq!(ended.said.lines().count(), 1, "{}", ended.said);
        // An agent that came as far as its plugin has its lock and directories: the next one takes them.
        let is_left = |path: &&String| {
            let is_place = path.starts_with("./data") || path.starts_with("./run");
            !is_place || path.contains("sheave-cni") || path.contains("trial")
        };
        let left: Vec<_> = ended.left.iter().filter(is_left).collect();
        assert_eq!(left, Vec::<&String>::new(), "{}", ended.said);
        std::fs::remove_dir(machine.path("data")).expect("the mount point is empty");
        let _ = std::fs::remove_dir_all(machine.path("run"));
    }
}

/// A server whose data is on a small disk that only it sees.
struct Server {
    child: Child,
    dir: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        const SCRIPT: &str =
            r#"mount -t tmpfs -o size=8m none "$1" && exec "$2" --data-dir "$1" --bind "$3""#;
        let dir = tempfile::tempdir().expect("a temporary directory");
        let bind = format!("127.0.0.1:{}", free_port());
        let child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--", "sh", "-c", SCRIPT, "sh"])
            .arg(dir.path())
            .arg(program("sheave-server"))
            .arg(bind)
            .env("SHEAVE_LOG", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("unshare is a program of every Linux");
        let server = Self { child, dir };
        wait::until(
            "the API server to be ready",
            Duration::from_secs(30),
            || server.kubectl(&["get", "serviceaccount", "default"], ""),
            |said| said.ok,
        );
        server
    }

    /// Runs a program where the disk is seen.
    fn run(&self, words: &[&str], input: &str) -> Said {
        let mounts = format!("--mount=/proc/{}/ns/mnt", self.child.id());
        let kubeconfig = self.path("server/admin.kubeconfig");
        let words = [&["nsenter", &mounts, "--"], words].concat();
        command::run(&words, &[("KUBECONFIG", &kubeconfig)], input)
    }

    fn kubectl(&self, arguments: &[&str], input: &str) -> Said {
        self.run(&[&["kubectl"], arguments].concat(), input)
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(Path::new(name)).display().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_disk_that_fills_up_refuses_writes_until_there_is_room() {
    let server = Server::start();
    let filler = server.path("filler");
    let output = format!("of={filler}");
    // Ends when nothing fits any more.
    let said = server.run(&["dd", "if=/dev/zero", &output, "bs=4k"], "");
    assert!(said.stderr.contains("No space left on device"), "{said:?}");
    // Larger than what is free in the file that the store has.
    let large = "x".repeat(900_000);
    let manifest = |n: u32| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: big-{n}}}\ndata: {{a: {large}}}\n"
        )
    };
    let create = |n| server.kubectl(&["create", "--filename", "-"], &manifest(n));
    let mut stored = Vec::new();
    let refused = loop {
        let n = u32::try_from(stored.len()).expect("a few");
        let said = create(n);
        if !said.ok {
            break said;
        }
        stored.push(format!("configmap/big-{n}"));
        assert!(n < 100, "the disk never fills up");
    };
    assert!(
        refused
            .stderr
            .contains("no space left on the device; free some, writes go on by themselves"),
        "{refused:?}"
    );
    let names = || {
        let said = server.kubectl(&["get", "configmaps", "--output=name"], "");
        assert!(said.ok, "reads go on: {said:?}");
        let lines = said.stdout.lines().filter(|line| line.contains("big-"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names(), stored, "what was refused is not there, and nothing is lost");

    server.run(&["rm", &filler], "");
    let n = u32::try_from(stored.len()).expect("a few");
    wait::until("writes to go on", Duration::from_secs(10), || create(n), |said| said.ok);
    stored.push(format!("configmap/big-{n}"));
    assert_eq!(names(), stored);
}
