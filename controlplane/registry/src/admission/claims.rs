//! Addresses and ports that Services hold: no two may hold the same.
//!
//! A claim is a key of its own in the store, written and removed in the transaction that writes the
//! Service, on the condition that it was free. So no crash and no race can give one out twice. What
//! is in memory here only tells which ones are worth trying.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;

use bytes::Bytes;
use parking_lot::Mutex;
use sheave_api::ObjectKey;

const CLUSTER_IP: &str = "claims/clusterip/";
const LOAD_BALANCER_IP: &str = "claims/loadbalancerip/";
const NODE_PORT: &str = "claims/nodeport/";

/// One thing that only one Service may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Claim {
    /// One of `spec.clusterIPs`.
    ClusterIp(IpAddr),
    /// One of `status.loadBalancer.ingress`, if it is of the cluster's own pool.
    LoadBalancerIp(IpAddr),
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
        if let Some(address) = key.strip_prefix(LOAD_BALANCER_IP) {
            return address.parse().ok().map(Self::LoadBalancerIp);
        }
        key.strip_prefix(NODE_PORT)?.parse().ok().map(Self::NodePort)
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClusterIp(address) => write!(f, "{CLUSTER_IP}{address}"),
            Self::LoadBalancerIp(address) => write!(f, "{LOAD_BALANCER_IP}{address}"),
            Self::NodePort(port) => write!(f, "{NODE_PORT}{port}"),
        }
    }
}

/// What is claimed, as far as the cache is; the owner is kept of load balancer addresses.
#[derive(Default)]
pub(crate) struct Claims(Mutex<HashMap<Claim, Option<Box<str>>>>);

impl Claims {
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }

    /// Follows one change of the store.
    pub(crate) fn apply(&self, key: &[u8], value: Option<&Bytes>) {
        let Some(claim) = Claim::parse(key) else { return };
        let mut claims = self.0.lock();
        match (value, claim) {
            (Some(owner), Claim::LoadBalancerIp(_)) => {
                claims.insert(claim, Some(String::from_utf8_lossy(owner).into()));
            }
            (Some(_), _) => drop(claims.insert(claim, None)),
            (None, _) => drop(claims.remove(&claim)),
        }
    }

    pub(crate) fn is_taken(&self, claim: Claim) -> bool {
        self.0.lock().contains_key(&claim)
    }

    /// Every load balancer address that is claimed.
    pub(crate) fn load_balancer_ips(&self) -> HashSet<Claim> {
        let claims = self.0.lock();
        claims.keys().filter(|claim| matches!(claim, Claim::LoadBalancerIp(_))).copied().collect()
    }

    /// False if another Service is known to hold this: two may show one load balancer address when it has
    /// only now come into the pool, and only one of them can give it back.
    pub(crate) fn may_release(&self, claim: Claim, owner: &ObjectKey) -> bool {
        match self.0.lock().get(&claim) {
            Some(Some(holder)) => **holder == *owner.to_string(),
            _ => true,
        }
    }

    /// The first free one of `candidates`.
    pub(crate) fn first_free(&self, candidates: impl Iterator<Item = Claim>) -> Option<Claim> {
        let claims = self.0.lock();
        candidates.into_iter().find(|claim| !claims.contains_key(claim))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back() {
        let address = IpAddr::from([10, 96, 0, 1]);
        for claim in [
            Claim::ClusterIp(address),
            Claim::ClusterIp("fd00::1".parse().unwrap()),
            Claim::LoadBalancerIp(address),
            Claim::NodePort(30080),
        ] {
            assert_eq!(Claim::parse(&claim.key()), Some(claim));
        }
        assert_eq!(Claim::parse(b"objects/nodes/a"), None);
    }
}
