//! Nothing is dropped, whatever happens to the agent, to the maps, to the backends and to the machine's
//! packet filters: a node of namespaces under ten long streams and two thousand new connections a second.
//!
//! Each scenario lasts `SHEAVE_CHAOS_SECONDS` (8; a full run takes 60).

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test, and says where")]

mod agent;
mod backends;
mod broken;
mod filters;
mod flood;
mod services;
mod traffic;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use sheave_dataplane::TcAttachment;
use sheave_tests::cluster::program;
use sheave_tests::echo;
use sheave_tests::lab::Lab;
use sheave_tests::wait;

use services::manifests;

/// How long each scenario lasts.
fn scenario_length() -> Duration {
    let seconds = std::env::var("SHEAVE_CHAOS_SECONDS");
    Duration::from_secs(seconds.map_or(8, |s| s.parse().expect("SHEAVE_CHAOS_SECONDS is a number")))
}

/// The agent as it is installed.
fn agent_program() -> PathBuf {
    program("sheave-agent")
}

/// A node with all pods and servers of the traffic, installed and not yet served.
fn lab(name: &str, how: TcAttachment) -> Lab {
    let mut lab = Lab::new(&format!("chaos-{name}"), how);
    for pod in services::PODS {
        lab.add_pod(pod);
    }
    for backend in services::BACKENDS {
        let at = |port: u16| format!("10.244.0.{backend}:{port}").parse().unwrap();
        let netns = &lab.pods[&backend];
        echo::serve(netns, &format!("pod{backend}"), vec![at(8080), at(7007)], vec![at(5353)]);
    }
    lab.serve(&manifests(&services::BACKENDS));
    lab
}

/// As [`lab`], with an agent that serves.
fn served_lab(name: &str) -> Lab {
    let mut lab = lab(name, TcAttachment::Tcx);
    lab.start_agent(&agent_program());
    lab.wait_for_agent();
    lab
}

/// Waits until the agent has so many backends for `web` in the kernel's maps.
fn wait_until_web_has(lab: &Lab, backends: usize) {
    let count = || {
        let services = lab.ask("/services")?;
        let frontends = services["frontends"].as_array()?;
        let web = frontends.iter().find(|frontend| frontend["address"] == "10.96.0.1:80")?;
        Some(web["backends"].as_array()?.len())
    };
    let limit = Duration::from_secs(10);
    wait::until("the backends of web to change", limit, count, |seen| *seen == Some(backends));
}

/// Sleeps until `at`, or not at all.
fn sleep_until(at: Instant) {
    std::thread::sleep(at.saturating_duration_since(Instant::now()));
}
