//! Services whose backends are on the other node: from pods, and from outside.

use std::fmt::Write as _;

use sheave_tests::peers::{Between, Nodes};
use sheave_tests::site::{ask, connected, tcp};

use crate::two_nodes;

/// A service of each protocol and family with one backend, the pod 3 of node 2.
fn web() -> String {
    let mut all = String::new();
    for protocol in ["TCP", "UDP"] {
        let name = protocol.to_lowercase();
        write!(
            all,
            "---\nkind: Service\nmetadata: {{name: {name}}}\n\
             spec: {{type: NodePort, clusterIPs: [10.96.0.7, 'fd00:96::7'], \
             ports: [{{protocol: {protocol}, port: 80, nodePort: 30080}}]}}\n"
        )
        .unwrap();
        for (family, address) in [("IPv4", "10.244.2.3"), ("IPv6", "fd00:244:2::3")] {
            write!(
                all,
                "---\nkind: EndpointSlice\nmetadata: {{name: {name}-{family}, \
                 labels: {{kubernetes.io/service-name: {name}}}}}\naddressType: {family}\n\
                 ports: [{{protocol: {protocol}, port: 8080}}]\n\
                 endpoints: [{{addresses: ['{address}'], nodeName: n2}}]\n"
            )
            .unwrap();
        }
    }
    all
}

fn served(nodes: &Nodes) {
    nodes.serve(&web());
    for number in [1, 2] {
        let frontends = || nodes.node(number).maps().frontends().unwrap().len();
        let limit = std::time::Duration::from_secs(5);
        sheave_tests::wait::until("the services", limit, frontends, |count| *count >= 6);
    }
}

#[test]
fn a_pod_reaches_a_backend_elsewhere_as_itself() {
    for between in [Between::Link, Between::Router] {
        let nodes = two_nodes("pn-inside", between, [&[], &[]]);
        served(&nodes);
        for (family, service) in [(0, "10.96.0.7:80"), (1, "[fd00:96::7]:80")] {
            let pod = &nodes.node(1).pod_addresses(2)[family];
            let client = &nodes.node(1).pods[&2];
            let seen = tcp(client, service, 1 << 20).map(|from| from.ip().to_string());
            assert_eq!(seen.as_deref(), Ok(pod.as_str()), "{between:?}");
            let seen = ask(&connected(client, service, 0), 900).map(|from| from.ip().to_string());
            assert_eq!(seen.as_deref(), Ok(pod.as_str()), "{between:?}");
        }
        for number in [1, 2] {
            nodes.node(number).assert_nothing_dropped();
        }
    }
}

#[test]
fn a_client_outside_reaches_a_backend_by_either_node() {
    for between in [Between::Link, Between::Router] {
        let nodes = two_nodes("pn-outside", between, [&[], &[]]);
        served(&nodes);
        for number in [1, 2] {
            for address in nodes.addresses(number) {
                let frontend = crate::at(&address, 30080);
                let seen = tcp(&nodes.outside, &frontend, 1 << 20);
                assert!(seen.is_ok(), "{between:?} TCP by node {number}, {address}: {seen:?}");
                let seen = ask(&connected(&nodes.outside, &frontend, 0), 900);
                assert!(seen.is_ok(), "{between:?} UDP by node {number}, {address}: {seen:?}");
            }
        }
        for number in [1, 2] {
            nodes.node(number).assert_nothing_dropped();
        }
    }
}
