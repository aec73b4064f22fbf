//! Certificates of nodes: of the one on this machine, which finds it in its files, and of others, for keys that
//! they keep to themselves.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{CertificateSigningRequestParams, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use sheave_join::{NODE_USER_PREFIX, NodeFiles, Pin};

use super::authority::{Authority, Leaf, LeafUse};
use super::files::{PkiError, write_if_changed};
use super::{NODES_GROUP, PemPair, PkiConfig};

/// Why no certificate was issued.
#[derive(Debug, thiserror::Error)]
pub enum NodeIssueError {
    /// It is no request, or not signed with its own key.
    #[error("the certificate request cannot be read")]
    Request(#[source] rcgen::Error),
    /// It is for a key that we do not sign.
    #[error("the certificate request is for another key than ECDSA P-256")]
    Key,
    /// It could not be signed.
    #[error(transparent)]
    Pki(#[from] PkiError),
}

/// A certificate for a node's own key.
#[derive(Clone, Debug)]
pub struct SignedForNode {
    /// Of the node's key.
    pub key: Pin,
    /// PEM.
    pub certificate: String,
    /// The authority's own, PEM.
    pub authority: String,
}

/// Signs requests of nodes.
#[derive(Clone, Debug)]
pub struct NodeIssuer {
    server_pki: PathBuf,
    lifetime: Duration,
}

impl NodeIssuer {
    /// Of the authority that [`super::ensure`] found or made.
    pub fn new(config: &PkiConfig) -> Self {
        Self { server_pki: config.server_pki(), lifetime: config.certificate_lifetime }
    }

    /// A certificate that says who its holder is: this node, and no more. Whatever else the request asks for
    /// is ignored.
    ///
    /// # Errors
    /// For a request that is none, or when the authority cannot be read.
    pub fn issue(
        &self,
        node_name: &str,
        request_pem: &str,
        now: SystemTime,
    ) -> Result<SignedForNode, NodeIssueError> {
        let request = CertificateSigningRequestParams::from_pem(request_pem)
            .map_err(NodeIssueError::Request)?;
        let key = request.public_key;
        if *key.algorithm() != PKCS_ECDSA_P256_SHA256 {
            return Err(NodeIssueError::Key);
        }
        // Read each time: its certificate is made again before it ends.
        let authority = Authority::load(&self.server_pki, self.lifetime)?;
        Ok(SignedForNode {
            certificate: authority.sign(&leaf(node_name), &key, now)?,
            key: Pin::of_public_key(&key.subject_public_key_info()),
            authority: authority.certificate().to_owned(),
        })
    }
}

/// The certificate of the node on this machine. As long as it lasts it is the agent's to renew, which knows when
/// it has a use for the new one; here it is made when it is missing, or has ended while no agent ran.
pub(super) fn ensure_own(
    authority: &Authority,
    dir: &Path,
    node_name: &str,
    now: SystemTime,
) -> Result<PemPair, PkiError> {
    let (files, leaf) = (NodeFiles::new(dir), leaf(node_name));
    write_if_changed(&dir.join("ca.crt"), authority.certificate())?;
    if let Some(found) = files.load()? {
        let pair = PemPair { certificate: found.certificate_pem, key: found.key_pem };
        if authority.still_serves(&pair, &leaf, now, Duration::ZERO) {
            return Ok(pair);
        }
    }
    let key = files.next_key()?;
    let request = key.request().map_err(|error| PkiError::Node(error.into()))?;
    let request = CertificateSigningRequestParams::from_pem(&request)
        .map_err(|source| PkiError::Issue { subject: leaf.common_name.clone(), source })?;
    let certificate = authority.sign(&leaf, &request.public_key, now)?;
    files.install(&certificate, authority.certificate())?;
    Ok(PemPair { certificate, key: key.to_pem() })
}

fn leaf(node_name: &str) -> Leaf {
    Leaf {
        file: "node",
        common_name: format!("{NODE_USER_PREFIX}{node_name}"),
        organization: Some(NODES_GROUP.to_owned()),
        leaf_use: LeafUse::Client,
    }
}
