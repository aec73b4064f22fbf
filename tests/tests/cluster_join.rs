//! A second machine joins, works, comes back, is removed, joins again, and leaves nothing.

use sheave_tests::cluster::{Cluster, Settings};
use sheave_tests::joined::{CONTROL, Joined, Link};
use sheave_tests::kubectl::Kubectl;
use sheave_tests::machine::Inventory;
use sheave_tests::{command, wait};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
/// From the command to Ready, where the images are there.
const JOIN_LIMIT: Duration = Duration::from_secs(3);
const NODE: &str = "vm-2";

fn start(link: Link) -> (Cluster, Joined) {
    let arguments = vec!["--advertise-address".to_owned(), CONTROL.to_owned()];
    let joined = Joined::prepare(link);
    (Cluster::start_with(Settings { arguments, ..Settings::default() }), joined)
}

/// The words of the line that `sheave token create` prints.
fn line(cluster: &Cluster) -> Vec<String> {
    let sheave = sheave_tests::cluster::program("sheave").display().to_string();
    let flags = cluster.flags();
    let words: Vec<&str> = [sheave.as_str(), "token", "create"]
        .into_iter()
        .chain(flags.iter().map(String::as_str))
        .collect();
    let line = command::output(&words);
    line.split_whitespace().map(str::to_owned).collect()
}

fn words(line: &[String]) -> Vec<&str> {
    line.iter().map(String::as_str).collect()
}

fn run_on(cluster: &Cluster, node: &str, pod: &str) {
    cluster.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {pod}}}\nspec:\n  nodeName: {node}\n  \
         terminationGracePeriodSeconds: 0\n  containers:\n  - {{name: a, image: sheave.local/busybox:1, \
         command: [sh, -c, \"echo hello; sleep 1000\"]}}\n"
    ));
    cluster.wait_pod_ready(pod);
}

#[test]
fn a_machine_joins_works_and_leaves() {
    let link = Link::new();
    let before = Inventory::take();
    {
        let (cluster, mut joined) = start(link);
        let line = line(&cluster);
        joined.start(&words(&line), NODE);
        let took = joined.wait_ready();
        println!("joined and Ready after {} ms", took.as_millis());
        assert!(took <= JOIN_LIMIT, "{took:?}: {}", joined.said());
        let ranges = cluster.value(&["nodes"], "{.items[*].spec.podCIDR}");
        assert_eq!(ranges, "10.244.0.0/24 10.244.1.0/24");

        // What the server asks of the node comes over the node's own connection: nothing can be dialled.
        joined.netns().command("nft", "add table inet t");
        joined
            .netns()
            .command("nft", "add chain inet t in { type filter hook input priority 0 ; }");
        joined.netns().command("nft", "add rule inet t in iifname up0 ct state new drop");
        run_on(&cluster, NODE, "there");
        assert_eq!(cluster.kubectl(&["logs", "there"]), "hello\n");
        assert_eq!(cluster.kubectl(&["exec", "there", "--", "echo", "seen"]), "seen\n");

        // Again, without a token, while the control plane is away and with it there.
        joined.stop();
        joined.start(&words(&line[..3]), NODE);
        joined.wait_ready();
        assert_eq!(cluster.kubectl(&["exec", "there", "--", "echo", "again"]), "again\n");
        let restarts = "{.status.containerStatuses[0].restartCount}";
        assert_eq!(cluster.value(&["pod", "there"], restarts), "0");

        removed_and_back(&cluster, &mut joined);
        let said = joined.down();
        assert!(said.ok, "{said:?}");
        assert!(!joined.data_dir().exists());
    }
    // The link and its network were made by the test, and are gone with it.
    let own = |change: &String| change.contains("tojoin") || change.contains("198.51.100.");
    let left = || {
        let changes = Inventory::take().changes_since(&before).into_iter();
        changes.filter(|c| c.contains(": new: ") && !own(c)).collect::<Vec<_>>()
    };
    wait::until("nothing to be left", LIMIT, left, Vec::is_empty);
}

/// What `kubectl delete node` means for a node that runs, for one that comes back, and for its pods' range.
fn removed_and_back(cluster: &Cluster, joined: &mut Joined) {
    cluster.kubectl(&["delete", "node", NODE]);
    joined.stop();
    let url = format!("https://{CONTROL}:{}", cluster.api_port);
    joined.start(&["sheave", "join", &url], NODE);
    assert_eq!(joined.wait_ended().code(), Some(1));
    let said = joined.said();
    for part in ["the node \"vm-2\" was removed", "`sheave token create`", "`sheave down`"] {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    let names = cluster.value(&["nodes"], "{.items[*].metadata.name}");
    assert!(!names.contains(NODE), "it is not back by itself: {names}");

    let line = line(cluster);
    joined.start(&words(&line), NODE);
    joined.wait_ready();
    let ranges = cluster.value(&["node", NODE], "{.spec.podCIDR}");
    assert_eq!(ranges, "10.244.1.0/24", "what the name had");
    run_on(cluster, NODE, "back");
    assert_eq!(cluster.kubectl(&["logs", "back"]), "hello\n");
    cluster.kubectl(&["delete", "pod", "back", "--wait=false"]);
    wait::until_true("the pod to be gone", LIMIT, || {
        cluster.value(&["pod", "back"], "{.metadata.name}").is_empty()
    });
}
