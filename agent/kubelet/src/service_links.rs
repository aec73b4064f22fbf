//! The variables by which containers find Services without DNS: `WEB_SERVICE_HOST` and its kin, in the form
//! that Kubernetes took over from Docker's links.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use sheave_core::model::ServicePort;

/// The namespace and name of the API's own Service: every container is told of it.
pub(crate) const API_SERVICE: (&str, &str) = ("default", "kubernetes");

/// A Service with an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceLink {
    /// `metadata.name`.
    pub name: String,
    /// The first of `spec.clusterIPs`.
    pub address: IpAddr,
    /// In the order of the spec; never empty.
    pub ports: Vec<ServicePort>,
}

type OfNamespace = dyn Fn(&str) -> Vec<ServiceLink> + Send + Sync;

/// Says which Services with an address a namespace has, whoever serves them.
#[derive(Clone)]
pub struct ServiceLinks(pub Arc<OfNamespace>);

impl ServiceLinks {
    /// For a pod of `namespace`: the API's own Service, and those of the namespace if it `wants_all`.
    pub(crate) fn variables(&self, namespace: &str, wants_all: bool) -> Vec<(String, String)> {
        let Self(of_namespace) = self;
        let (api_namespace, api_name) = API_SERVICE;
        let mut links = of_namespace(api_namespace);
        links.retain(|link| link.name == api_name);
        if wants_all {
            // A Service of the namespace that is called like the API's takes its place.
            links.extend(of_namespace(namespace));
        }
        links.iter().flat_map(variables).collect()
    }
}

impl Default for ServiceLinks {
    fn default() -> Self {
        Self(Arc::new(|_| Vec::new()))
    }
}

impl fmt::Debug for ServiceLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceLinks")
    }
}

fn variables(link: &ServiceLink) -> Vec<(String, String)> {
    let ServiceLink { name, address, ports } = link;
    let Some(first) = ports.first() else { return Vec::new() };
    let name = upper(name);
    let at = |port: &ServicePort| {
        let socket = SocketAddr::new(*address, port.port.get());
        format!("{}://{socket}", port.protocol.to_string().to_lowercase())
    };
    let mut variables = vec![
        (format!("{name}_SERVICE_HOST"), address.to_string()),
        (format!("{name}_SERVICE_PORT"), first.port.to_string()),
    ];
    let named = ports.iter().filter(|port| !port.name.is_empty());
    variables.extend(
        named.map(|port| {
            (format!("{name}_SERVICE_PORT_{}", upper(&port.name)), port.port.to_string())
        }),
    );
    variables.push((format!("{name}_PORT"), at(first)));
    for port in ports {
        let prefix = format!("{name}_PORT_{}_{}", port.port, port.protocol);
        variables.extend([
            (prefix.clone(), at(port)),
            (format!("{prefix}_PROTO"), port.protocol.to_string().to_lowercase()),
            (format!("{prefix}_PORT"), port.port.to_string()),
            (format!("{prefix}_ADDR"), address.to_string()),
        ]);
    }
    variables
}

fn upper(name: &str) -> String {
    name.replace('-', "_").to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sheave_core::model::Protocol;

    fn link(name: &str, address: &str, ports: &[(&str, u16)]) -> ServiceLink {
        let port = |(name, number): &(&str, u16)| ServicePort {
            name: (*name).into(),
            protocol: Protocol::Tcp,
            port: (*number).try_into().unwrap(),
            node_port: None,
        };
        ServiceLink {
            name: name.into(),
            address: address.parse().unwrap(),
            ports: ports.iter().map(port).collect(),
        }
    }

    #[test]
    fn variables_have_the_form_of_links() {
        let text = |link: &ServiceLink| {
            let lines = variables(link).into_iter().map(|(name, value)| format!("{name}={value}"));
            lines.collect::<Vec<_>>().join("\n")
        };
        let expected = "\
MY_WEB_SERVICE_HOST=10.96.0.7
MY_WEB_SERVICE_PORT=80
MY_WEB_SERVICE_PORT_HTTP=80
MY_WEB_SERVICE_PORT_A_B=443
MY_WEB_PORT=tcp://10.96.0.7:80
MY_WEB_PORT_80_TCP=tcp://10.96.0.7:80
MY_WEB_PORT_80_TCP_PROTO=tcp
MY_WEB_PORT_80_TCP_PORT=80
MY_WEB_PORT_80_TCP_ADDR=10.96.0.7
MY_WEB_PORT_443_TCP=tcp://10.96.0.7:443
MY_WEB_PORT_443_TCP_PROTO=tcp
MY_WEB_PORT_443_TCP_PORT=443
MY_WEB_PORT_443_TCP_ADDR=10.96.0.7";
        assert_eq!(text(&link("my-web", "10.96.0.7", &[("http", 80), ("a-b", 443)])), expected);
        let v6 = text(&link("v6", "fd00::1", &[("", 80)]));
        assert!(v6.contains("V6_PORT=tcp://[fd00::1]:80\n"), "{v6}");
    }

    #[test]
    fn a_pod_is_told_of_its_namespace_if_it_wants_and_of_the_api_always() {
        let links = ServiceLinks(Arc::new(|namespace| match namespace {
            "default" => vec![
                link("kubernetes", "10.96.0.1", &[("https", 443)]),
                link("x", "10.96.0.2", &[("", 1)]),
            ],
            "ns" => vec![link("web", "10.96.0.7", &[("", 80)])],
            _ => vec![],
        }));
        let hosts = |wants_all| {
            let all = links.variables("ns", wants_all).into_iter();
            all.filter(|(name, _)| name.ends_with("_HOST"))
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        assert_eq!(hosts(true), ["KUBERNETES_SERVICE_HOST", "WEB_SERVICE_HOST"]);
        assert_eq!(hosts(false), ["KUBERNETES_SERVICE_HOST"]);
    }
}
