//! Flags and environment, and the places that follow from them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use sheave_core::pod_network::Mode;
use sheave_dataplane::{ProgramOrder, XdpMode};

use crate::node_ports::Named;

/// The agent of one node: pods, Services, and their state.
#[derive(Debug, Parser)]
#[command(name = "sheave-agent", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Remove everything that the agent has ever made on this node.
    Cleanup(CleanupArguments),
    /// Say what this machine offers and lacks; exits with 1 when something needed is missing.
    Doctor(DoctorArguments),
    /// Answer one question of `sheave` from the pinned maps alone, in JSON; for when no agent runs.
    Inspect(InspectArguments),
}

/// Directories of one agent; two agents never share one.
#[derive(Clone, Debug, Args)]
pub(crate) struct Directories {
    /// State that outlives a reboot: certificates, volumes, images, logs.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/lib/sheave/agent",
        env = "SHEAVE_AGENT_DATA_DIR"
    )]
    pub(crate) data_dir: PathBuf,
    /// Sockets and pid files.
    #[arg(long, value_name = "DIR", default_value = "/run/sheave", env = "SHEAVE_RUN_DIR")]
    pub(crate) run_dir: PathBuf,
    /// Pinned programs, maps and links.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/sys/fs/bpf/sheave",
        env = "SHEAVE_BPFFS_DIR"
    )]
    pub(crate) bpffs_dir: PathBuf,
    /// The pods' cgroups are below this one.
    #[arg(long, value_name = "CGROUP", default_value = "/sheave", env = "SHEAVE_CGROUP_ROOT")]
    pub(crate) cgroup_root: String,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) directories: Directories,
    /// Only say whether the agent could start on this machine; nothing is made.
    #[arg(long)]
    pub(crate) check: bool,
    /// With --check: addresses that the cluster has, and the server's flag that chooses them, like
    /// pod-cidr=10.244.0.0/16; they must be nobody else's on this machine.
    #[arg(
        long,
        value_name = "FLAG=CIDR",
        requires = "check",
        value_parser = crate::overlap::parse_range,
        hide = true
    )]
    pub(crate) check_range: Vec<crate::overlap::ClusterRange>,
    /// The control plane.
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://127.0.0.1:6443",
        env = "SHEAVE_SERVER"
    )]
    pub(crate) server: String,
    /// Serve the Services of these manifests, a file or a directory, and nothing else: no control plane,
    /// no pods.
    #[arg(long, value_name = "PATH")]
    pub(crate) manifests: Option<PathBuf>,
    /// Service addresses, with --manifests.
    #[arg(long, value_name = "CIDR", default_value = "10.96.0.0/16", requires = "manifests")]
    pub(crate) service_cidr: Vec<ipnet::IpNet>,
    /// Addresses of this node's pods, with --manifests, at most one range a family: what none of them has
    /// is refused.
    #[arg(long, value_name = "CIDR", requires = "manifests")]
    pub(crate) pod_cidr: Vec<ipnet::IpNet>,
    /// Addresses of all pods, with --manifests, at most one range a family: what this node's pods send
    /// elsewhere leaves with the node's address.
    #[arg(long, value_name = "CIDR", requires = "manifests")]
    pub(crate) cluster_pod_cidr: Vec<ipnet::IpNet>,
    /// Announce addresses of LoadBalancer Services that are in this CIDR or range, like
    /// 192.0.2.10-192.0.2.20; may be given several times [default: the server's pool].
    #[arg(long, value_name = "RANGE", value_delimiter = ',')]
    pub(crate) load_balancer_pool: Vec<sheave_announce::AddressRange>,
    /// Secret by which nodes that announce addresses know each other, the same on all of them
    /// [default: the server's].
    #[arg(long, value_name = "FILE")]
    pub(crate) announce_key_file: Option<PathBuf>,
    /// Name of this node [default: the host name].
    #[arg(long, value_name = "NAME", env = "SHEAVE_NODE_NAME")]
    pub(crate) node_name: Option<String>,
    /// Address of this node, at most one a family [default: the one of the default route].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) node_ip: Vec<IpAddr>,
    /// Interface that leads outside; may be given several times [default: the one with the node's
    /// address].
    #[arg(long, value_name = "INTERFACE")]
    pub(crate) uplink: Vec<String>,
    /// Serve NodePorts on these addresses of this machine: CIDRs, or `primary` for the node's own; may be
    /// given several times. Addresses that come and go are followed.
    #[arg(long, value_name = "CIDR", value_delimiter = ',', default_value = "primary")]
    pub(crate) node_port_addresses: Vec<Named>,
    /// Let clients outside reach cluster IPs through this node's uplinks: whoever can send packets for the
    /// service range here reaches every Service.
    #[arg(long)]
    pub(crate) external_cluster_ip: bool,
    /// Where our programs stand at an uplink among those that other software attaches there by tcx links.
    #[arg(long, value_name = "PLACE", value_enum, default_value_t = Place::Last)]
    pub(crate) program_order: Place,
    /// Whether clients outside are also served in the uplinks' drivers.
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Xdp::Auto)]
    pub(crate) xdp: Xdp,
    /// How pods of other nodes are reached.
    #[arg(long, value_name = "HOW", value_enum, default_value_t = PodNetwork::Auto)]
    pub(crate) pod_network: PodNetwork,
    /// UDP port of packets between nodes that share no link, the same on all of them.
    #[arg(long, value_name = "PORT", default_value_t = sheave_abi::tunnel::PORT,
        value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) vxlan_port: u16,
    /// Whose address a pod of another node sees as its client's, when that is outside of the cluster.
    #[arg(long, value_name = "WHOSE", value_enum, default_value_t = ClientAddress::Auto)]
    pub(crate) client_address: ClientAddress,
    /// cgroup v2 directory whose processes reach Services by their sockets [default: the root, so that
    /// all of this machine's do].
    #[arg(long, value_name = "DIR")]
    pub(crate) cgroup2_path: Option<PathBuf>,
    /// Image archives that are imported when missing [default: DATA_DIR/images].
    #[arg(long, value_name = "DIR")]
    pub(crate) image_dir: Option<PathBuf>,
    /// Use this container runtime instead of a containerd of our own.
    #[arg(long, value_name = "SOCKET")]
    pub(crate) cri_endpoint: Option<PathBuf>,
    /// MTU of what pods send to other machines; 0: the uplink's.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub(crate) pod_mtu: u32,
    /// Port of /healthz and /livez, on the node's addresses and 127.0.0.1.
    #[arg(long, value_name = "PORT", default_value_t = 10256)]
    pub(crate) health_port: u16,
    /// Port at which the cluster's DNS is served on the node's addresses, to the node and its pods alone,
    /// who ask port 53 of the Service kube-dns; 0: not at all.
    #[arg(long, value_name = "PORT", default_value_t = 10053)]
    pub(crate) dns_port: u16,
    /// Who answers for a domain that the machine's resolvers do not know, like corp.example=192.0.2.53; may be
    /// given several times.
    #[arg(long, value_name = "DOMAIN=ADDRESS[:PORT]", value_parser = crate::names::parse_stub_domain)]
    pub(crate) dns_stub_domain: Vec<crate::names::StubDomain>,
    /// Label of the node, written when it registers first; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_label)]
    pub(crate) node_label: Vec<(String, String)>,
}

/// See [`RunArguments::program_order`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Place {
    /// Others see only what ours leave to the stack.
    First,
    /// Others see everything, and may take packets away from ours.
    Last,
}

impl From<Place> for ProgramOrder {
    fn from(place: Place) -> Self {
        match place {
            Place::First => Self::First,
            Place::Last => Self::Last,
        }
    }
}

/// See [`RunArguments::pod_network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PodNetwork {
    /// By routes where the nodes share a link, elsewhere through a tunnel (VXLAN).
    Auto,
    /// By routes where the nodes share a link; elsewhere the network between them knows the way to pods.
    Native,
    /// Through a tunnel.
    Vxlan,
}

impl From<PodNetwork> for Mode {
    fn from(how: PodNetwork) -> Self {
        match how {
            PodNetwork::Auto => Self::Auto,
            PodNetwork::Native => Self::Native,
            PodNetwork::Vxlan => Self::Vxlan,
        }
    }
}

/// See [`RunArguments::client_address`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ClientAddress {
    /// The client's own, unless `--pod-network native` says that there need be no tunnel between the nodes.
    Auto,
    /// The client's own: what it sends is carried through the tunnel as it came.
    Keep,
    /// That of the node where it came in.
    Masquerade,
}

/// See [`RunArguments::xdp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Xdp {
    /// Where the driver has XDP, and pods of this node lose nothing by it.
    Auto,
    /// Where the driver has it.
    Native,
    /// Nowhere.
    Off,
}

impl From<Xdp> for XdpMode {
    fn from(xdp: Xdp) -> Self {
        match xdp {
            Xdp::Auto => Self::Auto,
            Xdp::Native => Self::Native,
            Xdp::Off => Self::Off,
        }
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CleanupArguments {
    #[command(flatten)]
    pub(crate) directories: Directories,
    /// Only list what would be removed.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct InspectArguments {
    /// Where programs and maps are pinned.
    #[arg(long, value_name = "DIR", default_value = "/sys/fs/bpf/sheave")]
    pub(crate) bpffs_dir: PathBuf,
    /// Go on, with a line of JSON for each thing that happens, until nobody reads them.
    #[arg(long)]
    pub(crate) follow: bool,
    /// As it would be put to the agent's socket, such as /backends?service=web.
    pub(crate) question: String,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Where programs and maps are pinned.
    #[arg(long, value_name = "DIR", default_value = "/sys/fs/bpf/sheave")]
    pub(crate) bpffs_dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    if key.is_empty() {
        return Err("the key must not be empty".into());
    }
    Ok((key.into(), value.into()))
}

impl Directories {
    /// Certificates of this node, put there by `sheave join` or by a server on this machine.
    pub(crate) fn pki(&self) -> PathBuf {
        self.data_dir.join("pki")
    }

    /// CNI plugins.
    pub(crate) fn cni_bin(&self) -> PathBuf {
        self.data_dir.join("cni/bin")
    }

    /// CNI configuration.
    pub(crate) fn cni_conf(&self) -> PathBuf {
        self.data_dir.join("cni/net.d")
    }

    /// Addresses that the CNI plugin has given to pods.
    pub(crate) fn cni_addresses(&self) -> PathBuf {
        self.data_dir.join("cni/addresses")
    }

    /// The last complete state from the server.
    pub(crate) fn view(&self) -> PathBuf {
        self.data_dir.join("view")
    }

    /// What was changed on this machine outside our directories.
    pub(crate) fn footprint(&self) -> PathBuf {
        self.data_dir.join("footprint.json")
    }

    /// Container logs. Not below /var/log/pods, which may be another kubelet's.
    pub(crate) fn pod_logs(&self) -> PathBuf {
        self.data_dir.join("logs")
    }

    /// Where the agent answers questions.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.run_dir.join("agent.sock")
    }

    /// Where `sheave up` keeps sockets while no agent runs.
    pub(crate) fn keeper_socket(&self) -> PathBuf {
        self.run_dir.join("keeper.sock")
    }

    /// Held while an agent runs.
    pub(crate) fn lock(&self) -> PathBuf {
        self.run_dir.join("agent.lock")
    }
}

/// A program that is installed beside this one.
pub(crate) fn sibling(name: &str) -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.parent().map(|dir: &Path| dir.join(name))?;
    path.exists().then_some(path)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn flags_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_words_of_the_cli_are_understood() {
        let words = "sheave-agent --data-dir /d --run-dir /r --bpffs-dir /b --server https://h:1 \
                     --node-name n --node-ip 192.0.2.1 --node-ip 2001:db8::1 --uplink e0 --xdp native \
                     --image-dir /i --cri-endpoint /c --node-port-addresses primary,10.0.0.0/8 \
                     --node-port-addresses ::/0 --external-cluster-ip --pod-network vxlan --vxlan-port 4789 \
                     --dns-stub-domain corp.example=192.0.2.53 --dns-stub-domain lab=192.0.2.54:5353";
        let cli = Cli::try_parse_from(words.split_whitespace()).unwrap();
        assert_eq!(cli.run.directories.control_socket(), PathBuf::from("/r/agent.sock"));
        assert_eq!(cli.run.node_port_addresses.len(), 3);
        assert_eq!((cli.run.node_ip.len(), cli.run.dns_stub_domain.len()), (2, 2));
        for words in [
            "sheave-agent cleanup --data-dir /d --run-dir /r --bpffs-dir /b --dry-run",
            "sheave-agent doctor --bpffs-dir /b --json",
        ] {
            assert!(Cli::try_parse_from(words.split_whitespace()).unwrap().command.is_some());
        }
    }
}
