//! ClusterIPs and NodePorts: what a Service is given, and what it holds.
//!
//! Pure but for the look at what is free. A Service's claims follow from its spec alone
//! ([`claims_of`]); the difference between the old and the new spec is what a write takes and gives
//! back.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use ipnet::Ipv4Net;
use serde_json::Value;
use sheave_api::field::Path;
use sheave_api::kinds::service as rules;
use sheave_api::{FieldErrors, Status, meta};

use super::claims::{Claim, Claims};

/// Addresses at the start of the range that are given out last, so that they can be asked for by
/// name: between 16 and 256, a sixteenth of the range (KEP-3070).
const STATIC_BAND_MIN: u32 = 16;
const STATIC_BAND_MAX: u32 = 256;

/// What may be given out.
#[derive(Clone, Debug)]
pub(crate) struct Ranges {
    pub(crate) cluster_ips: Ipv4Net,
    pub(crate) node_ports: RangeInclusive<u16>,
}

/// Everything a Service holds.
pub(crate) fn claims_of(service: &Value) -> BTreeSet<Claim> {
    let spec = &service["spec"];
    let mut claims: BTreeSet<_> = node_ports(spec).map(|(_, port)| Claim::NodePort(port)).collect();
    if let Some(port) = port_number(&spec["healthCheckNodePort"]) {
        claims.insert(Claim::NodePort(port));
    }
    if let Some(address) = spec["clusterIP"].as_str().and_then(|text| text.parse().ok()) {
        claims.insert(Claim::ClusterIp(address));
    }
    claims
}

/// Gives a Service what it needs and does not have yet, and checks what it asks for by name.
pub(crate) fn assign(
    service: &mut Value,
    old: Option<&Value>,
    ranges: &Ranges,
    claims: &Claims,
    random: u64,
) -> Result<(), Status> {
    if let Some(old) = old {
        keep_health_check_port(&mut service["spec"], &old["spec"]);
    }
    let held = old.map(claims_of).unwrap_or_default();
    let mut assignment = Assignment { ranges, claims, held, random, errors: FieldErrors::new() };
    if service["spec"]["type"] != "ExternalName" {
        assignment.families(&service["spec"]);
        assignment.cluster_ip(service)?;
    }
    if rules::needs_node_ports(service) {
        assignment.node_ports(&mut service["spec"])?;
    }
    if needs_health_check_port(&service["spec"]) {
        assignment.health_check_port(&mut service["spec"])?;
    }
    let errors = assignment.errors;
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors.into_status("", "Service", meta::name(service)))
    }
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
    /// One family, IPv4, is what this cluster has.
    fn families(&mut self, spec: &Value) {
        let path = Path::root("spec");
        for (index, family) in meta::list(&spec["ipFamilies"]).iter().enumerate() {
            if family != "IPv4" {
                let path = path.child("ipFamilies").index(index);
                self.errors.invalid(&path, family.clone(), "not configured on this cluster");
            }
        }
        if spec["ipFamilyPolicy"] == "RequireDualStack" {
            self.errors.invalid(
                &path.child("ipFamilyPolicy"),
                "RequireDualStack",
                "this cluster is not configured for dual-stack services",
            );
        }
    }

    fn cluster_ip(&mut self, service: &mut Value) -> Result<(), Status> {
        let spec = &service["spec"];
        let path = Path::root("spec").child("clusterIPs");
        let wanted = spec["clusterIP"].as_str().unwrap_or_default().to_owned();
        let list = meta::list(&spec["clusterIPs"]).to_vec();
        if wanted.is_empty() && !list.is_empty() {
            let why = "must be empty when `clusterIP` is not specified";
            self.errors.invalid(&path, list, why);
            return Ok(());
        }
        if list.len() > 1 {
            let why = "may only hold up to 1 value: this cluster has one address family";
            self.errors.invalid(&path, list, why);
            return Ok(());
        }
        let address = match wanted.as_str() {
            "" => self.free_address()?.to_string(),
            "None" => wanted,
            _ => {
                self.check_address(&wanted, &path);
                wanted
            }
        };
        rules::set_cluster_ip(service, &address);
        Ok(())
    }

    fn check_address(&mut self, wanted: &str, path: &Path) {
        // What is no address at all is refused by the kind's own rules.
        let Ok(address) = wanted.parse::<Ipv4Addr>() else { return };
        let range = self.ranges.cluster_ips;
        let why = if !usable(range, address) {
            format!(
                "the provided IP ({address}) is not in the valid range. The range of valid IPs is {range}"
            )
        } else if self.is_free(Claim::ClusterIp(address)) {
            return;
        } else {
            "provided IP is already allocated".to_owned()
        };
        let why = format!("failed to allocate IP {address}: {why}");
        self.errors.invalid(path, vec![Value::from(wanted)], why);
    }

    /// Any free address, from the upper band first; never the first of the range, which is the API
    /// server's.
    fn free_address(&mut self) -> Result<Ipv4Addr, Status> {
        let range = self.ranges.cluster_ips;
        let first = u32::from(range.network()) + 1;
        let last = u32::from(range.broadcast()).saturating_sub(1);
        let size = last.saturating_sub(first) + 1;
        let band = (size / 16).clamp(STATIC_BAND_MIN, STATIC_BAND_MAX).min(size);
        let upper = rotated(u64::from(first + band)..=u64::from(last), self.random);
        let lower = rotated(u64::from(first) + 1..=u64::from(first + band) - 1, self.random);
        let candidates = upper.chain(lower).map(|bits| {
            Claim::ClusterIp(Ipv4Addr::from(u32::try_from(bits).expect("between two u32")))
        });
        match self.claims.first_free(candidates) {
            Some(Claim::ClusterIp(address)) => Ok(address),
            _ => Err(full("serviceIP", &range.to_string())),
        }
    }

    fn node_ports(&mut self, spec: &mut Value) -> Result<(), Status> {
        let named: Vec<_> = node_ports(spec).collect();
        let path = Path::root("spec").child("ports");
        for (index, port) in &named {
            self.check_port(*port, &path.index(*index).child("nodePort"));
        }
        let mut chosen: BTreeSet<u16> = named.iter().map(|(_, port)| *port).collect();
        chosen.extend(port_number(&spec["healthCheckNodePort"]));
        let Some(ports) = spec["ports"].as_array_mut() else { return Ok(()) };
        for index in 0..ports.len() {
            if port_number(&ports[index]["nodePort"]).is_some() {
                continue;
            }
            let port = match same_port_other_protocol(ports, index) {
                Some(port) => port,
                None => self.free_port(&chosen)?,
            };
            chosen.insert(port);
            ports[index]["nodePort"] = Value::from(port);
        }
        Ok(())
    }

    fn health_check_port(&mut self, spec: &mut Value) -> Result<(), Status> {
        match port_number(&spec["healthCheckNodePort"]) {
            Some(port) => self.check_port(port, &Path::root("spec").child("healthCheckNodePort")),
            None => {
                let chosen = node_ports(spec).map(|(_, port)| port).collect();
                spec["healthCheckNodePort"] = Value::from(self.free_port(&chosen)?);
            }
        }
        Ok(())
    }

    fn check_port(&mut self, port: u16, path: &Path) {
        let range = &self.ranges.node_ports;
        if !range.contains(&port) {
            let why = format!(
                "provided port is not in the valid range. The range of valid ports is {}-{}",
                range.start(),
                range.end()
            );
            self.errors.invalid(path, port, why);
        } else if !self.is_free(Claim::NodePort(port)) {
            self.errors.invalid(path, port, "provided port is already allocated");
        }
    }

    fn free_port(&mut self, chosen: &BTreeSet<u16>) -> Result<u16, Status> {
        let range = &self.ranges.node_ports;
        let ports = rotated(u64::from(*range.start())..=u64::from(*range.end()), self.random);
        let candidates = ports
            .map(|port| u16::try_from(port).expect("between two u16"))
            .filter(|port| !chosen.contains(port))
            .map(Claim::NodePort);
        match self.claims.first_free(candidates) {
            Some(Claim::NodePort(port)) => Ok(port),
            _ => Err(full("nodePort", &format!("{}-{}", range.start(), range.end()))),
        }
    }

    fn is_free(&self, claim: Claim) -> bool {
        self.held.contains(&claim) || !self.claims.is_taken(claim)
    }
}

/// A health check port stays as long as the Service needs one; the strategy keeps the other fields.
fn keep_health_check_port(new: &mut Value, old: &Value) {
    match (needs_health_check_port(old), needs_health_check_port(new)) {
        (true, true) if port_number(&new["healthCheckNodePort"]).is_none() => {
            new["healthCheckNodePort"] = old["healthCheckNodePort"].clone();
        }
        (true, false) if new["healthCheckNodePort"] == old["healthCheckNodePort"] => {
            if let Some(fields) = new.as_object_mut() {
                fields.remove("healthCheckNodePort");
            }
        }
        _ => {}
    }
}

/// Two protocols of one port get one node port.
fn same_port_other_protocol(ports: &[Value], index: usize) -> Option<u16> {
    let this = &ports[index];
    let twins = ports.iter().enumerate().filter(|(at, other)| {
        *at != index && other["port"] == this["port"] && other["protocol"] != this["protocol"]
    });
    let taken = |port: u16| {
        let same = |other: &Value| {
            other["protocol"] == this["protocol"] && port_number(&other["nodePort"]) == Some(port)
        };
        ports.iter().any(same)
    };
    twins.filter_map(|(_, other)| port_number(&other["nodePort"])).find(|port| !taken(*port))
}

fn needs_health_check_port(spec: &Value) -> bool {
    spec["type"] == "LoadBalancer" && spec["externalTrafficPolicy"] == "Local"
}

/// Index and node port of every port that has one.
fn node_ports(spec: &Value) -> impl Iterator<Item = (usize, u16)> {
    let ports = meta::list(&spec["ports"]).iter().enumerate();
    ports.filter_map(|(index, port)| Some((index, port_number(&port["nodePort"])?)))
}

/// A port that is set; 0 is not.
fn port_number(field: &Value) -> Option<u16> {
    field.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
}

fn usable(range: Ipv4Net, address: Ipv4Addr) -> bool {
    range.contains(&address) && address != range.network() && address != range.broadcast()
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
