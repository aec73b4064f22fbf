//! What runs on a machine of the cluster: `sheave up` on the first, `sheave join` on the others, started and
//! ended as a person would.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::LabError;
use crate::machine::Machine;
use crate::plan::{Place, Plan};
use crate::run;
use crate::spec::Spec;

/// Where the API server is on the first node.
const API_PORT: u16 = 6443;
/// Where the daemons' supervisor writes, in /var/log.
pub(crate) const LOG: &str = "sheave.log";
/// Each daemon may take twenty seconds.
const END_LIMIT: Duration = Duration::from_secs(50);
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Ranges of the cluster, the defaults for IPv4.
const SERVICE_CIDRS: &str = "10.96.0.0/16,fd00:96::/112";
const POD_CIDRS: &str = "10.244.0.0/16,fd00:244::/48";

/// Starts control plane and agent.
pub(crate) fn start_first(
    machine: &Machine,
    place: &Place,
    spec: &Spec,
    plan: &Plan,
) -> Result<(), LabError> {
    let mut words = vec!["sheave".to_owned(), "up".to_owned()];
    words.extend(node_words(place, spec));
    if spec.dual_stack {
        let ranges = ["--service-cidr", SERVICE_CIDRS, "--pod-cidr", POD_CIDRS];
        words.extend(ranges.map(str::to_owned));
    }
    words.extend(spec.server_arguments.iter().cloned());
    let pool = ("SHEAVE_LOAD_BALANCER_POOL".to_owned(), plan.pool.join(","));
    let variables: Vec<_> = [pool].into_iter().chain(spec.variables.iter().cloned()).collect();
    machine.start_daemon(LOG, &words, &variables)
}

/// Starts an agent. A token is needed once: what it gives lies on the machine's disk.
pub(crate) fn start_other(
    machine: &Machine,
    place: &Place,
    spec: &Spec,
    plan: &Plan,
    token: Option<&str>,
) -> Result<(), LabError> {
    let mut words = vec!["sheave".to_owned(), "join".to_owned(), api_url(plan)];
    words.extend(token.into_iter().flat_map(|token| ["--token".to_owned(), token.to_owned()]));
    words.extend(node_words(place, spec));
    machine.start_daemon(LOG, &words, &spec.variables)
}

/// Asks the daemons to end. Pods and traffic go on.
pub(crate) fn end(machine: &Machine) -> Result<(), LabError> {
    for pid in machine.processes("sheave") {
        // It may have ended by itself.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    let what = format!("the daemons of {} to end", machine.name());
    run::wait_for(&what, END_LIMIT, POLL_INTERVAL, || {
        let left: Vec<_> = ["sheave", "sheave-server", "sheave-agent"]
            .into_iter()
            .filter(|program| !machine.processes(program).is_empty())
            .collect();
        if left.is_empty() { Ok(()) } else { Err(format!("there are {left:?}")) }
    })
}

/// kill -9.
pub(crate) fn kill_daemon(machine: &Machine, program: &str) -> Result<(), LabError> {
    let pids = machine.processes(program);
    if pids.is_empty() {
        return Err(LabError::Stopped(format!("{program} of {}", machine.name())));
    }
    for pid in pids {
        kill(Pid::from_raw(pid), Signal::SIGKILL)
            .map_err(|errno| LabError::io(format!("kill {program}"))(errno.into()))?;
    }
    Ok(())
}

/// Where the other machines reach the API server.
pub(crate) fn api_url(plan: &Plan) -> String {
    format!("https://{}:{API_PORT}", plan.nodes[0].addresses[0])
}

/// The line of `sheave token create` that is to be pasted on another machine; its token.
pub(crate) fn token_of(line: &str) -> Option<&str> {
    line.split_whitespace().skip_while(|word| *word != "--token").nth(1)
}

fn node_words(place: &Place, spec: &Spec) -> Vec<String> {
    let mut words = Vec::new();
    for address in &place.addresses {
        words.extend(["--node-ip".to_owned(), address.to_string()]);
    }
    words.extend(["--image-dir".to_owned(), spec.images.display().to_string()]);
    words.extend(spec.node_arguments.iter().cloned());
    words.extend(spec.arguments_of.get(&place.name).into_iter().flatten().cloned());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nodes_own_arguments_come_after_those_of_all() {
        let place = |name: &str| Place { name: name.into(), link: 0, addresses: Vec::new() };
        let mut spec = Spec::new("lab", "/", "/images");
        spec.node_arguments = vec!["--dns-port".into(), "0".into()];
        spec.arguments_of.insert("node-2".into(), vec!["--xdp".into(), "native".into()]);
        let words = |name| node_words(&place(name), &spec).join(" ");
        assert_eq!(words("node-1"), "--image-dir /images --dns-port 0");
        assert_eq!(words("node-2"), "--image-dir /images --dns-port 0 --xdp native");
    }

    #[test]
    fn the_token_is_found_in_the_line_that_people_paste() {
        let line = "sheave join https://198.18.0.11:6443 --token a.b.c\n";
        assert_eq!(token_of(line), Some("a.b.c"));
        assert_eq!(token_of("error"), None);
    }
}
