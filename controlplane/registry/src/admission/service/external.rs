//! Addresses outside: what `spec.externalIPs` may name, and those that the cluster's own load balancer
//! gives out.
//!
//! Whoever may write Services could otherwise take over anybody's address for the pods of the cluster
//! (CVE-2020-8554).

use std::net::IpAddr;

use serde_json::Value;
use sheave_api::field::Path;
use sheave_api::meta;

use super::{Assignment, Claim, address};

impl Assignment<'_> {
    /// New ones must be in an allowed range; those that the Service has stay, so that it can be changed
    /// after the ranges were.
    pub(super) fn external_ips(&mut self, spec: &Value, old: Option<&Value>) {
        let had = old.map(|old| meta::list(&old["spec"]["externalIPs"])).unwrap_or_default();
        for (index, field) in meta::list(&spec["externalIPs"]).iter().enumerate() {
            // What is no address is refused by the kind's own rules.
            let Some(address) = address(field).filter(|_| !had.contains(field)) else { continue };
            if !self.ranges.external_ips.contains(address) {
                let path = Path::root("spec").child("externalIPs").index(index);
                self.errors.forbidden(&path, self.why_not_external(address));
            }
        }
    }

    fn why_not_external(&self, address: IpAddr) -> String {
        let allowed = match self.ranges.external_ips.is_empty() {
            true => "this cluster allows no external addresses".to_owned(),
            false => format!("this cluster allows {}", self.ranges.external_ips),
        };
        format!(
            "{address} is not in an allowed range: {allowed}; an administrator allows more with \
             sheave-server --external-ip-pool CIDR"
        )
    }

    /// An address of the pool is one Service's.
    pub(super) fn load_balancer_ips(&mut self, service: &Value) {
        for (index, address) in self.ranges.balanced(service) {
            if !self.is_free(Claim::LoadBalancerIp(address)) {
                let path = Path::root("status").child("loadBalancer").child("ingress");
                let path = path.index(index).child("ip");
                self.errors.invalid(&path, address.to_string(), "provided IP is already allocated");
            }
        }
    }
}
