//! Who may reach what, and as whom: the semantics of Services as a pure function, and every case of it.
//!
//! Clients inside are on node 1. A Service has one backend, on this node or on another, or none.

use std::fmt;
use std::net::IpAddr;

use sheave_lab::Layout;
use sheave_tests::probe::{Outcome, Protocol};

/// Who dials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Client {
    Pod,
    Host,
    HostNetworkPod,
    Outside,
}

/// What is dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// The backend itself.
    Pod,
    ClusterIp,
    /// A port that the Service does not have, of its cluster address.
    ClusterIpWrongPort,
    /// At the node of this number.
    NodePort(usize),
    /// At 127.0.0.1 or ::1 of the client.
    NodePortAtLoopback,
    LoadBalancer,
}

/// The Service that is dialled, by where its backend is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    /// On node 1.
    Here,
    /// On node 2.
    There,
    /// There is none.
    Nobody,
    /// On node 2, with an external traffic policy of Local.
    ThereLocal,
}

/// One case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    pub(crate) client: Client,
    pub(crate) service: Service,
    pub(crate) target: Target,
    pub(crate) protocol: Protocol,
    pub(crate) is_v6: bool,
}

/// What must become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Answered(Seen),
    /// At once.
    Refused,
    /// Dropped, or nobody knows the way.
    Lost,
    /// One of these: which is not ours to decide.
    RefusedOrLost,
}

/// As whom the backend sees the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// As it is: the pod, the client outside; processes of a node have that one's address.
    Itself,
    /// As it is, or as one of the nodes.
    ItselfOrNode,
}

pub(crate) const CLIENTS: [Client; 4] =
    [Client::Pod, Client::Host, Client::HostNetworkPod, Client::Outside];
pub(crate) const SERVICES: [Service; 4] =
    [Service::Here, Service::There, Service::Nobody, Service::ThereLocal];
pub(crate) const TARGETS: [Target; 8] = [
    Target::Pod,
    Target::ClusterIp,
    Target::ClusterIpWrongPort,
    Target::NodePort(1),
    Target::NodePort(2),
    Target::NodePort(3),
    Target::NodePortAtLoopback,
    Target::LoadBalancer,
];

/// Every case that there is.
pub(crate) fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    for client in CLIENTS {
        for service in SERVICES {
            for target in TARGETS {
                for is_v6 in [false, true] {
                    for protocol in [Protocol::Tcp, Protocol::Udp] {
                        let cell = Cell { client, service, target, protocol, is_v6 };
                        cells.extend(cell.is_a_case().then_some(cell));
                    }
                }
            }
        }
    }
    cells
}

impl Service {
    /// The number of its backend's node.
    pub(crate) fn backend(self) -> Option<usize> {
        match self {
            Self::Here => Some(1),
            Self::There | Self::ThereLocal => Some(2),
            Self::Nobody => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::There => "there",
            Self::Nobody => "nobody",
            Self::ThereLocal => "there-local",
        }
    }
}

impl Cell {
    fn is_a_case(self) -> bool {
        match self.target {
            // A backend is dialled without a Service; which there is does not matter.
            Target::Pod => [Service::Here, Service::There].contains(&self.service),
            Target::NodePortAtLoopback => {
                [Client::Host, Client::HostNetworkPod].contains(&self.client)
            }
            _ => true,
        }
    }

    /// What the semantics of Services say, on nodes that are connected in this way.
    pub(crate) fn expected(self, layout: Layout) -> Expected {
        use Expected::{Answered, Lost, Refused, RefusedOrLost};
        let is_outside = self.client == Client::Outside;
        // The client is on the first node's link, where the second cannot announce an address.
        let hears_announcer = !self.is_local_policy() || layout == Layout::OneLink;
        match self.target {
            // Nobody outside is told of pods; and cluster addresses are not for those outside.
            Target::Pod | Target::ClusterIp | Target::ClusterIpWrongPort if is_outside => Lost,
            Target::Pod => Answered(Seen::Itself),
            Target::ClusterIpWrongPort => Refused,
            // Where this node announces the address itself, no neighbour answers for it, and no packet is there
            // to be refused: see "Not yet" in docs/service-semantics.md.
            Target::LoadBalancer
                if self.service == Service::Nobody
                    && [Client::Host, Client::HostNetworkPod].contains(&self.client) =>
            {
                RefusedOrLost
            }
            _ if self.service == Service::Nobody => match self.is_local_policy() && is_outside {
                true => Lost,
                false => Refused,
            },
            Target::NodePort(node) => self.at_node(node),
            Target::LoadBalancer if is_outside && !hears_announcer => Lost,
            Target::ClusterIp | Target::NodePortAtLoopback | Target::LoadBalancer => {
                Answered(Seen::Itself)
            }
        }
    }

    /// A client inside is served by its own node at that one's address, by whatever backend there is. To other
    /// nodes it is a client like those outside: it may be that its own node has put its address in place of
    /// the client's.
    fn at_node(self, node: usize) -> Expected {
        let is_inside = self.client != Client::Outside;
        if is_inside && node == 1 {
            return Expected::Answered(Seen::Itself);
        }
        let is_local = self.service.backend() == Some(node);
        match (is_local, self.is_local_policy()) {
            (false, true) => Expected::Lost,
            _ if is_inside => Expected::Answered(Seen::ItselfOrNode),
            _ => Expected::Answered(Seen::Itself),
        }
    }

    fn is_local_policy(self) -> bool {
        self.service == Service::ThereLocal
    }
}

/// Who has which address, for [`is_right`].
pub(crate) struct Addresses {
    /// Of the client's own.
    pub(crate) client: IpAddr,
    /// Of the nodes, from 1.
    pub(crate) nodes: Vec<IpAddr>,
}

/// Whether what became of a case is what had to; `backend` is the name of who should answer.
pub(crate) fn is_right(
    expected: Expected,
    outcome: &Outcome,
    backend: Option<&str>,
    addresses: &Addresses,
) -> bool {
    match (expected, outcome) {
        (Expected::Answered(seen), Outcome::Answered { by, seen: address }) => {
            let is_node = addresses.nodes.contains(address);
            let is_seen = match seen {
                Seen::Itself => *address == addresses.client,
                Seen::ItselfOrNode => *address == addresses.client || is_node,
            };
            Some(by.as_str()) == backend && is_seen
        }
        (Expected::Refused, Outcome::Refused) => true,
        (Expected::Lost, Outcome::Silent | Outcome::Unreachable) => true,
        (Expected::RefusedOrLost, Outcome::Refused | Outcome::Silent | Outcome::Unreachable) => {
            true
        }
        _ => false,
    }
}

impl fmt::Display for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Pod => "pod",
            Self::Host => "host process",
            Self::HostNetworkPod => "hostNetwork pod",
            Self::Outside => "outside",
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Pod => "pod address".to_owned(),
            Self::ClusterIp => "ClusterIP".to_owned(),
            Self::ClusterIpWrongPort => "ClusterIP, other port".to_owned(),
            Self::NodePort(node) => format!("NodePort of node-{node}"),
            Self::NodePortAtLoopback => "NodePort of loopback".to_owned(),
            Self::LoadBalancer => "LoadBalancer".to_owned(),
        };
        formatter.pad(&text)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Here => "node-1",
            Self::There => "node-2",
            Self::Nobody => "nobody",
            Self::ThereLocal => "node-2, Local",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(client: Client, service: Service, target: Target) -> Expected {
        Cell { client, service, target, protocol: Protocol::Tcp, is_v6: false }
            .expected(Layout::OneLink)
    }

    #[test]
    fn each_case_is_there_once_and_some_of_every_outcome() {
        let cells = all();
        let mut each = cells.clone();
        each.sort();
        each.dedup();
        assert_eq!(each.len(), cells.len());
        for outcome in [Expected::Refused, Expected::Lost, Expected::Answered(Seen::Itself)] {
            assert!(
                cells.iter().any(|cell| cell.expected(Layout::OneLink) == outcome),
                "{outcome:?}"
            );
        }
    }

    #[test]
    fn the_table_says_what_the_semantics_say() {
        use Client::{Outside, Pod};
        let node = Target::NodePort;
        let as_it_is = Expected::Answered(Seen::Itself);
        assert_eq!(expected(Outside, Service::There, node(2)), as_it_is);
        assert_eq!(expected(Outside, Service::There, node(3)), as_it_is);
        assert_eq!(expected(Outside, Service::ThereLocal, node(3)), Expected::Lost);
        assert_eq!(expected(Outside, Service::ThereLocal, Target::LoadBalancer), as_it_is);
        assert_eq!(expected(Outside, Service::There, Target::ClusterIp), Expected::Lost);
        assert_eq!(expected(Outside, Service::Nobody, node(1)), Expected::Refused);
        assert_eq!(expected(Pod, Service::ThereLocal, node(1)), as_it_is);
        assert_eq!(expected(Pod, Service::Nobody, Target::ClusterIp), Expected::Refused);
        assert_eq!(expected(Pod, Service::Here, Target::ClusterIpWrongPort), Expected::Refused);
    }

    #[test]
    fn an_answer_is_right_only_from_the_right_one_about_the_right_one() {
        let addresses = Addresses {
            client: "10.244.0.9".parse().unwrap(),
            nodes: vec!["198.18.0.11".parse().unwrap(), "198.18.0.12".parse().unwrap()],
        };
        let answered =
            |by: &str, seen: &str| Outcome::Answered { by: by.into(), seen: seen.parse().unwrap() };
        let is_right = |seen, outcome: Outcome| {
            is_right(Expected::Answered(seen), &outcome, Some("there"), &addresses)
        };
        assert!(is_right(Seen::Itself, answered("there", "10.244.0.9")));
        assert!(!is_right(Seen::Itself, answered("here", "10.244.0.9")));
        assert!(!is_right(Seen::Itself, answered("there", "198.18.0.11")));
        assert!(is_right(Seen::ItselfOrNode, answered("there", "198.18.0.11")));
        assert!(!is_right(Seen::ItselfOrNode, answered("there", "198.18.0.9")));
        assert!(!is_right(Seen::Itself, Outcome::Refused));
    }
}
