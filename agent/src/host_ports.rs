//! From the ports of the node that pods want to those that may be served, and why the others may not. Pure.

use std::net::IpAddr;

use sheave_core::model::{HostPort, ObjectKey, Protocol};
use sheave_core::plan::{Conflict, PortKind};

/// A port that this node's own daemons listen on: a pod that took it would cut them off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reserved {
    pub(crate) port: u16,
    /// Of these.
    protocols: &'static [Protocol],
    /// Who listens, and what moves it.
    pub(crate) what: String,
}

/// Whose ports they are: the health checks', the DNS server's, and the API server's if it is on this machine.
pub(crate) fn reserved(
    health_port: u16,
    dns_port: u16,
    server: &str,
    addresses: &[IpAddr],
) -> Vec<Reserved> {
    let health = "the agent's health checks listen there (--health-port of sheave-agent)";
    let dns = "the agent answers DNS there (--dns-port of sheave-agent)";
    let mut all = vec![
        Reserved { port: health_port, protocols: &[Protocol::Tcp], what: health.to_owned() },
        Reserved {
            port: dns_port,
            protocols: &[Protocol::Tcp, Protocol::Udp],
            what: dns.to_owned(),
        },
    ];
    let host_and_port = server.split("://").nth(1).and_then(|rest| rest.split('/').next());
    let (host, port) = host_and_port.and_then(|text| text.rsplit_once(':')).unwrap_or_default();
    let host = host.trim_matches(['[', ']']);
    let is_here = host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || addresses.contains(&ip));
    if let (true, Ok(port)) = (is_here, port.parse()) {
        let what = "the API server listens there (--bind of sheave-server)".to_owned();
        all.push(Reserved { port, protocols: &[Protocol::Tcp], what });
    }
    all
}

/// What may be served, and of the rest whose it is and why not.
pub(crate) fn split(
    wanted: Vec<HostPort>,
    reserved: &[Reserved],
) -> (Vec<HostPort>, Vec<(ObjectKey, String)>) {
    let mut refused = Vec::new();
    let served = wanted.into_iter().filter(|wanted| {
        let taken = reserved.iter().find(|taken| {
            taken.protocols.contains(&wanted.protocol) && wanted.host_port.get() == taken.port
        });
        if let Some(Reserved { port, what, .. }) = taken {
            let protocol = wanted.protocol;
            let why = format!(
                "hostPort {port}/{protocol} does not lead to this pod: {what}; choose another one"
            );
            refused.push((wanted.pod.clone(), why));
        }
        taken.is_none()
    });
    (served.collect(), refused)
}

/// Host ports that others have on the same addresses, mostly NodePorts.
pub(crate) fn refused_by_others(conflicts: &[Conflict]) -> Vec<(ObjectKey, String)> {
    let of_pods = conflicts.iter().filter(|c| matches!(c.refused.kind, PortKind::HostPort(_)));
    let sentence = |conflict: &Conflict| {
        let (kept, refused) = (&conflict.kept, &conflict.refused);
        let holder = match kept.kind {
            PortKind::Service => "Service",
            PortKind::HostPort(_) => "pod",
        };
        let ObjectKey { namespace, name } = &kept.service;
        let why = format!(
            "hostPort {} does not lead to this pod: {holder} {namespace}/{name} has it; choose another \
             one, outside of the range of NodePorts",
            refused.port
        );
        (refused.service.clone(), why)
    };
    of_pods.map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;

    fn wanted(port: u16, protocol: Protocol) -> HostPort {
        HostPort {
            pod: ObjectKey { namespace: "default".into(), name: "p".into() },
            host_ip: None,
            host_port: NonZeroU16::new(port).unwrap(),
            protocol,
            pod_ip: [10, 244, 0, 2].into(),
            container_port: NonZeroU16::new(80).unwrap(),
        }
    }

    fn ports(server: &str) -> Vec<u16> {
        let addresses = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        reserved(10256, 10053, server, &addresses).into_iter().map(|taken| taken.port).collect()
    }

    #[test]
    fn the_api_servers_port_is_its_own_where_it_is() {
        for here in ["https://127.0.0.1:6443", "https://192.0.2.1:6443/", "https://localhost:6443"]
        {
            assert_eq!(ports(here), [10256, 10053, 6443], "{here}");
        }
        assert_eq!(ports("https://[2001:db8::1]:7443"), [10256, 10053, 7443]);
        for elsewhere in ["https://192.0.2.9:6443", "https://api.example:6443", "nonsense"] {
            assert_eq!(ports(elsewhere), [10256, 10053], "{elsewhere}");
        }
    }

    #[test]
    fn what_the_daemons_listen_on_is_not_given_to_pods() {
        let reserved = reserved(10256, 10053, "", &[]);
        let all = vec![
            wanted(10256, Protocol::Tcp),
            wanted(10256, Protocol::Udp),
            wanted(8080, Protocol::Tcp),
            wanted(10053, Protocol::Udp),
        ];
        let (served, refused) = split(all.clone(), &reserved);
        assert_eq!(served, all[1..3]);
        assert!(refused[0].1.contains("10256/TCP") && refused[0].1.contains("--health-port"));
        assert!(refused[1].1.contains("10053/UDP") && refused[1].1.contains("--dns-port"));
        assert_eq!(refused.len(), 2);
    }
}
