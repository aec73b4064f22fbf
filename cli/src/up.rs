//! `sheave up`: a whole cluster on this machine, in the foreground.
//!
//! It starts the control plane and the agent and keeps both running. When it ends, they end; pods and
//! dataplane go on, and the next `sheave up` finds them.

use std::cell::Cell;
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ipnet::IpNet;
use nix::fcntl::{Flock, FlockArg};
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};

use crate::api::Api;
use crate::children::{self, Daemon};
use crate::directories::{Cgroups, Directories};
use crate::keeper;
use crate::kubeconfig;
use crate::program;

/// How often a daemon that starts is asked whether it is ready.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
const API_READY_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    directories: Directories,
    /// Port of the API server.
    #[arg(long, default_value_t = 6443)]
    api_port: u16,
    /// Name of this machine's node [default: the host name].
    #[arg(long, value_name = "NAME")]
    node_name: Option<String>,
    /// Address of this machine that nodes and clients use, at most one a family, the API server's first
    /// [default: the one of the default route].
    #[arg(long, value_name = "ADDRESS")]
    node_ip: Vec<IpAddr>,
    /// Interface that leads outside; may be given several times [default: the one of the default route].
    #[arg(long, value_name = "INTERFACE")]
    uplink: Vec<String>,
    /// Serve NodePorts on these addresses of this machine: CIDRs, or `primary` for the node's own; may be
    /// given several times [default: primary].
    #[arg(long, value_name = "CIDR")]
    node_port_addresses: Vec<String>,
    /// Let clients outside reach cluster IPs through this node's uplinks: whoever can send packets for the
    /// service range here reaches every Service.
    #[arg(long)]
    external_cluster_ip: bool,
    /// Whether clients outside are also served in the uplinks' drivers: auto, native or off [default: auto].
    #[arg(long, value_name = "MODE")]
    xdp: Option<String>,
    /// Addresses that Services get; for dual stack one range of each family [default: 10.96.0.0/16].
    #[arg(long, value_name = "CIDR[,CIDR]", value_delimiter = ',')]
    service_cidr: Vec<IpNet>,
    /// Addresses that pods get; for dual stack one range of each family [default: 10.244.0.0/16].
    #[arg(long, value_name = "CIDR[,CIDR]", value_delimiter = ',')]
    pod_cidr: Vec<IpNet>,
    /// Addresses of the cluster's DNS [default: the tenth of each service range].
    #[arg(long, value_name = "ADDRESS[,ADDRESS]", value_delimiter = ',')]
    cluster_dns: Vec<IpAddr>,
    /// Domain of the cluster's names [default: cluster.local].
    #[arg(long, value_name = "DOMAIN")]
    cluster_domain: Option<String>,
    /// Port at which DNS is served on the node's addresses; 0: not at all [default: 10053].
    #[arg(long, value_name = "PORT")]
    dns_port: Option<u16>,
    /// Port of /healthz, /livez and /metrics on the node's addresses and 127.0.0.1 [default: 10256].
    #[arg(long, value_name = "PORT")]
    health_port: Option<u16>,
    /// Who answers for a domain that the machine's resolvers do not know, like corp.example=192.0.2.53; may be
    /// given several times.
    #[arg(long, value_name = "DOMAIN=ADDRESS[:PORT]")]
    dns_stub_domain: Vec<String>,
    /// Image archives that are imported when missing [default: DATA_DIR/agent/images].
    #[arg(long, value_name = "DIR")]
    image_dir: Option<PathBuf>,
    /// Use this container runtime instead of a containerd of our own.
    #[arg(long, value_name = "SOCKET")]
    cri_endpoint: Option<PathBuf>,
    #[command(flatten)]
    cgroups: Cgroups,
}

pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    program::require_root("running a cluster")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(supervise(arguments))
}

async fn supervise(arguments: Arguments) -> Result<ExitCode> {
    let started = Instant::now();
    let mut stopping = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
    let directories = &arguments.directories;
    let node_name = arguments.node_name.clone().map_or_else(host_name, Ok)?;
    let server = server_daemon(&arguments, &node_name)?;
    let agent = agent_daemon(&arguments, &node_name)?;
    // Nothing is made before all of this is settled.
    let claimed = directories.pid_file().exists().then(|| claim(directories)).transpose()?;
    refuse_taken_port(arguments.api_port)?;
    refuse_what_agent_refuses(&agent)?;
    prepare(directories)?;
    let _alone = claimed.map_or_else(|| claim(directories), Ok)?;
    keeper::start(&directories.keeper_socket())?;

    let mut server_child = server.start()?;
    let api = match api_ready(directories, &server, &mut server_child).await {
        Ok(api) => api,
        Err(error) => {
            children::stop(server.name, &mut server_child).await;
            return Err(error);
        }
    };
    println!("API server ready after {} ms", started.elapsed().as_millis());
    let mut agent_child = agent.start()?;

    let is_ready = Cell::new(false);
    let outcome = tokio::select! {
        result = server.keep(&mut server_child) => result,
        result = keep_agent(&agent, &mut agent_child, &is_ready) => result,
        result = announce_node(&api, &node_name, started, &is_ready) => result,
        _ = stopping.recv() => Ok(()),
        _ = interrupted.recv() => Ok(()),
    };
    children::stop(agent.name, &mut agent_child).await;
    children::stop(server.name, &mut server_child).await;
    outcome.map(|()| ExitCode::SUCCESS)
}

fn host_name() -> Result<String> {
    let name = nix::unistd::gethostname().context("this machine has no host name")?;
    let name = name.into_string().ok().context("the host name is not UTF-8: use --node-name")?;
    Ok(name.to_lowercase())
}

fn refuse_taken_port(port: u16) -> Result<()> {
    match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
            "port {port} is taken: another program listens on it (`ss -ltnp 'sport = :{port}'` names \
             it); stop it, or choose another port with --api-port"
        ),
        // Whatever else is wrong, the server says.
        _ => Ok(()),
    }
}

/// The agent looks at the machine before anything is made on it.
fn refuse_what_agent_refuses(agent: &Daemon) -> Result<()> {
    let output = std::process::Command::new(&agent.program)
        .arg("--check")
        .args(&agent.arguments)
        .env("SHEAVE_LOG", "error")
        .output()
        .with_context(|| format!("cannot run {}", agent.program.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}", said.trim().trim_start_matches("sheave-agent: "));
    }
    Ok(())
}

fn prepare(directories: &Directories) -> Result<()> {
    let log = directories.log("server");
    let log_dir = log.parent().unwrap_or(&directories.data_dir);
    for dir in [&directories.data_dir, &directories.run_dir, log_dir] {
        std::fs::create_dir_all(dir).with_context(|| {
            format!(
                "cannot make {}: choose other places with --data-dir and --run-dir",
                dir.display()
            )
        })?;
    }
    Ok(())
}

/// Makes sure that no other `sheave up` works with these directories, for as long as the lock lives.
fn claim(directories: &Directories) -> Result<Flock<File>> {
    let path = directories.pid_file();
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => lock,
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => bail!(
            "a cluster already runs with {}: end that `sheave up` first, or choose another --run-dir \
             and --data-dir",
            directories.run_dir.display()
        ),
        Err((_, errno)) => {
            return Err(errno).with_context(|| format!("cannot lock {}", path.display()));
        }
    };
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())?;
    Ok(lock)
}

fn server_daemon(arguments: &Arguments, node_name: &str) -> Result<Daemon> {
    Ok(Daemon {
        name: "server",
        program: program::sibling("sheave-server")?,
        arguments: server_words(arguments, node_name),
        log: arguments.directories.log("server"),
    })
}

fn server_words(arguments: &Arguments, node_name: &str) -> Vec<OsString> {
    let directories = &arguments.directories;
    let mut words = flags([
        ("--data-dir", directories.data_dir.clone().into()),
        ("--bind", format!("0.0.0.0:{}", arguments.api_port).into()),
        ("--node-name", node_name.into()),
    ]);
    if let Some(address) = arguments.node_ip.first() {
        words.extend(["--advertise-address".into(), address.to_string().into()]);
    }
    words.extend(given([
        ("--service-cidr", joined(&arguments.service_cidr)),
        ("--pod-cidr", joined(&arguments.pod_cidr)),
        ("--cluster-dns", joined(&arguments.cluster_dns)),
        ("--cluster-domain", arguments.cluster_domain.clone()),
    ]));
    words
}

fn agent_daemon(arguments: &Arguments, node_name: &str) -> Result<Daemon> {
    Ok(Daemon {
        name: "agent",
        program: program::sibling("sheave-agent")?,
        arguments: agent_words(arguments, node_name),
        log: arguments.directories.log("agent"),
    })
}

fn agent_words(arguments: &Arguments, node_name: &str) -> Vec<OsString> {
    let directories = &arguments.directories;
    let server = format!("https://127.0.0.1:{}", arguments.api_port);
    let mut words = flags([
        ("--data-dir", directories.agent_data_dir().into()),
        ("--run-dir", directories.run_dir.clone().into()),
        ("--bpffs-dir", directories.bpffs_dir.clone().into()),
        ("--server", server.into()),
        ("--node-name", node_name.into()),
    ]);
    for address in &arguments.node_ip {
        words.extend(["--node-ip".into(), address.to_string().into()]);
    }
    for uplink in &arguments.uplink {
        words.extend(["--uplink".into(), uplink.into()]);
    }
    for addresses in &arguments.node_port_addresses {
        words.extend(["--node-port-addresses".into(), addresses.into()]);
    }
    if arguments.external_cluster_ip {
        words.push("--external-cluster-ip".into());
    }
    words.extend(given([
        ("--xdp", arguments.xdp.clone()),
        ("--dns-port", arguments.dns_port.map(|port| port.to_string())),
        ("--health-port", arguments.health_port.map(|port| port.to_string())),
    ]));
    for domain in &arguments.dns_stub_domain {
        words.extend(["--dns-stub-domain".into(), domain.into()]);
    }
    if let Some(dir) = &arguments.image_dir {
        words.extend(["--image-dir".into(), dir.into()]);
    }
    if let Some(socket) = &arguments.cri_endpoint {
        words.extend(["--cri-endpoint".into(), socket.into()]);
    }
    words.extend(arguments.cgroups.words());
    words
}

fn flags<const N: usize>(flags: [(&str, OsString); N]) -> Vec<OsString> {
    flags.into_iter().flat_map(|(name, value)| [name.into(), value]).collect()
}

/// Those that have a value; others have the daemon's default.
fn given<const N: usize>(flags: [(&str, Option<String>); N]) -> Vec<OsString> {
    let given = flags.into_iter().filter_map(|(name, value)| Some([name.into(), value?.into()]));
    given.flatten().collect()
}

/// As one value; none of none.
fn joined(values: &[impl ToString]) -> Option<String> {
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(","))
}

/// Waits until the API server answers; gives up at once when its process ends, with its own last words.
async fn api_ready(directories: &Directories, server: &Daemon, child: &mut Child) -> Result<Api> {
    let deadline = Instant::now() + API_READY_TIMEOUT;
    loop {
        if let Some(status) = child.try_wait()? {
            bail!("{}", last_words(server, status));
        }
        // Until the server has made its certificates there is no kubeconfig, and that is no error yet.
        if let Ok(access) = kubeconfig::read(&directories.admin_kubeconfig()) {
            let api = Api::new(&access)?;
            if api.get_text("/readyz").await.is_ok_and(|(status, _)| status.is_success()) {
                return Ok(api);
            }
        }
        if Instant::now() > deadline {
            bail!(
                "the API server is not ready after {} s; see {}",
                API_READY_TIMEOUT.as_secs(),
                server.log.display()
            );
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Keeps the agent running, unless it refuses this machine at its first start: then so do we, and say what
/// it said.
async fn keep_agent(agent: &Daemon, child: &mut Child, is_ready: &Cell<bool>) -> Result<()> {
    let status = child.wait().await.context("lost sight of the agent")?;
    // An exit is a refusal; a signal is an accident, after which it is started again.
    if !is_ready.get() && status.code().is_some() {
        bail!("{}", last_words(agent, status));
    }
    agent.keep(child).await
}

/// Why a daemon did not start, in its own words: the last line of its log.
fn last_words(daemon: &Daemon, status: ExitStatus) -> String {
    let text = std::fs::read_to_string(&daemon.log).unwrap_or_default();
    let last = text.lines().last().unwrap_or_default();
    let prefix = format!("sheave-{}: ", daemon.name);
    match last.strip_prefix(&prefix) {
        Some(sentence) => sentence.to_owned(),
        None => format!("the {} ended ({status}); see {}", daemon.name, daemon.log.display()),
    }
}

/// Says once that the node is Ready, then waits for ever.
async fn announce_node(
    api: &Api,
    node_name: &str,
    started: Instant,
    is_ready: &Cell<bool>,
) -> Result<()> {
    let path = format!("/api/v1/nodes/{node_name}");
    loop {
        if let Ok(node) = api.get(&path).await {
            let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
            if conditions.into_iter().any(|c| c["type"] == "Ready" && c["status"] == "True") {
                is_ready.set(true);
                println!("Node {node_name} Ready after {} ms", started.elapsed().as_millis());
                return std::future::pending().await;
            }
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Up {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn what_is_given_reaches_the_daemon_that_it_is_for() {
        let words = "up --service-cidr 10.96.0.0/16,fd00:96::/112 --pod-cidr 10.1.0.0/16 \
                     --cluster-dns 10.96.0.3 --cluster-domain corp.example --dns-port 53 --health-port 9 \
                     --xdp off --node-ip 192.0.2.1 --node-ip 2001:db8::1";
        let Up { arguments } = Up::parse_from(words.split_whitespace());
        let joined = |words: Vec<OsString>| words.join(OsStr::new(" ")).into_string().unwrap();
        let server = joined(server_words(&arguments, "n"));
        for flags in [
            "--service-cidr 10.96.0.0/16,fd00:96::/112 --pod-cidr 10.1.0.0/16 --cluster-dns 10.96.0.3 \
             --cluster-domain corp.example",
            "--advertise-address 192.0.2.1 ",
        ] {
            assert!(server.contains(flags), "{server}");
        }
        let agent = joined(agent_words(&arguments, "n"));
        for flags in
            ["--node-ip 192.0.2.1 --node-ip 2001:db8::1", "--xdp off --dns-port 53 --health-port 9"]
        {
            assert!(agent.contains(flags), "{agent}");
        }
        let Up { arguments } = Up::parse_from(["up"]);
        assert!(
            !joined(agent_words(&arguments, "n")).contains("--dns-port"),
            "the agent's default"
        );
    }
}
