//! The cluster's DNS on this node: the server, what it is told of Services, and how pods come to it.
//!
//! Pods ask the address of the Service `kube-dns`, which has one endpoint on every node: this agent. So no
//! question leaves the machine, and nothing but the dataplane knows of it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::{Context, Result};
use ipnet::IpNet;
use parking_lot::Mutex;
use sheave_core::model::{Endpoint, EndpointPort, EndpointSlice, ObjectKey, Protocol};
use sheave_dns::zone::{Cluster, Name};
use sheave_dns::{Server, ServerConfig, Sockets, Upstreams};
use sheave_kubelet::ServiceLinks;
use sheave_push::v1;

use crate::config::RunArguments;
use crate::metrics::Metrics;
use crate::name_changes::{self, NameChanges};
use crate::reconcile::Reconciler;

/// The Service whose address pods have in resolv.conf.
const NAMESPACE: &str = "kube-system";
const SERVICE: &str = "kube-dns";
/// systemd-resolved's own is a stub that leads to these; the first that is there counts.
const RESOLV_CONF: [&str; 2] = ["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"];
/// Threads that answer datagrams at each address.
const THREADS: usize = 2;

const DNS_PORT: u16 = 53;

/// A domain, and one who answers for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StubDomain {
    domain: Name,
    server: SocketAddr,
}

/// Reads `corp.example=192.0.2.53`, with or without a port.
pub(crate) fn parse_stub_domain(text: &str) -> Result<StubDomain, String> {
    let (domain, server) = text.split_once('=').ok_or("expected DOMAIN=ADDRESS[:PORT]")?;
    let mut domain = Name::from_ascii(domain).map_err(|error| error.to_string())?;
    domain.set_fqdn(true);
    let without_port = || server.parse().map(|ip: IpAddr| SocketAddr::new(ip, DNS_PORT));
    let server = server.parse().or_else(|_| without_port()).map_err(|error| error.to_string())?;
    Ok(StubDomain { domain, server })
}

/// Each domain once, with all who answer for it, in order.
fn by_domain(stubs: &[StubDomain]) -> Vec<(Name, Vec<SocketAddr>)> {
    let mut domains: Vec<(Name, Vec<SocketAddr>)> = Vec::new();
    for StubDomain { domain, server } in stubs {
        match domains.iter_mut().find(|(known, _)| known == domain) {
            Some((_, servers)) => servers.push(*server),
            None => domains.push((domain.clone(), vec![*server])),
        }
    }
    domains
}

/// The server, from when it is known what the cluster is called. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Served(Arc<OnceLock<Server>>);

impl Served {
    /// The server, once there is one.
    pub(crate) fn get(&self) -> Option<&Server> {
        self.0.get()
    }
}

/// Starts the server, and tells it of Services.
pub(crate) struct Names {
    reconciler: Arc<Mutex<Reconciler>>,
    port: Option<NonZeroU16>,
    keeper: PathBuf,
    stub_domains: Vec<StubDomain>,
    server: Served,
    /// The cluster whose names cannot be answered yet.
    waits: Option<v1::ClusterConfig>,
    metrics: Metrics,
}

impl Names {
    /// Nothing listens yet.
    pub(crate) fn new(
        arguments: &RunArguments,
        reconciler: &Arc<Mutex<Reconciler>>,
        metrics: &Metrics,
    ) -> Self {
        Self {
            reconciler: Arc::clone(reconciler),
            port: NonZeroU16::new(arguments.dns_port),
            keeper: arguments.directories.keeper_socket(),
            stub_domains: arguments.dns_stub_domain.clone(),
            server: Served::default(),
            waits: None,
            metrics: metrics.clone(),
        }
    }

    /// For who is asked by people.
    pub(crate) fn served(&self) -> Served {
        self.server.clone()
    }

    /// What the server says of the cluster. After an error names are not answered, and
    /// [`Names::try_again`] may.
    pub(crate) fn join(&mut self, cluster: &v1::ClusterConfig) -> Result<()> {
        let joined = self.serve(cluster);
        self.waits = joined.is_err().then(|| cluster.clone());
        joined
    }

    /// True when somebody else has the port, or whatever else it was may be over.
    pub(crate) fn waits(&self) -> bool {
        self.waits.is_some()
    }

    /// Joins again the cluster that could not be joined; true when that is done.
    pub(crate) fn try_again(&mut self) -> bool {
        let Some(cluster) = self.waits.take() else { return false };
        self.join(&cluster).is_ok()
    }

    fn serve(&mut self, cluster: &v1::ClusterConfig) -> Result<()> {
        let Some(port) = self.port else {
            // Of an agent that had one; nobody reads them any more.
            return sheave_handover::keep(&self.keeper, &[]).context("sockets for DNS stay open");
        };
        let cluster = named(cluster)?;
        if let Some(server) = self.server.get() {
            server.rename(cluster);
            return Ok(());
        }
        let addresses = self.reconciler.lock().machine().addresses.clone();
        let sockets = self.sockets(&addresses, port).context("pods find no Service by name")?;
        let resolvers = cluster
            .dns_addresses
            .iter()
            .map(|address| SocketAddr::new(*address, DNS_PORT))
            .collect();
        let config = ServerConfig {
            sockets,
            upstreams: Upstreams {
                resolv_conf: RESOLV_CONF.map(Into::into).into(),
                stub_domains: by_domain(&self.stub_domains),
                own: resolvers,
            },
            clients: addresses.clone(),
            threads: THREADS,
            counts: self.metrics.dns(),
        };
        let server = Server::start(config, cluster).context("pods find no Service by name")?;
        self.reconciler.lock().add_endpoints(slices(&addresses, port));
        // There was none, and nobody else makes one.
        let _ = self.server.0.set(server);
        Ok(())
    }

    /// Those of the agent before, where they were kept, or new ones.
    fn sockets(&self, addresses: &[IpAddr], port: NonZeroU16) -> Result<Vec<Sockets>> {
        let kept = sheave_handover::take(&self.keeper).unwrap_or_else(|error| {
            tracing::warn!(%error, "sockets of the agent before could not be had");
            Vec::new()
        });
        let mut kept: HashMap<String, OwnedFd> = kept.into_iter().collect();
        let mut sockets = Vec::new();
        for address in addresses {
            let address = SocketAddr::new(*address, port.get());
            let names = names_of(address);
            sockets.push(match names.each_ref().map(|name| kept.remove(name)) {
                [Some(udp), Some(tcp)] => Sockets { udp: udp.into(), tcp: tcp.into() },
                _ => bind(address)?,
            });
        }
        let named = sockets.iter().zip(addresses).flat_map(|(sockets, address)| {
            let [udp, tcp] = names_of(SocketAddr::new(*address, port.get()));
            [(udp, sockets.udp.as_fd()), (tcp, sockets.tcp.as_fd())]
        });
        if let Err(error) = sheave_handover::keep(&self.keeper, &named.collect::<Vec<_>>()) {
            tracing::warn!(%error, "who asks for names while this agent is started anew will be refused");
        }
        Ok(sockets)
    }

    /// Changes of Services that came at `received` have been noted: the next question is answered by them,
    /// but for what has to wait for the maps.
    pub(crate) fn services_changed(&self, received: Instant) -> Waiting {
        if self.server.get().is_none() {
            return Waiting::default();
        }
        let NameChanges { served, others, is_complete } = self.reconciler.lock().take_names();
        self.set(others, received);
        Waiting { served, is_complete }
    }

    /// The maps have been written, or cannot be: what could not be written is refused or dropped there, and
    /// holds up no name.
    pub(crate) fn maps_written(&self, waiting: Waiting, received: Instant) {
        self.set(waiting.served, received);
        if let Some(server) = self.server.get().filter(|_| waiting.is_complete) {
            server.complete();
        }
    }

    fn set(&self, changes: Vec<name_changes::Change>, received: Instant) {
        let Some(server) = self.server.get() else { return };
        let mut is_other = false;
        for (key, records) in changes {
            is_other |= server.set(&key, records);
        }
        if is_other {
            self.metrics.named(received);
        }
    }
}

/// Names that wait for the maps to hold their addresses.
#[must_use = "they are answered when they are given back"]
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    served: Vec<name_changes::Change>,
    is_complete: bool,
}

/// Refuses a port that somebody else has, before anything is made.
pub(crate) fn refuse_taken_port(arguments: &RunArguments, addresses: &[IpAddr]) -> Result<()> {
    let port = NonZeroU16::new(arguments.dns_port).filter(|_| arguments.manifests.is_none());
    let Some(port) = port else { return Ok(()) };
    addresses.iter().try_for_each(|ip| bind(SocketAddr::new(*ip, port.get())).map(drop))
}

fn bind(address: SocketAddr) -> Result<Sockets> {
    Sockets::bind(address).with_context(|| {
        format!(
            "port {port} is needed for DNS (`ss -lntup 'sport = :{port}'` names who has it); stop it, or \
             choose another port with --dns-port",
            port = address.port()
        )
    })
}

/// What the sockets at an address are kept as.
fn names_of(address: SocketAddr) -> [String; 2] {
    ["udp", "tcp"].map(|transport| format!("dns {transport} {address}"))
}

/// What the kubelet tells containers of Services: those with an address, whoever serves them.
pub(crate) fn links(reconciler: &Arc<Mutex<Reconciler>>) -> ServiceLinks {
    let reconciler = Arc::clone(reconciler);
    ServiceLinks(Arc::new(move |namespace| reconciler.lock().service_links(namespace)))
}

/// Of the cluster's DNS, in the order in which pods ask.
pub(crate) fn addresses(cluster: &v1::ClusterConfig) -> Vec<IpAddr> {
    cluster.dns_addresses.iter().filter_map(|address| address.parse().ok()).collect()
}

/// The cluster, in the server's words.
fn named(cluster: &v1::ClusterConfig) -> Result<Cluster> {
    let domain = &cluster.cluster_domain;
    let mut name = Name::from_ascii(domain)
        .with_context(|| format!("the server's cluster domain {domain:?} is no name"))?;
    name.set_fqdn(true);
    let ranges = |cidrs: &[String]| -> Vec<IpNet> {
        cidrs.iter().filter_map(|cidr| cidr.parse().ok()).collect()
    };
    Ok(Cluster {
        domain: name,
        dns_addresses: addresses(cluster),
        service_ranges: ranges(&cluster.service_cidrs),
        pod_ranges: ranges(&cluster.pod_cidrs),
    })
}

/// This agent as the endpoint of the Service: known here alone, by names that no object of the API has.
fn slices(addresses: &[IpAddr], port: NonZeroU16) -> Vec<EndpointSlice> {
    let ports = [("dns", Protocol::Udp), ("dns-tcp", Protocol::Tcp)];
    let ports = ports.map(|(name, protocol)| EndpointPort { name: name.into(), protocol, port });
    let slice = |address: &IpAddr| EndpointSlice {
        key: ObjectKey {
            namespace: NAMESPACE.into(),
            name: format!("{SERVICE} on this node {address}"),
        },
        service_name: SERVICE.into(),
        ports: ports.to_vec(),
        endpoints: vec![Endpoint {
            addresses: vec![*address],
            ready: true,
            serving: true,
            terminating: false,
            node_name: String::new(),
            zone: String::new(),
            zone_hints: vec![],
            node_hints: vec![],
            hostname: String::new(),
        }],
    };
    addresses.iter().map(slice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stub_domains_are_read_and_gathered() {
        let stubs =
            ["corp.example=192.0.2.53", "other.=[2001:db8::1]:5353", "Corp.Example=192.0.2.54"]
                .map(|text| parse_stub_domain(text).unwrap());
        let domains = by_domain(&stubs).into_iter().map(|(domain, servers)| {
            let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
            format!("{domain} {}", servers.join(" "))
        });
        let expected = ["corp.example. 192.0.2.53:53 192.0.2.54:53", "other. [2001:db8::1]:5353"];
        assert_eq!(domains.collect::<Vec<_>>(), expected);
        for wrong in ["corp.example", "corp.example=", "a b=x", "..=192.0.2.1"] {
            assert!(parse_stub_domain(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn this_agent_is_the_endpoint_for_both_transports() {
        let slices = slices(&["192.0.2.1".parse().unwrap()], 10053.try_into().unwrap());
        let [slice] = slices.as_slice() else { panic!("one a family") };
        assert_eq!(
            (slice.key.namespace.as_str(), slice.service_name.as_str()),
            ("kube-system", "kube-dns")
        );
        assert_eq!(slice.ports.len(), 2);
    }
}
