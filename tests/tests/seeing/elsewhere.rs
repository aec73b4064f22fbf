//! A client outside whose backend is on another node: what is said of both, and of what each sees of the other.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};

use crate::answers::list;
use crate::node::{Node, hold};

const AWAY: &str = "
kind: Service
metadata: {name: away, namespace: shop}
spec:
  clusterIP: 10.96.0.5
  type: NodePort
  ports: [{port: 80, nodePort: 30081}]
---
kind: EndpointSlice
metadata: {name: away-1, namespace: shop, labels: {kubernetes.io/service-name: away}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [10.244.1.9], nodeName: there}]
";
const BACKEND: &str = "10.244.1.9:8080";
const FRONTEND: &str = "192.0.2.1:30081";

#[test]
fn a_client_is_shown_with_what_its_backend_sees() {
    let node = Node::new("see-elsewhere");
    node.lab.serve_file("away", AWAY);
    let there = node.lab.other_node();
    there.run(|| {
        let listener = TcpListener::bind(BACKEND).unwrap();
        std::thread::spawn(move || listener.incoming().for_each(|s| hold(s.unwrap())));
    });
    node.until("services shop/away", |seen| !list(seen, "frontends").is_empty());
    let open = node.lab.outside.run(|| TcpStream::connect(FRONTEND)).unwrap();
    let client = open.local_addr().unwrap().to_string();
    let shown = BufReader::new(open.try_clone().unwrap()).lines().next().unwrap().unwrap();
    assert!(shown.starts_with("192.0.2.1:"), "the backend takes the node for the client: {shown}");

    let seen =
        node.until("connections --service away", |seen| list(seen, "connections").len() == 1);
    let row = &list(&seen, "connections")[0];
    let said = ["client", "frontend", "backend", "shownAs"].map(|name| row[name].as_str().unwrap());
    assert_eq!(said, [client.as_str(), FRONTEND, BACKEND, shown.as_str()]);
    let text = node.text("connections --service away");
    assert!(text.contains(&format!("{client} as {shown} ")), "{text}");

    let text = node.text(&format!("explain outside {FRONTEND}"));
    assert!(text.contains("is shown 192.0.2.1 in place of the client"), "{text}");
    assert!(text.contains(&format!("{BACKEND}, on another node")), "{text}");
}
