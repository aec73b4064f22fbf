//! Addresses and ports of Services: what a Service is given, what it may ask for, and what it holds.
//!
//! Pure but for the look at what is free. A Service's claims follow from the object alone
//! ([`Ranges::claims_of`]); the difference between the old and the new object is what a write takes and
//! gives back.

mod addresses;
mod external;
mod families;
mod ports;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use serde_json::Value;
use sheave_api::kinds::service as rules;
use sheave_api::{AddressPool, FieldErrors, Status, meta};

use super::claims::{Claim, Claims};

/// What may be given out.
#[derive(Clone, Debug)]
pub(crate) struct Ranges {
    /// One a family; the first one's family is that of Services that do not say.
    pub(crate) service_cidrs: Vec<IpNet>,
    pub(crate) node_ports: RangeInclusive<u16>,
    /// Addresses of the cluster's own load balancer.
    pub(crate) load_balancer: AddressPool,
    /// What `spec.externalIPs` may name.
    pub(crate) external_ips: AddressPool,
}

impl Ranges {
    /// Everything a Service holds.
    pub(crate) fn claims_of(&self, service: &Value) -> BTreeSet<Claim> {
        let spec = &service["spec"];
        let mut claims: BTreeSet<_> =
            ports::node_ports(spec).map(|(_, port)| Claim::NodePort(port)).collect();
        claims.extend(ports::number(&spec["healthCheckNodePort"]).map(Claim::NodePort));
        let cluster_ips = meta::list(&spec["clusterIPs"]).iter().chain([&spec["clusterIP"]]);
        claims.extend(cluster_ips.filter_map(address).map(Claim::ClusterIp));
        claims.extend(self.balanced(service).map(|(_, address)| Claim::LoadBalancerIp(address)));
        claims
    }

    /// Addresses of the pool in a Service's status, with their index there. Others are none of ours: they
    /// may well be shared.
    fn balanced<'a>(&'a self, service: &'a Value) -> impl Iterator<Item = (usize, IpAddr)> + 'a {
        let ingress = meta::list(&service["status"]["loadBalancer"]["ingress"]).iter();
        let addresses = ingress.map(|ingress| address(&ingress["ip"])).enumerate();
        addresses
            .filter_map(|(index, address)| Some((index, address?)))
            .filter(|(_, address)| self.load_balancer.contains(*address))
    }
}

/// Gives a Service what it needs and does not have yet, and checks what it asks for by name.
pub(crate) fn assign(
    service: &mut Value,
    old: Option<&Value>,
    ranges: &Ranges,
    claims: &Claims,
    random: u64,
) -> Result<(), Status> {
    let held = old.map(|old| ranges.claims_of(old)).unwrap_or_default();
    let mut assignment = Assignment { ranges, claims, held, random, errors: FieldErrors::new() };
    let name = meta::name(service).to_owned();
    let refused = |errors: FieldErrors| errors.into_status("", "Service", &name);
    let spec = &mut service["spec"];
    if spec["type"] != "ExternalName" {
        let old = old.map(|old| &old["spec"]);
        families::complete(spec, old, &ranges.service_cidrs).map_err(refused)?;
        assignment.cluster_ips(spec)?;
    }
    if rules::may_have_node_ports(spec) {
        assignment.node_ports(spec)?;
    }
    if rules::needs_health_check_port(spec) {
        assignment.health_check_port(spec)?;
    }
    assignment.external_ips(spec, old);
    assignment.load_balancer_ips(service);
    if assignment.errors.is_empty() { Ok(()) } else { Err(refused(assignment.errors)) }
}

struct Assignment<'a> {
    ranges: &'a Ranges,
    claims: &'a Claims,
    /// What the Service holds already.
    held: BTreeSet<Claim>,
    random: u64,
    errors: FieldErrors,
}

impl Assignment<'_> {
    fn is_free(&self, claim: Claim) -> bool {
        self.held.contains(&claim) || !self.claims.is_taken(claim)
    }
}

fn address(field: &Value) -> Option<IpAddr> {
    field.as_str()?.parse().ok()
}

/// Every number of a range once, beginning somewhere in it.
fn rotated(range: RangeInclusive<u64>, random: u64) -> impl Iterator<Item = u64> {
    let (start, end) = range.into_inner();
    let size = (end + 1).saturating_sub(start);
    (0..size).map(move |step| start + (step + random % size) % size)
}

fn full(what: &str, range: &str) -> Status {
    Status::internal(format!(
        "Internal error occurred: failed to allocate a {what}: range is full ({range}): delete Services \
         that are no longer used"
    ))
}
