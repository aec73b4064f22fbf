//! A DNS port that is taken between the start of the agent and its joining the cluster.

use nix::sys::signal::Signal;
use sheave_tests::cluster::{Cluster, signal};
use sheave_tests::kubectl::Kubectl;
use sheave_tests::{dns, wait};
use std::net::UdpSocket;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
const NAME: &str = "kubernetes.default.svc.cluster.local";

#[test]
fn an_agent_without_its_port_says_so_on_the_node_and_tries_again() {
    let mut cluster = Cluster::prepare();
    cluster.start_supervisor();
    // Before the agent, which was started just now, asks it for anything.
    cluster.daemon_pid("sheave-agent");
    let server = cluster.daemon_pid("sheave-server");
    signal(server, Signal::SIGSTOP);
    // It has looked whether it can start here, and serves people.
    let socket = cluster.run_dir.join("agent.sock");
    wait::until_true("the agent to be up", LIMIT, || socket.exists());
    let taken = UdpSocket::bind("0.0.0.0:10053");
    signal(server, Signal::SIGCONT);
    let taken = taken.expect("the agent has not joined yet");

    cluster.wait_node_ready();
    let events = [
        "get",
        "events",
        "--field-selector=reason=FailedToServeDNS",
        "--output=jsonpath={.items[*].message}",
    ];
    wait::until(
        "an event that names the port and the remedy",
        LIMIT,
        || cluster.kubectl(&events),
        |said| said.contains("port 10053 is needed for DNS") && said.contains("--dns-port"),
    );
    assert!(dns::resolve(1, NAME).is_err(), "nobody answers names");

    drop(taken);
    wait::until_true("names to be answered", LIMIT, || dns::resolve(2, NAME).is_ok());
}
