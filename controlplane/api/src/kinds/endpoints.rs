//! Endpoints and EndpointSlices.

use std::net::IpAddr;

use serde_json::Value;

use super::Strategy;
use super::rules::{
    fill, fill_zero, immutable, legal, list_mut, one_of, optional_legal, port_number,
    required_one_of, text,
};
use crate::field::Path;
use crate::{FieldErrors, meta, name};

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const ENDPOINTS_MAX: usize = 1000;
const ADDRESSES_MAX: usize = 100;
const PORTS_MAX: usize = 20_000;

/// Rules of Endpoints.
pub(super) struct Endpoints;

impl Strategy for Endpoints {
    fn default(&self, endpoints: &mut Value) {
        for subset in list_mut(endpoints.get_mut("subsets")) {
            for port in list_mut(subset.get_mut("ports")) {
                fill_zero(port, "protocol", "TCP");
            }
        }
    }

    fn validate(&self, endpoints: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        for (index, subset) in meta::list(&endpoints["subsets"]).iter().enumerate() {
            validate_subset(subset, &Path::root("subsets").index(index), &mut errors);
        }
        errors
    }
}

fn validate_subset(subset: &Value, path: &Path, errors: &mut FieldErrors) {
    let lists = ["addresses", "notReadyAddresses"];
    if lists.iter().all(|list| meta::list(&subset[*list]).is_empty()) {
        errors.required(path, "must specify `addresses` or `notReadyAddresses`");
    }
    for list in lists {
        for (index, address) in meta::list(&subset[list]).iter().enumerate() {
            let path = path.child(list).index(index);
            validate_ip(text(&address["ip"]), &path.child("ip"), errors);
            let hostname = &address["hostname"];
            optional_legal(name::dns1123_label, hostname, &path.child("hostname"), errors);
        }
    }
    let ports = meta::list(&subset["ports"]);
    for (index, port) in ports.iter().enumerate() {
        let path = path.child("ports").index(index);
        if ports.len() > 1 && text(&port["name"]).is_empty() {
            errors.required(&path.child("name"), "");
        }
        optional_legal(name::dns1123_label, &port["name"], &path.child("name"), errors);
        port_number(&port["port"], &path.child("port"), errors);
        required_one_of(&port["protocol"], &PROTOCOLS, &path.child("protocol"), errors);
    }
}

/// Rules of EndpointSlices.
pub(super) struct EndpointSlice;

impl Strategy for EndpointSlice {
    fn default(&self, slice: &mut Value) {
        for port in list_mut(slice.get_mut("ports")) {
            fill(port, "name", "");
            fill_zero(port, "protocol", "TCP");
        }
    }

    fn validate(&self, slice: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        let family = text(&slice["addressType"]);
        let types = ["FQDN", "IPv4", "IPv6"];
        required_one_of(&slice["addressType"], &types, &Path::root("addressType"), &mut errors);
        let endpoints = meta::list(&slice["endpoints"]);
        if endpoints.len() > ENDPOINTS_MAX {
            errors.too_many(&Path::root("endpoints"), endpoints.len(), ENDPOINTS_MAX);
        }
        for (index, endpoint) in endpoints.iter().enumerate() {
            let path = Path::root("endpoints").index(index);
            validate_endpoint(endpoint, family, &path, &mut errors);
        }
        validate_slice_ports(slice, &mut errors);
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        let path = Path::root("addressType");
        immutable(&new["addressType"], &old["addressType"], &path, &mut errors);
        errors
    }
}

fn validate_endpoint(endpoint: &Value, family: &str, path: &Path, errors: &mut FieldErrors) {
    let addresses = meta::list(&endpoint["addresses"]);
    if addresses.is_empty() {
        errors.required(&path.child("addresses"), "must contain at least 1 address");
    } else if addresses.len() > ADDRESSES_MAX {
        errors.too_many(&path.child("addresses"), addresses.len(), ADDRESSES_MAX);
    }
    for (index, address) in addresses.iter().map(text).enumerate() {
        let path = path.child("addresses").index(index);
        match family {
            "FQDN" => legal(name::dns1123_subdomain, address, &path, errors),
            "IPv4" if address.parse::<std::net::Ipv4Addr>().is_err() => {
                errors.invalid(&path, address, "must be a valid IPv4 address");
            }
            "IPv6" if address.parse::<std::net::Ipv6Addr>().is_err() => {
                errors.invalid(&path, address, "must be a valid IPv6 address");
            }
            _ => validate_ip(address, &path, errors),
        }
    }
    for field in ["hostname", "nodeName"] {
        let rule = if field == "hostname" { name::dns1123_label } else { name::dns1123_subdomain };
        optional_legal(rule, &endpoint[field], &path.child(field), errors);
    }
}

fn validate_slice_ports(slice: &Value, errors: &mut FieldErrors) {
    let (ports, path) = (meta::list(&slice["ports"]), Path::root("ports"));
    if ports.len() > PORTS_MAX {
        errors.too_many(&path, ports.len(), PORTS_MAX);
    }
    let mut names = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        let path = path.index(index);
        let name = text(&port["name"]);
        optional_legal(name::dns1123_label, &port["name"], &path.child("name"), errors);
        if names.contains(&name) {
            errors.duplicate(&path.child("name"), name);
        }
        names.push(name);
        if !port["port"].is_null() {
            port_number(&port["port"], &path.child("port"), errors);
        }
        one_of(&port["protocol"], &PROTOCOLS, &path.child("protocol"), errors);
    }
}

fn validate_ip(address: &str, path: &Path, errors: &mut FieldErrors) {
    if address.parse::<IpAddr>().is_err() {
        let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        errors.invalid(path, address, why);
    }
}
