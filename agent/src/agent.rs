//! The running agent: carries changes from the source to dataplane and kubelet, acknowledges what is in
//! effect, and carries what the kubelet says back.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use parking_lot::Mutex;
use sheave_core::model::Update;
use sheave_kubelet::{ClusterDns, HostPorts, Kubelet, KubeletConfig, Outgoing};
use sheave_push::v1;
use sheave_sources::{Change, Generation, PodChange, Push, What, file};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use crate::announcing::Announcing;
use crate::config::{Directories, RunArguments};
use crate::footprint::Footprint;
use crate::health::Health;
use crate::health_checks::{self, HealthChecks};
use crate::host_ports::{self, Reserved};
use crate::metrics::{Metrics, Sync};
use crate::names::{self, Names};
use crate::network::Ranges;
use crate::pod_network::PodNetwork;
use crate::pods::{KubeletTunnels, OnNode, kubelet_config, pass_on, push_config};
use crate::reconcile::{self, ApplyError, Reconciler};
use crate::{answers, cni, node_ports, overlap, sysctl};

/// Changes that are applied to the maps together, at most.
const BATCH_MAX: usize = 4096;
/// How often it is tried again to listen for questions about names.
const NAMES_RETRY: Duration = Duration::from_secs(5);
/// Pause after a failed write to the maps.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Everything that runs.
pub(crate) struct Agent {
    directories: Directories,
    pod_mtu: u32,
    reconciler: Arc<Mutex<Reconciler>>,
    changes: mpsc::Receiver<Change>,
    /// What the pods want.
    host_ports: mpsc::Receiver<HostPorts>,
    reserved_ports: Vec<Reserved>,
    /// Where NodePorts are served.
    node_port_addresses: watch::Receiver<Vec<IpAddr>>,
    /// Nobody, with manifests.
    pods: Option<Pods>,
    /// Of the pods that run here.
    pod_names: answers::PodNames,
    metrics: Metrics,
    health: Arc<Health>,
    health_checks: HealthChecks,
    announcing: Announcing,
    names: Names,
    /// Until the first cluster that this machine has ever been told of is known to fit it.
    is_new: bool,
    /// Why it does not.
    unfit: Option<anyhow::Error>,
    pod_network: PodNetwork,
}

struct Pods {
    kubelet: Kubelet,
    outgoing: mpsc::Receiver<Outgoing>,
    host_ports: mpsc::Sender<HostPorts>,
    push: Push,
}

impl Agent {
    /// Starts kubelet and source.
    pub(crate) async fn start(
        arguments: &RunArguments,
        reconciler: Arc<Mutex<Reconciler>>,
        metrics: Metrics,
        health: Arc<Health>,
    ) -> Result<Self> {
        tokio::spawn(reconcile::retire(Arc::clone(&reconciler)));
        let (host_ports_said, host_ports) = mpsc::channel(1);
        let announcing = Announcing::start(arguments, &reconciler)?;
        let names = Names::new(arguments, &reconciler, &metrics);
        let mut told = None;
        let (changes, pods) = match &arguments.manifests {
            Some(path) => {
                let ranges = Ranges {
                    services: arguments.service_cidr.clone(),
                    node_pods: arguments.pod_cidr.clone(),
                    cluster_pods: arguments.cluster_pod_cidr.clone(),
                };
                told = Some(ranges);
                // Manifests name no pods.
                reconciler.lock().note(Update::HostPorts(Vec::new()));
                (follow_manifests(path, &reconciler.lock().machine().name)?, None)
            }
            None => {
                let machine = reconciler.lock().machine().clone();
                let config = KubeletConfig {
                    service_links: names::links(&reconciler),
                    ..kubelet_config(arguments, &machine)
                };
                let (kubelet, outgoing) =
                    Kubelet::start(config).await.context("cannot start the kubelet")?;
                let tunnels = Arc::new(KubeletTunnels(kubelet.clone()));
                let (push, changes) =
                    Push::start(push_config(arguments, &machine, kubelet.clone()), tunnels);
                tokio::spawn(Arc::clone(&health).mind_refusals(push.connection()));
                (changes, Some(Pods { kubelet, outgoing, host_ports: host_ports_said, push }))
            }
        };
        let directories = arguments.directories.clone();
        let pod_names = answers::PodNames::default();
        let pod_mtu = arguments.pod_mtu;
        let addresses = reconciler.lock().machine().addresses.clone();
        let reserved_ports = host_ports::reserved(
            arguments.health_port,
            arguments.dns_port,
            &arguments.server,
            &addresses,
        );
        let node_port_addresses = node_ports::follow(
            &arguments.node_port_addresses,
            &addresses,
            reconciler.lock().model().node.node_port_addresses.clone(),
        )?;
        let health_checks = HealthChecks::start(
            addresses,
            Arc::clone(&health),
            complain(pods.as_ref().map(|pods| pods.push.clone())),
        );
        let push = pods.as_ref().map(|pods| pods.push.clone());
        let say = move |reason: &'static str, message| {
            if let Some(push) = &push {
                push.event(warning(reason, "dataplane", message));
            }
        };
        let pod_network = PodNetwork::new(arguments, &reconciler, Box::new(say));
        if let Some(ranges) = told {
            pod_network.join(&ranges)?;
        }
        pod_network.watch()?;
        Ok(Self {
            directories,
            pod_mtu,
            reconciler,
            changes,
            host_ports,
            reserved_ports,
            node_port_addresses,
            pods,
            pod_names,
            metrics,
            health,
            health_checks,
            announcing,
            names,
            is_new: arguments.manifests.is_none() && !arguments.directories.view().exists(),
            unfit: None,
            pod_network,
        })
    }

    /// For the control socket.
    pub(crate) fn answers(&self, bpffs_dir: &Path) -> answers::Answers {
        let connection = self.pods.as_ref().map(|pods| pods.push.connection());
        let reconciler = Arc::clone(&self.reconciler);
        let agent = answers::Agent::new(
            reconciler,
            connection,
            self.pod_names.clone(),
            self.announcing.clone(),
        );
        let kubelet = self.pods.as_ref().map(|pods| pods.kubelet.clone());
        let agent = agent.with_names(self.names.served(), kubelet);
        let agent = agent.with_pod_network(self.pod_network.clone());
        answers::Answers::of_agent(bpffs_dir.to_owned(), agent)
    }

    /// Until a signal.
    pub(crate) async fn live(mut self) -> Result<()> {
        let mut stopping = signal(SignalKind::terminate()).context("cannot wait for signals")?;
        let mut interrupted = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
        if let Some(pods) = &mut self.pods {
            let (_, closed) = mpsc::channel(1);
            let outgoing = std::mem::replace(&mut pods.outgoing, closed);
            let on_node =
                OnNode { pod_names: self.pod_names.clone(), host_ports: pods.host_ports.clone() };
            tokio::spawn(pass_on(outgoing, pods.push.clone(), on_node));
        }
        let kubelet = self.pods.as_ref().map(|pods| pods.kubelet.clone());
        let ended = tokio::select! {
            _ = stopping.recv() => Ok(()),
            _ = interrupted.recv() => Ok(()),
            ended = self.follow() => ended,
        };
        if let Some(kubelet) = kubelet {
            kubelet.stop();
        }
        tracing::info!("the agent ends; pods and Services go on");
        ended
    }

    /// Carries changes to where they belong, and acknowledges what is in effect.
    async fn follow(&mut self) -> Result<()> {
        let mut batch = Vec::new();
        let mut newest = Generation::default();
        let mut failed = false;
        let mut received = Instant::now();
        let mut names_retry = tokio::time::interval(NAMES_RETRY);
        names_retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                taken = self.changes.recv_many(&mut batch, BATCH_MAX) => {
                    if taken == 0 {
                        bail!("the source of the desired state has ended");
                    }
                    received = Instant::now();
                    self.health.waits();
                }
                Some(wanted) = self.host_ports.recv() => {
                    received = Instant::now();
                    self.note_host_ports(wanted);
                }
                Ok(()) = self.node_port_addresses.changed() => {
                    received = Instant::now();
                    self.note_node_port_addresses();
                    self.pod_network.follow().await;
                }
                () = tokio::time::sleep(RETRY_PAUSE), if failed => {}
                _ = names_retry.tick(), if self.names.waits() => {
                    if !self.names.try_again() {
                        continue;
                    }
                    received = Instant::now();
                    tracing::info!("names are answered now");
                }
            }
            for Change { generation, what } in batch.drain(..) {
                newest = newest.max(generation);
                self.metrics.noted(&what);
                self.pass(what).await;
            }
            if let Some(error) = self.unfit.take() {
                return Err(error);
            }
            let waiting = self.names.services_changed(received);
            let reconciler = Arc::clone(&self.reconciler);
            let began = Instant::now();
            let applied = tokio::task::spawn_blocking(move || reconciler.lock().apply());
            let applied = applied.await.context("applying changes panicked")?;
            self.names.maps_written(waiting, received);
            self.metrics.synced(received, began, &self.outcome(&applied, newest));
            failed = match applied {
                Ok(true) => {
                    if self.reconciler.lock().take_peers_changed() {
                        self.pod_network.follow().await;
                    }
                    self.reconciler.lock().in_effect(newest.number());
                    self.health.in_effect();
                    self.health_checks.follow(self.reconciler.lock().health_checks());
                    self.say_refused_host_ports();
                    self.announcing.services_changed();
                    if let Some(pods) = &self.pods {
                        pods.push.ack(newest);
                    }
                    false
                }
                Ok(false) => false,
                Err(error) => {
                    self.health.failed(error.to_string());
                    tracing::error!(%error, "changes are not in effect; trying again");
                    true
                }
            };
        }
    }

    fn note_host_ports(&self, wanted: HostPorts) {
        self.health.waits();
        let (served, refused) = host_ports::split(wanted.ports, &self.reserved_ports);
        let update = if wanted.are_all { Update::HostPorts } else { Update::SomeHostPorts };
        self.reconciler.lock().note(update(served));
        if let Some(pods) = &self.pods {
            pods.kubelet.refuse_host_ports(&refused);
        }
    }

    fn note_node_port_addresses(&mut self) {
        let addresses = self.node_port_addresses.borrow_and_update().clone();
        tracing::info!(?addresses, "NodePorts are served on other addresses");
        self.health.waits();
        self.reconciler.lock().note_node_port_addresses(addresses);
    }

    fn say_refused_host_ports(&self) {
        if let Some(pods) = &self.pods {
            let refused = host_ports::refused_by_others(self.reconciler.lock().conflicts());
            pods.kubelet.refuse_host_ports(&refused);
        }
    }

    fn outcome(&self, applied: &Result<bool, ApplyError>, newest: Generation) -> Sync {
        match applied {
            Ok(true) => Sync::InEffect {
                generation: newest.number(),
                writes_total: self.reconciler.lock().progress().writes_total,
            },
            Ok(false) => Sync::NotComplete,
            Err(_) => Sync::Failed,
        }
    }

    async fn pass(&mut self, what: What) {
        use sheave_kubelet::Update as ForPods;
        let for_pods = match what {
            What::Nothing => return,
            What::Services(update) => return self.reconciler.lock().note(update),
            What::Node(this) => {
                self.health.leaving(this.leaving);
                return self.reconciler.lock().note(Update::Node(this.node));
            }
            What::NodeGone => return self.health.leaving(true),
            What::Cluster(cluster) => {
                if std::mem::take(&mut self.is_new) {
                    // A node that has worked goes on, whatever has come up beside it since.
                    self.unfit = overlap::refuse(&overlap::of_cluster(&cluster)).err();
                }
                if self.unfit.is_some() {
                    return;
                }
                if let Err(error) = self.join_cluster(&cluster).await {
                    tracing::error!("{error:#}");
                }
                return;
            }
            What::Init => {
                self.reconciler.lock().note(Update::Init);
                ForPods::Init
            }
            What::InitDone => {
                self.reconciler.lock().note(Update::InitDone);
                ForPods::InitDone
            }
            What::Recalled => {
                self.reconciler.lock().note(Update::Recalled);
                ForPods::Recalled
            }
            What::Pods(PodChange::Pod(pod)) => ForPods::Pod(pod),
            What::Pods(PodChange::PodGone(key)) => ForPods::PodGone(key),
            What::Pods(PodChange::ConfigMap(data)) => ForPods::ConfigMap(data),
            What::Pods(PodChange::ConfigMapGone(key)) => ForPods::ConfigMapGone(key),
            What::Pods(PodChange::Secret(data)) => ForPods::Secret(data),
            What::Pods(PodChange::SecretGone(key)) => ForPods::SecretGone(key),
        };
        if let Some(pods) = &self.pods {
            pods.kubelet.update(for_pods).await;
        }
    }

    /// What the server says of the cluster: service addresses, pod addresses, DNS.
    async fn join_cluster(&mut self, cluster: &v1::ClusterConfig) -> Result<()> {
        let ranges = Ranges {
            services: parsed("service", &cluster.service_cidrs)?,
            node_pods: parsed("pod", &cluster.node_pod_cidrs)?,
            cluster_pods: parsed("pod", &cluster.pod_cidrs)?,
        };
        self.pod_network.join(&ranges)?;
        let ports = [cluster.node_port_first, cluster.node_port_last].map(u16::try_from);
        if let [Ok(first @ 1..), Ok(last)] = ports {
            let mut footprint = Footprint::open(self.directories.footprint())?;
            sysctl::reserve_ports(&mut footprint, first..=last)?;
        }
        self.announcing.join(cluster)?;
        if let Err(error) = self.names.join(cluster) {
            tracing::error!("{error:#}");
            let push = self.pods.as_ref().map(|pods| &pods.push);
            push.inspect(|push| {
                push.event(warning("FailedToServeDNS", "dns", format!("{error:#}")))
            });
        }
        if let Some(pods) = &self.pods {
            let servers = names::addresses(cluster);
            let dns = ClusterDns { servers, domain: cluster.cluster_domain.clone() };
            pods.kubelet.update(sheave_kubelet::Update::Cluster(dns)).await;
        }
        if !cluster.node_pod_cidrs.is_empty() {
            let addresses = self.reconciler.lock().machine().addresses.clone();
            let ranges = &cluster.node_pod_cidrs;
            let conflist = cni::conflist(&self.directories, ranges, &addresses, self.pod_mtu);
            cni::write_conflist(&self.directories, &conflist)?;
        }
        Ok(())
    }
}

/// CIDRs as the server says them.
fn parsed(what: &str, cidrs: &[String]) -> Result<Vec<ipnet::IpNet>> {
    let parse = |cidr: &String| {
        cidr.parse().with_context(|| format!("the server's {what} CIDR {cidr:?} is none"))
    };
    cidrs.iter().map(parse).collect()
}

/// To the log, and to the Node, where people see which one does not answer.
fn complain(push: Option<Push>) -> health_checks::Complain {
    Box::new(move |taken| {
        tracing::warn!("{taken}: {}", taken.cause());
        if let Some(push) = &push {
            push.event(warning("FailedToStartServiceHealthcheck", "dataplane", taken.to_string()));
        }
    })
}

/// About this node, for people.
fn warning(reason: &str, component: &str, message: String) -> v1::Event {
    v1::Event {
        kind: "Node".into(),
        warning: true,
        reason: reason.into(),
        message,
        component: component.into(),
        ..v1::Event::default()
    }
}

fn follow_manifests(path: &Path, own_name: &str) -> Result<mpsc::Receiver<Change>> {
    // Refused now when it cannot be read; later the state before stands.
    file::read(path).context("--manifests")?;
    let (states, mut received) = mpsc::channel(1);
    let (changes, receiver) = mpsc::channel(BATCH_MAX);
    tokio::spawn(file::follow(path.to_owned(), states));
    let own_name = own_name.to_owned();
    tokio::spawn(async move {
        while let Some(state) = received.recv().await {
            for update in state {
                let what = match update {
                    Update::Init => What::Init,
                    Update::InitDone => What::InitDone,
                    // Manifests may name all nodes of a cluster, so that they are the same on each.
                    Update::Peer(peer) if peer.name == own_name => continue,
                    other => What::Services(other),
                };
                if changes.send(Change { generation: Generation::default(), what }).await.is_err() {
                    return;
                }
            }
        }
    });
    Ok(receiver)
}
