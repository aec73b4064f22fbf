//! Node ports and the health check port.

use std::collections::BTreeSet;

use serde_json::Value;
use sheave_api::field::Path;
use sheave_api::kinds::service as rules;
use sheave_api::{Status, meta};

use super::{Assignment, Claim, full, rotated};

impl Assignment<'_> {
    pub(super) fn node_ports(&mut self, spec: &mut Value) -> Result<(), Status> {
        let named: Vec<_> = node_ports(spec).collect();
        let path = Path::root("spec").child("ports");
        for (index, port) in &named {
            self.check_port(*port, &path.index(*index).child("nodePort"));
        }
        if !rules::needs_node_ports(spec) {
            return Ok(());
        }
        let mut chosen: BTreeSet<u16> = named.iter().map(|(_, port)| *port).collect();
        chosen.extend(number(&spec["healthCheckNodePort"]));
        let Some(ports) = spec["ports"].as_array_mut() else { return Ok(()) };
        for index in 0..ports.len() {
            if number(&ports[index]["nodePort"]).is_some() {
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

    pub(super) fn health_check_port(&mut self, spec: &mut Value) -> Result<(), Status> {
        let path = Path::root("spec").child("healthCheckNodePort");
        let chosen: BTreeSet<u16> = node_ports(spec).map(|(_, port)| port).collect();
        match number(&spec["healthCheckNodePort"]) {
            Some(port) if chosen.contains(&port) => {
                let why = "must not be a node port of the same Service";
                self.errors.invalid(&path, port, why);
            }
            Some(port) => self.check_port(port, &path),
            None => spec["healthCheckNodePort"] = Value::from(self.free_port(&chosen)?),
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
}

/// Index and node port of every port that has one.
pub(super) fn node_ports(spec: &Value) -> impl Iterator<Item = (usize, u16)> {
    let ports = meta::list(&spec["ports"]).iter().enumerate();
    ports.filter_map(|(index, port)| Some((index, number(&port["nodePort"])?)))
}

/// A port that is set; 0 is not.
pub(super) fn number(field: &Value) -> Option<u16> {
    field.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
}

/// Two protocols of one port get one node port.
fn same_port_other_protocol(ports: &[Value], index: usize) -> Option<u16> {
    let this = &ports[index];
    let twins = ports.iter().enumerate().filter(|(at, other)| {
        *at != index && other["port"] == this["port"] && other["protocol"] != this["protocol"]
    });
    let taken = |port: u16| {
        let same = |other: &Value| {
            other["protocol"] == this["protocol"] && number(&other["nodePort"]) == Some(port)
        };
        ports.iter().any(same)
    };
    twins.filter_map(|(_, other)| number(&other["nodePort"])).find(|port| !taken(*port))
}
