//! Addresses and ports that Services hold: no two may hold the same.
//!
//! A claim is a key of its own in the store, written and removed in the transaction that writes the
//! Service, on the condition that it was free. So no crash and no race can give one out twice. What
//! is in memory here only tells which ones are worth trying.

use std::collections::HashSet;
use std::fmt;
use std::net::Ipv4Addr;

use bytes::Bytes;
use parking_lot::Mutex;

const CLUSTER_IP: &str = "claims/clusterip/";
const NODE_PORT: &str = "claims/nodeport/";

/// One thing that only one Service may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Claim {
    /// `spec.clusterIP`.
    ClusterIp(Ipv4Addr),
    /// `nodePort` of a port, whatever its protocol, or `spec.healthCheckNodePort`.
    NodePort(u16),
}

impl Claim {
    /// Its key in the store.
    pub(crate) fn key(self) -> Bytes {
        self.to_string().into()
    }

    /// The claim under a key; `None` for other keys.
    pub(crate) fn parse(key: &[u8]) -> Option<Self> {
        let key = std::str::from_utf8(key).ok()?;
        if let Some(address) = key.strip_prefix(CLUSTER_IP) {
            return address.parse().ok().map(Self::ClusterIp);
        }
        key.strip_prefix(NODE_PORT)?.parse().ok().map(Self::NodePort)
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClusterIp(address) => write!(f, "{CLUSTER_IP}{address}"),
            Self::NodePort(port) => write!(f, "{NODE_PORT}{port}"),
        }
    }
}

/// What is claimed, as far as the cache is.
#[derive(Default)]
pub(crate) struct Claims(Mutex<HashSet<Claim>>);

impl Claims {
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }

    /// Follows one change of the store.
    pub(crate) fn apply(&self, key: &[u8], value: Option<&Bytes>) {
        let Some(claim) = Claim::parse(key) else { return };
        let mut claims = self.0.lock();
        if value.is_some() {
            claims.insert(claim);
        } else {
            claims.remove(&claim);
        }
    }

    pub(crate) fn is_taken(&self, claim: Claim) -> bool {
        self.0.lock().contains(&claim)
    }

    /// The first free one of `candidates`.
    pub(crate) fn first_free(&self, candidates: impl Iterator<Item = Claim>) -> Option<Claim> {
        let claims = self.0.lock();
        candidates.into_iter().find(|claim| !claims.contains(claim))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back() {
        for claim in [Claim::ClusterIp(Ipv4Addr::new(10, 96, 0, 1)), Claim::NodePort(30080)] {
            assert_eq!(Claim::parse(&claim.key()), Some(claim));
        }
        assert_eq!(Claim::parse(b"objects/nodes/a"), None);
    }
}
