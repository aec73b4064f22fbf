//! Whether the tunnel gets through to the other nodes. Each is asked, as [`sheave_dataplane::Dataplane::echoes`]
//! has it; what its answer, or none, means is said here.

use std::path::Path;

use sheave_dataplane::{Dataplane, ECHO_TIMEOUT, Echo, EchoError};

use super::Finding;

/// One finding for each node's address that packets are wrapped for. None without programs.
pub(super) fn findings(bpffs_dir: &Path) -> Vec<Finding> {
    let Ok(maps) = Dataplane::inspect(bpffs_dir) else { return Vec::new() };
    let port = maps.tunnel_port().unwrap_or_default();
    match maps.echoes() {
        Ok(echoes) => echoes.iter().map(|echo| of_node(echo, port)).collect(),
        Err(error) => vec![untried(&error)],
    }
}

fn of_node(Echo { node, from, answered }: &Echo, port: u16) -> Finding {
    let name = format!("the tunnel to node {node}");
    let error = match answered {
        Ok(took) => {
            let took_ms = Some(took.as_secs_f64() * 1e3);
            return Finding { took_ms, ..Finding::offered(&name, true, false, "", "") };
        }
        Err(error) => error,
    };
    let why = match error {
        Some(error) => format!("nothing can be sent to it ({error})"),
        None => format!("no answer within {:.1} s", ECHO_TIMEOUT.as_secs_f64()),
    };
    let cost = format!(
        "{why}; clients outside, and pods that use the tunnel, wait in silence for pods of that node"
    );
    let here = from.map_or_else(|| "this node".to_owned(), |from| from.to_string());
    let remedy = format!(
        "if that node is up and has this version of Sheave, let UDP port {port} pass between {here} and {node}, \
         in both directions, in the firewalls of both nodes and of the network between"
    );
    Finding::conflict(name, cost, remedy)
}

fn untried(error: &EchoError) -> Finding {
    let why = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let cost = format!("whether it gets through to the other nodes is not known ({why})");
    Finding::conflict("the tunnel was not tried", cost, "run this as root, with the agent running")
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::IpAddr;
    use std::time::Duration;

    use super::*;

    fn echo(answered: Result<Duration, Option<io::Error>>) -> Echo {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        Echo { node: ip("2001:db8::2"), from: Some(ip("2001:db8::1")), answered }
    }

    #[test]
    fn a_node_that_answers_is_well_and_says_how_soon() {
        let finding = of_node(&echo(Ok(Duration::from_micros(500))), 8472);
        assert!(finding.present && !finding.conflict);
        assert_eq!(finding.took_ms, Some(0.5));
        assert!(finding.name.contains("2001:db8::2"), "{}", finding.name);
    }

    #[test]
    fn a_silent_node_is_named_with_what_must_be_let_through() {
        let finding = of_node(&echo(Err(None)), 4789);
        assert!(finding.conflict && !finding.present && !finding.required);
        let remedy =
            "let UDP port 4789 pass between 2001:db8::1 and 2001:db8::2, in both directions";
        assert!(finding.remedy.contains(remedy), "{}", finding.remedy);
        assert!(finding.cost.contains("no answer within 1.9 s"), "{}", finding.cost);
    }

    #[test]
    fn what_cannot_even_be_sent_says_why() {
        let error = io::Error::from_raw_os_error(libc::ENETUNREACH);
        let unsent = Echo { from: None, ..echo(Err(Some(error))) };
        let finding = of_node(&unsent, 8472);
        assert!(finding.conflict && finding.cost.contains("unreachable"), "{}", finding.cost);
        assert!(finding.remedy.contains("between this node and"), "{}", finding.remedy);
    }

    #[test]
    fn a_probe_that_could_not_be_made_is_no_good_news() {
        let error = EchoError::Listen(io::Error::from_raw_os_error(libc::EPERM));
        let finding = untried(&error);
        assert!(finding.conflict && finding.cost.contains("not permitted"), "{}", finding.cost);
    }
}
