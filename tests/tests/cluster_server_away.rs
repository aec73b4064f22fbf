//! An agent that starts while its server answers nobody goes on with what it knew.

use nix::sys::signal::Signal;
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

    // It takes connections, as the kernel does it, and says nothing.
    let server = cluster.daemon_pid("sheave-server");
    signal(server, Signal::SIGSTOP);
    let thaw = Thaw(server);
    let before = cluster.daemon_pid("sheave-agent");
    signal(before, Signal::SIGKILL);
    wait::until_true("another agent", LIMIT, || cluster.daemon_pid("sheave-agent") != before);
    let answered = dns::resolve(2, name);
    assert!(answered.is_ok(), "what resolvers wait for: {answered:?}");
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
