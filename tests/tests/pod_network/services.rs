//! Services whose backends are on the other node, from pods; what the tests of clients outside share.

use std::fmt::Write as _;
use std::time::Duration;

use sheave_abi::service::BACKEND_LIVE;
use sheave_tests::peers::{Between, Nodes, addr};
use sheave_tests::site::{ask, connected, tcp};
use sheave_tests::wait;

use crate::two_nodes;

/// A service of each protocol and family with one backend, the pod 3 of `node`, reached by its own addresses, by
/// the port 30080 of nodes, and by a load balancer's addresses.
fn web(node: u8, port: u16) -> String {
    let mut all = String::new();
    for protocol in ["TCP", "UDP"] {
        let name = protocol.to_lowercase();
        write!(
            all,
            "---\nkind: Service\nmetadata: {{name: {name}}}\n\
             spec: {{type: LoadBalancer, clusterIPs: [10.96.0.7, 'fd00:96::7'], \
             ports: [{{protocol: {protocol}, port: 80, nodePort: 30080}}]}}\n\
             status: {{loadBalancer: {{ingress: [{{ip: {}}}, {{ip: '{}'}}]}}}}\n",
            BALANCED[0], BALANCED[1]
        )
        .unwrap();
        let backend = [format!("10.244.{node}.3"), format!("fd00:244:{node}::3")];
        for (family, address) in ["IPv4", "IPv6"].iter().zip(&backend) {
            write!(
                all,
                "---\nkind: EndpointSlice\nmetadata: {{name: {name}-{family}, \
                 labels: {{kubernetes.io/service-name: {name}}}}}\naddressType: {family}\n\
                 ports: [{{protocol: {protocol}, port: {port}}}]\n\
                 endpoints: [{{addresses: ['{address}'], nodeName: n{node}}}]\n"
            )
            .unwrap();
        }
    }
    all
}

/// The load balancer's addresses.
pub(crate) const BALANCED: [&str; 2] = ["198.18.7.7", "2001:db8:77::7"];

/// Has the nodes with an agent, `numbers`, serve [`web`] by the server of `node`.
pub(crate) fn served(nodes: &Nodes, numbers: &[u8], node: u8) {
    served_at(nodes, numbers, node, 8080);
}

/// Likewise by a port of the pod that may have no server.
pub(crate) fn served_at(nodes: &Nodes, numbers: &[u8], node: u8, port: u16) {
    nodes.serve(&web(node, port));
    let backends = [format!("10.244.{node}.3"), format!("fd00:244:{node}::3")];
    let backends = backends.map(|backend| addr(&backend));
    for number in numbers {
        let maps = nodes.node(*number).maps();
        let live = || {
            let all = maps.backends_in_use().unwrap();
            let live = all.iter().filter(|(_, backend)| backend.state == BACKEND_LIVE);
            live.filter(|(_, b)| backends.contains(&b.addr) && b.port.get() == port).count()
        };
        // Two protocols, two families.
        wait::until("the services", Duration::from_secs(5), live, |count| *count == 4);
    }
}

#[test]
fn a_pod_reaches_a_backend_elsewhere_as_itself() {
    for between in [Between::Link, Between::Router] {
        let nodes = two_nodes("pn-inside", between, [&[], &[]]);
        served(&nodes, &[1, 2], 2);
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
