//! Starts the parts in order, says when the API is ready, and stops them in reverse.
//!
//! The port comes first and the store's lock second: whoever lacks either has changed nothing yet.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use ipnet::IpNet;
use jiff::Timestamp;
use sheave_api::{AddressPool, time};
use sheave_apiserver::pki::{self, NodeIssuer, Pki, PkiConfig};
use sheave_apiserver::{ApiServer, ApiServerConfig, GIT_VERSION, tls};
use sheave_client::{Client, Recorder};
use sheave_join::Introduction;
use sheave_push::v1::ClusterConfig;
use sheave_pushserver::{Caller, PushConfig, PushServer};
use sheave_registry::{Identity, Registry, RegistryConfig};
use sheave_store::{EmbeddedStore, Store};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::addresses;
use crate::config::Config;
use crate::membership::{self, Authority, PushMembership};
use crate::node_tunnels::{PushProgress, PushTunnels};
use crate::renewal;

/// Runs until SIGTERM or SIGINT. `started` is when the process began.
pub(crate) fn run(config: &Config, started: Instant) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(serve(config, started))
}

async fn serve(config: &Config, started: Instant) -> anyhow::Result<()> {
    let mut stop = StopSignals::watch()?;
    let service_address = config.service_address()?;
    let listener = listen(config.bind).await?;
    let bound = listener.local_addr().context("cannot read the listening address")?;
    let interfaces = addresses::of_interfaces(&config.pod_cidr)?;
    let advertised =
        config.advertise_address.unwrap_or_else(|| addresses::towards_others(&interfaces));
    let store = open_store(&config.data_dir)?;
    let pki_config = pki_config(config, bound, advertised, interfaces, service_address)?;
    let pki = pki::ensure(&pki_config, SystemTime::now())?;
    let registry = Registry::open(registry_config(config), Arc::clone(&store))
        .await
        .context("cannot load the objects")?;
    let client: Arc<dyn Client> = Arc::<Registry>::clone(&registry);
    let recorder = Recorder::start(Arc::clone(&client), now_s);
    let push = PushServer::start(Arc::clone(&client), recorder.clone(), push_config(config, &pki));
    push.admit_nodes(
        pki_config.node_name.clone(),
        Arc::new(Authority(NodeIssuer::new(&pki_config))),
    );
    let server = Arc::new(ApiServer::new(ApiServerConfig {
        registry: Arc::clone(&registry),
        tunnels: Arc::new(PushTunnels(push.clone())),
        progress: Arc::new(PushProgress(push.clone())),
        grpc: Some(tonic::service::Routes::new(push.service(node_that_calls)).into_axum_router()),
        membership: Some(Arc::new(PushMembership(push.clone()))),
        introduction: introduction(config, &pki),
        advertised_address: SocketAddr::new(advertised, bound.port()).to_string(),
    }));
    let certificate = Arc::new(tls::ServerCertificate::new(&pki.server)?);
    let tls = tls::server_config(Arc::clone(&certificate), &pki.ca)?;
    let shutdown = CancellationToken::new();
    let mut serving = tokio::spawn(server.serve(listener, tls, shutdown.clone()));
    println!(
        "API server ready at {} in {} ms",
        pki_config.server_url,
        started.elapsed().as_millis()
    );

    let pool = config.load_balancer_pool.iter().copied().collect();
    let timeout = config.endpoint_acknowledgement_timeout;
    let mut background = start_background(&client, &recorder, pool, timeout);
    background.spawn(renewal::run(pki_config, certificate));
    publish_api_service(client.as_ref(), service_address, advertised, bound.port()).await;
    publish_dns_service(client.as_ref(), &config.dns_service_addresses()).await;
    tokio::select! {
        () = stop.received() => tracing::info!("stopping: requests in progress may end"),
        ended = &mut serving => bail!("the API server ended by itself: {ended:?}"),
        // Whoever watches over this process starts it anew, and with it the part that is missing.
        ended = background.join_next() => bail!("a part of the control plane ended by itself: {ended:?}"),
    }
    shutdown.cancel();
    serving.await.context("the API server ended badly")?;
    drop(background);
    store.close().await.context("cannot close the store")
}

async fn listen(bind: SocketAddr) -> anyhow::Result<TcpListener> {
    let port = bind.port();
    match TcpListener::bind(bind).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => bail!(
            "port {port} is taken: another program listens on it (`ss -ltnp 'sport = :{port}'` names \
             it); stop it, or choose another port with --bind"
        ),
        Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable => {
            bail!(
                "cannot listen on {bind}: this machine has no address {}; correct --bind",
                bind.ip()
            )
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => bail!(
            "cannot listen on port {port}: it takes root; run as root, or choose a port above 1023 \
             with --bind"
        ),
        Err(error) => Err(error).with_context(|| format!("cannot listen on {bind}")),
    }
}

fn open_store(data_dir: &Path) -> anyhow::Result<Arc<dyn Store>> {
    use std::os::unix::fs::DirBuilderExt;
    let dir = data_dir.join("server");
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .with_context(|| format!("cannot create {}", dir.display()))?;
    Ok(Arc::new(EmbeddedStore::open(&dir.join("state.redb"))?))
}

fn pki_config(
    config: &Config,
    bound: SocketAddr,
    advertised: IpAddr,
    interfaces: Vec<IpAddr>,
    service_address: IpAddr,
) -> anyhow::Result<PkiConfig> {
    let hostname = addresses::hostname()?;
    // The kubeconfig is for this machine: loopback works whatever becomes of its addresses.
    let local = match bound.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(_) => IpAddr::from(std::net::Ipv6Addr::LOCALHOST),
    };
    let mut addresses = interfaces;
    addresses.extend([advertised, local]);
    Ok(PkiConfig {
        data_dir: config.data_dir.clone(),
        node_name: config.node_name.clone().unwrap_or_else(|| hostname.clone()),
        hostname,
        addresses,
        service_address,
        server_url: format!("https://{}", SocketAddr::new(local, bound.port())),
        certificate_lifetime: config.certificate_lifetime,
    })
}

fn registry_config(config: &Config) -> RegistryConfig {
    RegistryConfig {
        service_cidrs: config.service_cidr.clone(),
        node_ports: config.node_port_range.clone(),
        load_balancer_pool: config.load_balancer_pool.iter().copied().collect(),
        external_ip_pool: config.external_ip_pool.iter().copied().map(Into::into).collect(),
    }
}

fn introduction(config: &Config, pki: &Pki) -> Introduction {
    let of = |flag: &'static str, ranges: &[IpNet]| -> Vec<String> {
        ranges.iter().map(|range| format!("{flag}={range}")).collect()
    };
    Introduction {
        certificate_authority: pki.ca.clone(),
        server_version: GIT_VERSION.to_owned(),
        ranges: [of("pod-cidr", &config.pod_cidr), of("service-cidr", &config.service_cidr)]
            .concat(),
        standing: None,
    }
}

fn push_config(config: &Config, pki: &Pki) -> PushConfig {
    PushConfig {
        cluster: ClusterConfig {
            service_cidrs: config.service_cidr.iter().map(ToString::to_string).collect(),
            pod_cidrs: config.pod_cidr.iter().map(ToString::to_string).collect(),
            node_pod_cidrs: Vec::new(),
            cluster_domain: config.cluster_domain.clone(),
            dns_addresses: config.dns_addresses().iter().map(ToString::to_string).collect(),
            node_port_first: u32::from(*config.node_port_range.start()),
            node_port_last: u32::from(*config.node_port_range.end()),
            load_balancer_ranges: config
                .load_balancer_pool
                .iter()
                .map(ToString::to_string)
                .collect(),
            node_secret: pki.node_secret.bytes().to_vec().into(),
        },
        acknowledgement_timeout: config.endpoint_acknowledgement_timeout,
        node_prefix_len: config.node_cidr_prefix,
        node_prefix_len_ipv6: config.node_cidr_prefix_ipv6,
        server_version: GIT_VERSION.to_owned(),
        now: || time::micros(Timestamp::now()),
        now_s,
    }
}

fn start_background(
    client: &Arc<dyn Client>,
    recorder: &Recorder,
    load_balancer_pool: AddressPool,
    acknowledgement_timeout: Duration,
) -> JoinSet<()> {
    let mut background = sheave_controllers::start(&sheave_controllers::Context {
        client: Arc::clone(client),
        recorder: recorder.clone(),
        now: Timestamp::now,
        load_balancer_pool,
        acknowledgement_timeout,
    });
    background.spawn(sheave_scheduler::run(Arc::clone(client), recorder.clone(), now_s));
    background
}

/// How pods find the API. The cluster works without it, so a failure is no reason to stop.
async fn publish_api_service(client: &dyn Client, service: IpAddr, server: IpAddr, port: u16) {
    let published = sheave_controllers::api_service::ensure(client, service, server, port).await;
    if let Err(status) = published {
        tracing::warn!(%status, "the Service \"kubernetes\" could not be published");
    }
}

/// How pods find names.
async fn publish_dns_service(client: &dyn Client, addresses: &[IpAddr]) {
    if let Err(status) = sheave_controllers::dns_service::ensure(client, addresses).await {
        tracing::warn!(%status, "the Service \"kube-dns\" could not be published");
    }
}

/// SIGTERM and SIGINT, watched from the first moment, so that neither kills a server that is half started.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn watch() -> anyhow::Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
        Ok(Self { terminate, interrupt })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The node that calls: the API server put the identity of the certificate into the request.
fn node_that_calls(extensions: &tonic::Extensions) -> Option<Caller> {
    membership::caller(extensions.get::<Identity>()?)
}

fn now_s() -> String {
    time::seconds(Timestamp::now())
}
