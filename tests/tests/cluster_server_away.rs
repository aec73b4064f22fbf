//! An agent that starts while its server answers nobody goes on with what it knew.

use nix::sys::signal::Signal;
use sheave_abi::order::Addr;
use sheave_dataplane::Dataplane;
use sheave_tests::cluster::{Cluster, signal};
use sheave_tests::kubectl::Kubectl;
use sheave_tests::{dns, wait};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
/// The state is written to disk two seconds after it changed.
const WRITTEN: Duration = Duration::from_secs(4);

#[test]
fn names_are_answered_by_an_agent_that_starts_without_its_server() {
    let cluster = Cluster::start();
    cluster.kubectl(&["create", "service", "clusterip", "web", "--tcp=80:8080"]);
    let name = "web.default.svc.cluster.local";
    wait::until_true("the name to be answered", LIMIT, || dns::resolve(1, name).is_ok());
    std::thread::sleep(WRITTEN);
    // In the maps, and not on disk by the time that the agent is killed.
    cluster.kubectl(&["create", "service", "clusterip", "last", "--tcp=80:8080"]);
    let last = || dns::resolve(4, "last.default.svc.cluster.local");
    wait::until_true("the Service to be in the maps", LIMIT, || last().is_ok());
    let address = Addr::v4(last().expect("its name is answered").octets());

    // It takes connections, as the kernel does it, and says nothing.
    let server = cluster.daemon_pid("sheave-server");
    signal(server, Signal::SIGSTOP);
    let thaw = Thaw(server);
    let before = cluster.daemon_pid("sheave-agent");
    signal(before, Signal::SIGKILL);
    wait::until_true("another agent", LIMIT, || cluster.daemon_pid("sheave-agent") != before);
    let answered = dns::resolve(2, name);
    assert!(answered.is_ok(), "what resolvers wait for: {answered:?}");
    let held = Dataplane::inspect(&cluster.bpffs_dir).expect("the maps are pinned").held();
    let held = held.expect("the maps can be read").frontends;
    assert!(held.keys().any(|key| key.addr == address), "what is not on disk is not gone");
    drop(thaw);

    cluster.wait_node_ready();
    cluster.kubectl(&["create", "service", "clusterip", "later", "--tcp=80:8080"]);
    let later = "later.default.svc.cluster.local";
    wait::until_true("the server to be followed again", LIMIT, || dns::resolve(3, later).is_ok());
}

/// A process that is stopped goes on, also when the test fails.
struct Thaw(u32);

impl Drop for Thaw {
    fn drop(&mut self) {
        signal(self.0, Signal::SIGCONT);
    }
}
