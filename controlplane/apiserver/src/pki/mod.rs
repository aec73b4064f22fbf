//! The cluster's own certificates: one authority, and the leaves that a single server needs.
//!
//! Everything is made at first start and mended at every start: a leaf that is missing, half written,
//! about to expire, signed by another authority or for other addresses is issued anew. The authority
//! itself is never replaced behind the user's back, because every client certificate hangs on it.
//!
//! This module knows files and certificates. It does not know TLS ([`crate::tls`]) nor what an identity
//! may do ([`crate::authorize`]).

mod authority;
mod files;
mod kubeconfig;
mod node;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use authority::{Authority, Leaf, LeafUse};
pub use files::PkiError;
use files::{ensure_dir, write_if_changed};
pub use node::{NodeIssueError, NodeIssuer, SignedForNode};

/// Group whose members may do everything.
pub const ADMIN_GROUP: &str = "system:masters";
/// User name in the admin's certificate.
pub const ADMIN_USER: &str = "sheave-admin";
/// Group of every node's agent.
pub const NODES_GROUP: &str = "system:nodes";

/// How long server and client certificates live, unless a test makes it short.
pub const CERTIFICATE_LIFETIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Names of the API server inside a cluster, whatever its domain is called outside.
const SERVICE_NAMES: [&str; 4] = [
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// Where the certificates live and whom they are for.
#[derive(Clone, Debug)]
pub struct PkiConfig {
    /// Data directory of the installation; holds `server/` and `agent/`.
    pub data_dir: PathBuf,
    /// Host name of this machine.
    pub hostname: String,
    /// Addresses under which clients reach this server, loopback not needed.
    pub addresses: Vec<IpAddr>,
    /// First address of the service range: the API server as a Service.
    pub service_address: IpAddr,
    /// Node whose agent runs on this machine.
    pub node_name: String,
    /// What the admin kubeconfig dials, e.g. `https://127.0.0.1:6443`.
    pub server_url: String,
    /// How long server and client certificates live.
    pub certificate_lifetime: Duration,
}

impl PkiConfig {
    fn server_pki(&self) -> PathBuf {
        self.data_dir.join("server").join("pki")
    }

    /// How often to call [`ensure`], so that nothing that is about to end is missed.
    pub fn check_interval(&self) -> Duration {
        const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);
        (sheave_join::renew_before(self.certificate_lifetime) / 8).min(LONGEST)
    }
}

/// Certificate chain and key, PEM.
#[derive(Clone)]
pub struct PemPair {
    /// One or more certificates.
    pub certificate: String,
    /// PKCS#8.
    pub key: String,
}

impl std::fmt::Debug for PemPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PemPair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// The files that were found or made.
#[derive(Clone, Debug)]
pub struct Pki {
    /// Certificate of the authority, PEM: what clients trust, and what their certificates must come from.
    pub ca: String,
    /// What the API server shows.
    pub server: PemPair,
    /// The admin's client certificate.
    pub admin: PemPair,
    /// The local node's client certificate.
    pub node: PemPair,
    /// Where the admin kubeconfig is.
    pub kubeconfig: PathBuf,
    /// For the cluster's nodes alone.
    pub node_secret: NodeSecret,
}

/// A secret that every node of the cluster is told, derived from the authority's key: the same after every
/// restart and on every server that has that key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NodeSecret([u8; 32]);

impl NodeSecret {
    /// The secret itself.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for NodeSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeSecret")
    }
}

/// Finds or makes everything under `<data_dir>/server/pki` and `<data_dir>/agent/pki`.
///
/// # Errors
/// Names the file and the remedy: a directory that cannot be written, an authority without its key.
pub fn ensure(config: &PkiConfig, now: SystemTime) -> Result<Pki, PkiError> {
    let server_dir = config.data_dir.join("server");
    let server_pki = config.server_pki();
    let agent_pki = config.data_dir.join("agent").join("pki");
    for dir in [&server_dir, &server_pki, &config.data_dir.join("agent"), &agent_pki] {
        ensure_dir(dir)?;
    }
    let authority = Authority::ensure(&server_pki, config.certificate_lifetime, now)?;
    let server = authority.ensure_leaf(&server_pki, &server_leaf(config), now)?;
    let admin = authority.ensure_leaf(&server_pki, &admin_leaf(), now)?;
    let node = node::ensure_own(&authority, &agent_pki, &config.node_name, now)?;
    let kubeconfig = server_dir.join("admin.kubeconfig");
    let text = kubeconfig::render(&config.server_url, authority.certificate(), &admin);
    write_if_changed(&kubeconfig, &text)?;
    let node_secret = authority.node_secret();
    Ok(Pki { ca: authority.certificate().to_owned(), server, admin, node, kubeconfig, node_secret })
}

fn server_leaf(config: &PkiConfig) -> Leaf {
    let mut dns_names: Vec<String> = vec!["localhost".to_owned()];
    dns_names.extend(SERVICE_NAMES.map(str::to_owned));
    for name in [&config.hostname, &config.node_name] {
        if !dns_names.contains(name) {
            dns_names.push(name.clone());
        }
    }
    let mut addresses: Vec<IpAddr> = vec![
        IpAddr::from([127, 0, 0, 1]),
        std::net::Ipv6Addr::LOCALHOST.into(),
        config.service_address,
    ];
    for address in &config.addresses {
        if !addresses.contains(address) {
            addresses.push(*address);
        }
    }
    Leaf {
        file: "server",
        common_name: "kube-apiserver".to_owned(),
        organization: None,
        leaf_use: LeafUse::Server { dns_names, addresses },
    }
}

fn admin_leaf() -> Leaf {
    Leaf {
        file: "admin",
        common_name: ADMIN_USER.to_owned(),
        organization: Some(ADMIN_GROUP.to_owned()),
        leaf_use: LeafUse::Client,
    }
}

/// Issues a client certificate from the authority under `data_dir`, without storing it.
///
/// # Errors
/// When there is no authority yet, or its files cannot be read.
pub fn issue_client(
    data_dir: &Path,
    user: &str,
    group: Option<&str>,
    now: SystemTime,
) -> Result<PemPair, PkiError> {
    let leaf = Leaf {
        file: "client",
        common_name: user.to_owned(),
        organization: group.map(str::to_owned),
        leaf_use: LeafUse::Client,
    };
    Authority::load(&data_dir.join("server").join("pki"), CERTIFICATE_LIFETIME)?.issue(&leaf, now)
}

#[cfg(test)]
mod tests;
