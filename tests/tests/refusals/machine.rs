//! What a machine can lack: rights, kernel features, mounts, programs.

use sheave_tests::cgroup::TestCgroup;

use crate::private::Machine;

const NO_CGROUP2: &str = "for point in $(findmnt --noheadings --types cgroup2 --output TARGET --list); do \
                          umount $point || exit; done";
const NO_BTF: &str = "mount -t tmpfs none /sys/kernel/btf";
/// There may be one at the usual place, which is then out of sight.
const NO_BPFFS: &str = "mount -t tmpfs none /sys/fs/bpf";

/// Before the words of a command, which then runs without something.
fn with(prefix: &[&str], words: Vec<String>) -> Vec<String> {
    prefix.iter().map(|word| (*word).to_owned()).chain(words).collect()
}

#[test]
fn without_root_each_program_asks_for_it() {
    let machine = Machine::new();
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    for (command, what) in [
        (&["sheave", "up"][..], "running a cluster needs root: run it with sudo"),
        (&["sheave", "down"], "removing a cluster needs root: run it with sudo"),
        (&["sheave-agent"], "the agent needs root: run it as root, or with sudo"),
        (&["sheave-agent", "cleanup"], "cleaning up needs root: run it as root, or with sudo"),
    ] {
        machine.refuses("true", &with(&nobody, machine.words(command)), &[what]);
    }
    // The server needs no root, but a directory that it can write to.
    let server = machine.words(&["sheave-server", "--bind", "127.0.0.1:0"]);
    let remedy = "run as root, or choose a directory of your own with --data-dir";
    machine.refuses("true", &with(&nobody, server), &["cannot create", remedy]);
}

#[test]
fn without_cgroup_v2_nothing_starts() {
    let machine = Machine::new();
    let parts = [
        "no cgroup v2: sockets cannot be translated",
        "boot with systemd.unified_cgroup_hierarchy=1, or run `mount -t cgroup2 none",
    ];
    for command in [&["sheave", "up"][..], &["sheave", "agent"], &["sheave-agent"]] {
        machine.refuses(NO_CGROUP2, &machine.words(command), &parts);
    }
    let doctor = sheave_tests::cluster::program("sheave").display().to_string();
    let ended = machine.run(NO_CGROUP2, &[doctor, "doctor".to_owned()]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.said.contains("MISSING  cgroup v2: "), "{}", ended.said);
}

#[test]
fn without_btf_the_agent_says_what_is_lost_and_runs() {
    let machine = Machine::new();
    let sentence = "BTF: programs run, but cannot be shown with their source and types; use a kernel \
                    with CONFIG_DEBUG_INFO_BTF";
    let doctor = sheave_tests::cluster::program("sheave").display().to_string();
    let ended = machine.run(NO_BTF, &[doctor, "doctor".to_owned()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.said.contains(&format!("without  {sentence}")), "{}", ended.said);

    std::fs::create_dir(machine.path("manifests")).expect("scratch is writable");
    let cgroup = TestCgroup::new("no-btf");
    let path = cgroup.path().display().to_string();
    let mut words = machine.words(&["sheave-agent", "--cgroup2-path", &path]);
    words.extend(["--manifests".to_owned(), machine.path("manifests").display().to_string()]);
    // Ended after some seconds, longer than any start; what it pinned goes with the mounts.
    let ended = machine.run(NO_BTF, &with(&["env", "SHEAVE_LOG=info", "timeout", "8"], words));
    for part in [&format!("without {sentence}"), "agent started"] {
        assert!(ended.said.contains(part), "{part:?} is not in: {}", ended.said);
    }
}

#[test]
fn without_a_bpf_file_system_the_agent_mounts_one_or_says_why_not() {
    let machine = Machine::new();
    std::fs::create_dir(machine.path("manifests")).expect("scratch is writable");
    let cgroup = TestCgroup::new("no-bpffs");
    let path = cgroup.path().display().to_string();
    let mut words = machine.words(&["sheave-agent", "--cgroup2-path", &path]);
    words.extend(["--manifests".to_owned(), machine.path("manifests").display().to_string()]);
    let able = with(&["env", "SHEAVE_LOG=info", "timeout", "8"], words.clone());
    let ended = machine.run(NO_BPFFS, &able);
    assert!(ended.said.contains("agent started"), "{}", ended.said);
    assert!(ended.left.iter().any(|path| path == "./bpf/maps/FRONTENDS"), "{:?}", ended.left);

    // A container's root may load programs but not mount.
    let bound = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "--"];
    let machine = Machine::new();
    std::fs::create_dir(machine.path("manifests")).expect("scratch is writable");
    let mut words = machine.words(&["sheave-agent", "--cgroup2-path", &path]);
    words.extend(["--manifests".to_owned(), machine.path("manifests").display().to_string()]);
    let ended = machine.run(NO_BPFFS, &with(&bound, words));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let mount = format!("cannot mount a BPF file system at {}", machine.path("bpf").display());
    for part in [&mount, "run `mount -t bpf bpf /sys/fs/bpf` beforehand", "CAP_SYS_ADMIN"] {
        assert!(ended.said.contains(part), "{part:?} is not in: {}", ended.said);
    }
    assert!(!ended.left.iter().any(|path| path.contains("bpf")), "{:?}", ended.left);
}

#[test]
fn without_containerd_nothing_starts() {
    let machine = Machine::new();
    let empty = ["env", "PATH=/nonexistent"];
    let parts = [
        "containerd not found; install it with `apt-get install containerd runc`",
        "or name another container runtime with --cri-endpoint",
    ];
    for command in [&["sheave", "up"][..], &["sheave-agent"]] {
        machine.refuses("true", &with(&empty, machine.words(command)), &parts);
    }
}
