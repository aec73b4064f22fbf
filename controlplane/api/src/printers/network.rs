//! Columns of Services, Endpoints and EndpointSlices.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{AGE, Column, NAME, Printer, age, column, join, meta, or_none, text, wide};

/// Ports and addresses of an Endpoints or EndpointSlice that are shown before `+ n more...`.
const SHOWN: usize = 3;
/// Characters of a load balancer's address that are shown without `-o wide`.
const INGRESS_WIDTH: usize = 16;

/// Columns of Services.
pub struct Service;

impl Printer for Service {
    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            NAME,
            column("Type", "How the service is exposed."),
            column("Cluster-IP", "The address of the service inside the cluster."),
            column("External-IP", "Addresses of the service outside the cluster."),
            column("Port(s)", "Ports of the service, with node ports."),
            AGE,
            wide("Selector", "Labels of the pods that serve."),
        ];
        COLUMNS
    }

    fn cells(&self, service: &Value, now: Timestamp) -> Vec<Value> {
        let spec = &service["spec"];
        let cluster_ip = or_none(text(&spec["clusterIP"]).to_owned());
        vec![
            json!(meta::name(service)),
            json!(text(&spec["type"])),
            json!(cluster_ip),
            json!(external_address(service)),
            json!(or_none(ports(spec))),
            json!(age(service, now)),
            json!(selector(spec)),
        ]
    }
}

fn external_address(service: &Value) -> String {
    let spec = &service["spec"];
    let external_ips = join(meta::list(&spec["externalIPs"]).iter().map(Value::as_str), ",");
    match text(&spec["type"]) {
        "ExternalName" => text(&spec["externalName"]).to_owned(),
        "LoadBalancer" => {
            let ingress = meta::list(&service["status"]["loadBalancer"]["ingress"]);
            let address = |entry: &Value| match text(&entry["ip"]) {
                "" => text(&entry["hostname"]).to_owned(),
                ip => ip.to_owned(),
            };
            let mut addresses: Vec<String> = ingress.iter().map(address).collect();
            addresses.sort_unstable();
            addresses.dedup();
            let mut shown = addresses.join(",");
            if shown.len() > INGRESS_WIDTH && addresses.len() > 1 {
                shown = format!("{}...", shown.chars().take(INGRESS_WIDTH - 3).collect::<String>());
            }
            match (shown.is_empty(), external_ips.is_empty()) {
                (true, true) => "<pending>".to_owned(),
                (true, false) => external_ips,
                (false, true) => shown,
                (false, false) => format!("{shown},{external_ips}"),
            }
        }
        "ClusterIP" | "NodePort" => or_none(external_ips),
        _ => "<unknown>".to_owned(),
    }
}

/// `80:30080/TCP,53/UDP`.
fn ports(spec: &Value) -> String {
    let port = |port: &Value| {
        let (number, protocol) = (port["port"].as_i64().unwrap_or(0), text(&port["protocol"]));
        match port["nodePort"].as_i64().unwrap_or(0) {
            0 => format!("{number}/{protocol}"),
            node_port => format!("{number}:{node_port}/{protocol}"),
        }
    };
    meta::list(&spec["ports"]).iter().map(port).collect::<Vec<_>>().join(",")
}

fn selector(spec: &Value) -> String {
    let labels = spec["selector"].as_object().into_iter().flatten();
    let pairs: Vec<_> = labels.map(|(key, value)| format!("{key}={}", text(value))).collect();
    or_none(pairs.join(","))
}

/// Columns of Endpoints.
pub struct Endpoints;

impl Printer for Endpoints {
    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] =
            &[NAME, column("Endpoints", "Addresses and ports that are ready."), AGE];
        COLUMNS
    }

    fn cells(&self, endpoints: &Value, now: Timestamp) -> Vec<Value> {
        let shown = ready_addresses(endpoints);
        vec![json!(meta::name(endpoints)), json!(shown), json!(age(endpoints, now))]
    }
}

/// `10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more...`.
fn ready_addresses(endpoints: &Value) -> String {
    let mut all = Vec::new();
    for subset in meta::list(&endpoints["subsets"]) {
        let (addresses, ports) = (meta::list(&subset["addresses"]), meta::list(&subset["ports"]));
        if ports.is_empty() {
            all.extend(addresses.iter().map(|address| text(&address["ip"]).to_owned()));
        }
        for port in ports {
            let number = port["port"].as_i64().unwrap_or(0);
            all.extend(addresses.iter().map(|address| {
                let ip = text(&address["ip"]);
                if ip.contains(':') { format!("[{ip}]:{number}") } else { format!("{ip}:{number}") }
            }));
        }
    }
    bounded(&all, "<none>")
}

/// Columns of EndpointSlices.
pub struct EndpointSlice;

impl Printer for EndpointSlice {
    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            NAME,
            column("AddressType", "The family of the addresses."),
            column("Ports", "Ports of each endpoint."),
            column("Endpoints", "Addresses of the endpoints."),
            AGE,
        ];
        COLUMNS
    }

    fn cells(&self, slice: &Value, now: Timestamp) -> Vec<Value> {
        let ports: Vec<_> = meta::list(&slice["ports"])
            .iter()
            .map(|port| port["port"].as_i64().map_or("*".to_owned(), |number| number.to_string()))
            .collect();
        let addresses: Vec<_> = meta::list(&slice["endpoints"])
            .iter()
            .flat_map(|endpoint| meta::list(&endpoint["addresses"]))
            .map(|address| text(address).to_owned())
            .collect();
        vec![
            json!(meta::name(slice)),
            json!(text(&slice["addressType"])),
            json!(bounded(&ports, "<unset>")),
            json!(bounded(&addresses, "<unset>")),
            json!(age(slice, now)),
        ]
    }
}

fn bounded(all: &[String], nothing: &str) -> String {
    match all.len() {
        0 => nothing.to_owned(),
        count if count > SHOWN => {
            format!("{} + {} more...", all[..SHOWN].join(","), count - SHOWN)
        }
        _ => all.join(","),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(printer: &dyn Printer, object: Value) -> Vec<Value> {
        printer.cells(&object, "2026-01-01T01:00:00Z".parse().unwrap())
    }

    #[test]
    fn services_show_where_they_are_reached() {
        let service = |spec: Value, status: Value| {
            let object = json!({ "metadata": { "name": "s" }, "spec": spec, "status": status });
            let shown = cells(&Service, object);
            shown[1..5].iter().map(|cell| cell.as_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        let ports = json!([
            { "port": 80, "nodePort": 30080, "protocol": "TCP" },
            { "port": 53, "protocol": "UDP" },
        ]);
        let spec = json!({ "type": "NodePort", "clusterIP": "10.96.0.7", "ports": ports });
        assert_eq!(service(spec, json!({})), "NodePort 10.96.0.7 <none> 80:30080/TCP,53/UDP");
        let headless = json!({ "type": "ClusterIP", "clusterIP": "None" });
        assert_eq!(service(headless, json!({})), "ClusterIP None <none> <none>");
        let external = json!({ "type": "ExternalName", "externalName": "example.com" });
        assert_eq!(service(external, json!({})), "ExternalName <none> example.com <none>");
        let balanced = json!({ "type": "LoadBalancer", "clusterIP": "10.96.0.8" });
        assert_eq!(service(balanced.clone(), json!({})), "LoadBalancer 10.96.0.8 <pending> <none>");
        let status = json!({ "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } });
        assert_eq!(service(balanced, status), "LoadBalancer 10.96.0.8 192.0.2.1 <none>");
    }

    #[test]
    fn long_lists_are_cut() {
        let endpoints = json!({ "metadata": { "name": "e" }, "subsets": [{
            "addresses": [{ "ip": "10.0.0.1" }, { "ip": "10.0.0.2" }],
            "ports": [{ "port": 80 }, { "port": 443 }],
        }]});
        assert_eq!(
            cells(&Endpoints, endpoints)[1],
            "10.0.0.1:80,10.0.0.2:80,10.0.0.1:443 + 1 more..."
        );
        assert_eq!(cells(&Endpoints, json!({ "metadata": { "name": "e" } }))[1], "<none>");
        let slice = json!({
            "metadata": { "name": "e" }, "addressType": "IPv4", "ports": [{ "port": 80 }],
            "endpoints": [{ "addresses": ["10.0.0.1"] }, { "addresses": ["10.0.0.2"] }],
        });
        assert_eq!(
            json!(cells(&EndpointSlice, slice)[1..4]),
            json!(["IPv4", "80", "10.0.0.1,10.0.0.2"])
        );
        let empty = json!({ "metadata": { "name": "e" }, "addressType": "IPv4" });
        assert_eq!(json!(cells(&EndpointSlice, empty)[2..4]), json!(["<unset>", "<unset>"]));
    }
}
