//! Every pair of client and target on three nodes and from outside, each by TCP and UDP, in both families: it is
//! answered by the right backend, which sees the right client, or refused, or lost, as the semantics say. Once
//! where the nodes are on one link, and once with a router in between that knows nothing of pods.

mod cells;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use cells::{Addresses, CLIENTS, Cell, Client, SERVICES, Service, TARGETS, Target, all, is_right};
use serde_json::Value;
use sheave_lab::Layout;
use sheave_tests::kubectl::Kubectl;
use sheave_tests::nodes::{Nodes, Pod, probe};
use sheave_tests::pod_server::{self, WHO_PORT};
use sheave_tests::probe::{Outcome, Probe, Protocol};

const PROBER: &str = env!("CARGO_BIN_EXE_prober");
const SERVER: &str = env!("CARGO_BIN_EXE_pod-server");
/// Of the Services, where clients are told who answers.
const PORT: u16 = 81;
/// That none of them has.
const WRONG_PORT: u16 = 82;
/// The service ranges, as the lab has them.
const SERVICE_CIDRS: [&str; 2] = ["10.96.0.0/16", "fd00:96::/112"];

#[test]
fn nodes_on_one_link() {
    run(Layout::OneLink);
}

#[test]
fn nodes_behind_a_router() {
    run(Layout::Routed);
}

fn run(layout: Layout) {
    let nodes = Nodes::start(|spec| {
        spec.layout = layout;
        spec.images.push("names");
    });
    let cluster = Cluster::set_up(&nodes);
    let mut outcomes = BTreeMap::new();
    for client in CLIENTS {
        let cells: Vec<Cell> = all().into_iter().filter(|cell| cell.client == client).collect();
        let probes: Vec<Probe> = cells.iter().map(|cell| cluster.probe(*cell)).collect();
        outcomes.extend(cells.into_iter().zip(probe(cluster.command(client), &probes)));
    }
    let (table, wrong) = cluster.judge(&outcomes);
    println!("{layout:?}: {} cases\n{table}", outcomes.len());
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// All that is dialled, and who dials.
struct Cluster<'a> {
    nodes: &'a Nodes,
    /// By their names: servers and clients.
    pods: BTreeMap<&'static str, Pod>,
    services: BTreeMap<&'static str, Value>,
}

impl<'a> Cluster<'a> {
    fn set_up(nodes: &'a Nodes) -> Self {
        let mut manifest = String::new();
        for service in SERVICES {
            let policy = match service {
                Service::ThereLocal => "  externalTrafficPolicy: Local",
                _ => "",
            };
            manifest += &pod_server::service(service.name(), policy);
            if let Some(node) = service.backend() {
                manifest += &pod_server::pod(service.name(), node, SERVER);
            }
        }
        for (name, host_network) in [("client", false), ("host-client", true)] {
            manifest += &client_pod(name, host_network);
        }
        nodes.apply(&manifest);
        let servers = SERVICES.iter().filter(|service| service.backend().is_some());
        let names: Vec<_> =
            servers.map(|service| service.name()).chain(["client", "host-client"]).collect();
        for name in &names {
            nodes.wait_pod_ready(name);
        }
        let pods = names.iter().map(|name| (*name, nodes.pod(&format!("app={name}")))).collect();
        for node in 1..=3 {
            for service in SERVICES {
                nodes.wait_live(node, service.name(), usize::from(service.backend().is_some()));
            }
        }
        let get = |name| nodes.kubectl(&["get", "service", name, "--output=json"]);
        let services = SERVICES.map(|service| {
            let name = service.name();
            (name, serde_json::from_str(&get(name)).expect("kubectl writes JSON"))
        });
        // So that what is for the service range comes to a node at all.
        for (cidr, is_v6) in SERVICE_CIDRS.into_iter().zip([false, true]) {
            let via = nodes.address("node-1", is_v6).to_string();
            nodes.client().run(&["ip", "route", "add", cidr, "via", &via]).expect("a route");
        }
        Self { nodes, pods, services: services.into_iter().collect() }
    }

    /// The prober, where this client is.
    fn command(&self, client: Client) -> Command {
        match client {
            Client::Pod => self.nodes.in_pod(&self.pods["client"], PROBER),
            Client::HostNetworkPod => self.nodes.in_pod(&self.pods["host-client"], PROBER),
            Client::Host => self.nodes.node(1).command(PROBER).expect("node-1 runs"),
            Client::Outside => self.nodes.client().command(PROBER).expect("the client runs"),
        }
    }

    fn probe(&self, cell: Cell) -> Probe {
        let Cell { target, protocol, is_v6, .. } = cell;
        let service = &self.services[cell.service.name()];
        let of_family = |addresses: Vec<IpAddr>| {
            let its = addresses.into_iter().find(|address| address.is_ipv6() == is_v6);
            its.unwrap_or_else(|| {
                panic!("{cell:?}: no address of this family: {:#}", service["status"])
            })
        };
        let read = |value: &Value| value.as_str().and_then(|text| text.parse::<IpAddr>().ok());
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let (address, port) = match target {
            Target::Pod => {
                let pod = &self.pods[cell.service.name()];
                (of_family(pod.addresses.clone()), WHO_PORT)
            }
            Target::ClusterIp | Target::ClusterIpWrongPort => {
                let addresses = list(&service["spec"]["clusterIPs"]);
                let port = if target == Target::ClusterIp { PORT } else { WRONG_PORT };
                (of_family(addresses.iter().filter_map(read).collect()), port)
            }
            Target::NodePort(node) => {
                (self.nodes.address(&format!("node-{node}"), is_v6), node_port(service, protocol))
            }
            Target::NodePortAtLoopback => {
                let loopback = if is_v6 { "::1" } else { "127.0.0.1" };
                (loopback.parse().expect("an address"), node_port(service, protocol))
            }
            Target::LoadBalancer => {
                let ingress = list(&service["status"]["loadBalancer"]["ingress"]);
                (of_family(ingress.iter().filter_map(|one| read(&one["ip"])).collect()), PORT)
            }
        };
        Probe { protocol, to: SocketAddr::new(address, port) }
    }

    fn addresses(&self, client: Client, is_v6: bool) -> Addresses {
        let nodes = (1..=3).map(|n| self.nodes.address(&format!("node-{n}"), is_v6)).collect();
        let client = match client {
            Client::Pod => {
                let mut addresses = self.pods["client"].addresses.iter();
                *addresses.find(|address| address.is_ipv6() == is_v6).expect("both families")
            }
            Client::Host | Client::HostNetworkPod => self.nodes.address("node-1", is_v6),
            Client::Outside => self.nodes.address("client-1", is_v6),
        };
        Addresses { client, nodes }
    }

    /// A line for each client and target, and what is not as it must be.
    fn judge(&self, outcomes: &BTreeMap<Cell, Outcome>) -> (String, Vec<String>) {
        let mut table = format!(
            "{:<16} {:<22} {:<14} {:<12} {:<12} {:<12} {:<12}\n",
            "CLIENT", "TARGET", "BACKEND", "TCP v4", "UDP v4", "TCP v6", "UDP v6"
        );
        let mut wrong = Vec::new();
        for client in CLIENTS {
            for target in TARGETS {
                for service in SERVICES {
                    let mut cells = Vec::new();
                    for is_v6 in [false, true] {
                        for protocol in [Protocol::Tcp, Protocol::Udp] {
                            let cell = Cell { client, service, target, protocol, is_v6 };
                            let Some(outcome) = outcomes.get(&cell) else { continue };
                            let is_right = self.is_right(cell, outcome);
                            cells.push(shown(outcome, is_right));
                            if !is_right {
                                let (to, expected) =
                                    (self.probe(cell).to, cell.expected(self.layout()));
                                wrong.push(format!(
                                    "{cell:?} to {to}: {expected:?}, and was {outcome:?}"
                                ));
                            }
                        }
                    }
                    if !cells.is_empty() {
                        let _ = write!(table, "{client:<16} {target:<22} {service:<14} ");
                        let _ = writeln!(table, "{}", cells.join(" ").trim_end());
                    }
                }
            }
        }
        (table, wrong)
    }

    fn is_right(&self, cell: Cell, outcome: &Outcome) -> bool {
        let backend = cell.service.backend().map(|_| cell.service.name());
        let addresses = self.addresses(cell.client, cell.is_v6);
        is_right(cell.expected(self.layout()), outcome, backend, &addresses)
    }

    fn layout(&self) -> Layout {
        self.nodes.lab.spec().layout
    }
}

fn node_port(service: &Value, protocol: Protocol) -> u16 {
    let name = match protocol {
        Protocol::Tcp => "who-tcp",
        Protocol::Udp => "who-udp",
    };
    let ports = service["spec"]["ports"].as_array().expect("a Service has ports");
    let port = ports.iter().find(|port| port["name"] == name).expect("it has this one");
    port["nodePort"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a node port")
}

/// In a word, with a mark when it is wrong.
fn shown(outcome: &Outcome, is_right: bool) -> String {
    let word = match outcome {
        Outcome::Answered { .. } => "answered",
        Outcome::Refused => "refused",
        Outcome::Unreachable => "unreachable",
        Outcome::Silent => "silent",
        Outcome::Strange(_) => "strange",
    };
    format!("{:<12}", if is_right { word.to_owned() } else { format!("!{word}") })
}

fn client_pod(name: &str, host_network: bool) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  nodeName: node-1
  hostNetwork: {host_network}
  terminationGracePeriodSeconds: 0
  containers: [{{name: client, image: 'sheave.local/resolvers:1'}}]
---
"
    )
}
