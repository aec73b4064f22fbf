//! The start of the agent: what is checked and made, in this order, so that a refusal leaves nothing half
//! done. What happens from then on is the agent's.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use parking_lot::Mutex;
use sheave_core::model::Node;
use sheave_dataplane::{Dataplane, DataplaneConfig, ProgramsRunning};

use crate::agent::Agent;
use crate::config::RunArguments;
use crate::footprint::Footprint;
use crate::health::{self, Health};
use crate::lock::Lock;
use crate::machine::Machine;
use crate::metrics::Metrics;
use crate::network::NAT_PORTS;
use crate::reconcile::Reconciler;
use crate::refusal::refuse_what_cannot_work;
use crate::{cni, control, memory, names, node_ports, overlap, sysctl};

/// Runs until it is told to end. Pods, runtime and dataplane go on.
pub(crate) fn run(arguments: RunArguments) -> Result<()> {
    let started = Instant::now();
    let machine = refuse_what_cannot_work(&arguments)?;
    if arguments.check {
        overlap::refuse(&arguments.check_range)?;
        health_listeners(&machine, arguments.health_port)?;
        return names::refuse_taken_port(&arguments, &machine.addresses);
    }
    let directories = &arguments.directories;
    let lock = Lock::take(&directories.lock())?;
    let health_listeners = match health_listeners(&machine, arguments.health_port) {
        Ok(listeners) => listeners,
        Err(error) => {
            lock.take_back();
            return Err(error);
        }
    };
    let control = control_listener(&directories.control_socket())?;
    // A file first: a disk that fills up now leaves no program attached.
    if arguments.manifests.is_none() {
        cni::install_plugin(directories)?;
    }
    let bpffs_dir = &directories.bpffs_dir;
    let metrics = Metrics::new(bpffs_dir.clone(), sheave_dataplane::is_installed(bpffs_dir));
    let dataplane = open_dataplane(&arguments, &machine)?;
    let node = Node {
        name: machine.name.clone(),
        zone: String::new(),
        node_port_addresses: node_ports::served(
            &arguments.node_port_addresses,
            &machine.addresses,
        )?,
        external_cluster_ips: arguments.external_cluster_ip,
    };
    let reconciler = Reconciler::new(dataplane, machine, node).context("cannot read the maps")?;
    let reconciler = Arc::new(Mutex::new(reconciler));

    // The kernel's types were read, and are needed no more.
    memory::give_back();

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the agent's threads")?;
    let ended = runtime.block_on(async {
        let health = Health::new();
        health::serve(health_listeners, Arc::clone(&health), &metrics);
        let agent = Agent::start(&arguments, reconciler, metrics, health).await?;
        control::serve(control, agent.answers(&arguments.directories.bpffs_dir))?;
        tracing::info!(after_ms = started.elapsed().as_millis(), "agent started");
        agent.live().await
    });
    // Nothing that still waits somewhere may hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(500));
    let _ = std::fs::remove_file(directories.control_socket());
    ended
}

fn health_listeners(machine: &Machine, port: u16) -> Result<Vec<TcpListener>> {
    let loopback = std::net::IpAddr::from([127, 0, 0, 1]);
    let others = machine.addresses.iter().copied().filter(|address| *address != loopback);
    let bind = |address| {
        let at = SocketAddr::new(address, port);
        let listener = TcpListener::bind(at).with_context(|| {
            format!(
                "cannot listen on {at} for health checks (`ss -ltnp 'sport = :{port}'` names who does); \
                 stop it, or choose another port with --health-port"
            )
        })?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    [loopback].into_iter().chain(others).map(bind).collect()
}

fn control_listener(path: &Path) -> Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    // We hold the lock: whoever made it is gone.
    let _ = std::fs::remove_file(path);
    let listen = || {
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok::<_, std::io::Error>(listener)
    };
    listen().with_context(|| format!("cannot listen on {}", path.display()))
}

fn open_dataplane(arguments: &RunArguments, machine: &Machine) -> Result<Dataplane> {
    let directories = &arguments.directories;
    let config = DataplaneConfig {
        bpffs_dir: directories.bpffs_dir.clone(),
        uplinks: machine.uplinks.clone(),
        cgroup2_path: arguments.cgroup2_path.clone(),
        program_order: arguments.program_order.into(),
        xdp: arguments.xdp.into(),
        ..DataplaneConfig::default()
    };
    let dataplane = Dataplane::open(&config).context("cannot set up the dataplane")?;
    let mut footprint = Footprint::open(directories.footprint())?;
    let with_v6 = machine.addresses.iter().any(std::net::IpAddr::is_ipv6);
    sysctl::enable_forwarding(&mut footprint, with_v6)?;
    sysctl::reserve_ports(&mut footprint, NAT_PORTS)?;
    for (uplink, served) in dataplane.served() {
        match served {
            Ok(()) => tracing::info!(uplink, "clients outside are also served in the driver (XDP)"),
            Err(why) => tracing::info!(uplink, %why, "clients outside are served by tc"),
        }
    }
    if let ProgramsRunning::Before(error) = dataplane.running() {
        tracing::error!(%error, "this version's programs do not load; those of the version before go on");
    }
    Ok(dataplane)
}
