//! `sheave down` takes everything away that a cluster put on the machine, and touches nothing else.

use sheave_tests::cluster::Cluster;
use sheave_tests::kubectl::Kubectl;
use sheave_tests::machine::{Inventory, MARK};
use sheave_tests::{command, wait};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const DEMO: &str = include_str!("../../examples/hello.yaml");

/// Named namespace, a process in it, link, rules: what somebody else has on this machine.
struct Neighbour {
    process: Child,
}

impl Neighbour {
    const NAMESPACE: &str = "not-sheaves";

    fn move_in() -> Self {
        command::output(&["ip", "netns", "add", Self::NAMESPACE]);
        let process = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", Self::NAMESPACE))
            .args(["sleep", "600"])
            .envs([MARK])
            .spawn()
            .expect("nsenter is there");
        let neighbour = Self { process };
        command::output(&[
            "ip",
            "link",
            "add",
            "not-sheaves0",
            "type",
            "veth",
            "peer",
            "not-sheaves1",
        ]);
        command::output(&["nft", "add", "table", "inet", Self::NAMESPACE]);
        neighbour
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        // It may have ended; the test has noticed then.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let namespace = Self::NAMESPACE;
        command::run(&["nft", "delete", "table", "inet", namespace], &[], "");
        command::run(&["ip", "link", "delete", "dev", "not-sheaves0"], &[], "");
        command::run(&["ip", "netns", "delete", namespace], &[], "");
    }
}

#[test]
fn nothing_is_left_and_nothing_else_is_touched() {
    let _neighbour = Neighbour::move_in();
    let before = settled();
    {
        let mut cluster = Cluster::start();
        cluster.apply(DEMO);
        for deployment in ["hello", "iperf3"] {
            let name = format!("deployment/{deployment}");
            cluster.kubectl(&["--namespace=hello", "rollout", "status", &name, "--timeout=60s"]);
        }
        let with_cluster = Inventory::take();
        let kinds = [
            "network namespaces",
            "BPF programs",
            "BPF maps",
            "pins",
            "mounts",
            "cgroups",
            "processes",
        ];
        for kind in kinds {
            assert!(with_cluster.count(kind) > before.count(kind), "a cluster has no {kind}?");
        }
        let rules: Vec<String> = with_cluster
            .changes_since(&before)
            .into_iter()
            .filter(|change| change.contains("tables rules"))
            .collect();
        assert_eq!(rules, Vec::<String>::new(), "Sheave needs no rules");

        cluster.stop_supervisor();
        let said = dry_run(&cluster);
        assert!(said.contains(&*cluster.data_dir.to_string_lossy()), "{said}");
        assert!(cluster.data_dir.exists(), "a dry run removes nothing");
        let said = cluster.remove();
        assert!(said.ok, "{}{}", said.stdout, said.stderr);
        // Dropping the cluster runs `sheave down` once more: nothing to do is no error.
    }
    wait::until(
        "the machine to be as before",
        // The kernel frees programs and namespaces a moment after their last user.
        Duration::from_secs(10),
        || Inventory::take().changes_since(&before),
        Vec::is_empty,
    );
}

fn dry_run(cluster: &Cluster) -> String {
    let sheave = sheave_tests::cluster::program("sheave");
    let flags = cluster.flags();
    let root = cluster.cgroup_root();
    let own = [sheave.to_str().expect("the path is UTF-8"), "down", "--dry-run"];
    let words: Vec<&str> = own
        .into_iter()
        .chain(["--cgroup-root", &root])
        .chain(flags.iter().map(String::as_str))
        .collect();
    let said = command::run(&words, &[], "");
    assert!(said.ok, "{}{}", said.stdout, said.stderr);
    said.stdout
}

/// The inventory once nothing has changed for a while: earlier tests may still be ending, and a link that
/// was just brought up gets its link-local address when nobody has objected to it (RFC 4862, 5.4).
fn settled() -> Inventory {
    const QUIET: Duration = Duration::from_secs(3);
    let deadline = Instant::now() + Duration::from_secs(60);
    let (mut last, mut since) = (Inventory::take(), Instant::now());
    while since.elapsed() < QUIET {
        std::thread::sleep(Duration::from_millis(250));
        let now = Inventory::take();
        let changes = now.changes_since(&last);
        if !changes.is_empty() {
            assert!(Instant::now() < deadline, "the machine does not settle: {changes:?}");
            (last, since) = (now, Instant::now());
        }
    }
    last
}
