//! Sheave's side: a node of the lab, or two, with pods and Services made at the API server.

use super::server::Enter;
use super::services::{self, MEASURED};
use crate::bench::nodes::mtu_of;
use crate::bench::proxy::{Proxy, for_each};
use crate::cluster::{output_of, wait_for};
use crate::traffic::Ask;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use sheave_lab::{Lab, Machine};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

const READY_LIMIT: Duration = Duration::from_secs(60);
/// Until a node has all Services.
const SERVICES_LIMIT: Duration = Duration::from_secs(180);
const JSON: &str = "application/json";
/// Both are on the first node.
const CLIENT: &str = "client";
const PACKET_CLIENT: &str = "packet-client";

pub(super) struct Sheave {
    nodes: Vec<Machine>,
    proxy: Proxy,
    /// Of the others that nobody dials.
    made: u32,
    pods: Value,
    services: Value,
}

impl Sheave {
    /// With pods that run, and the measured Service.
    pub(super) fn start(lab: &Lab) -> Result<Self> {
        let count = lab.plan().nodes.len();
        let nodes = (1..=count).map(|number| lab.node(number)).collect::<Result<Vec<_>, _>>()?;
        let proxy = Proxy::start(&lab.kubeconfig())?;
        let manifest = lab.directory().join("service.json");
        std::fs::write(&manifest, objects(count).to_string())?;
        let file = manifest.to_str().context("the lab's path is not UTF-8")?;
        // The namespace's service account is made in its own time.
        wait_for("the pods to be taken", READY_LIMIT, || {
            Ok(Some(lab.kubectl(&["apply", "--filename", file])?))
        })?;
        lab.kubectl(&["wait", "pods", "--all", "--for=condition=Ready", "--timeout=60s"])?;
        let list = |kind| -> Result<Value> {
            Ok(serde_json::from_str(&lab.kubectl(&["get", kind, "--output=json"])?)?)
        };
        let (pods, services) = (list("pods")?, list("services")?);
        Ok(Self { nodes, proxy, made: 0, pods, services })
    }

    /// A pod whose sockets are translated.
    pub(super) fn in_client(&self) -> Result<Enter> {
        self.inside(CLIENT, 1)
    }

    /// One whose sockets are left alone.
    pub(super) fn in_packet_client(&self) -> Result<Enter> {
        self.inside(PACKET_CLIENT, 1)
    }

    /// The server's pod on a node, by its number from 1.
    pub(super) fn in_server(&self, node: u16) -> Result<Enter> {
        self.inside(&server(node), node)
    }

    /// Its address.
    pub(super) fn server(&self, node: u16) -> Result<Ipv4Addr> {
        let pod = find(&self.pods, &server(node))?;
        let address = pod["status"]["podIP"].as_str().context("the server has no address")?;
        Ok(address.parse()?)
    }

    /// The address of the measured Service whose server is on a node.
    pub(super) fn cluster_ip(&self, node: u16) -> Result<Ipv4Addr> {
        let service = find(&self.services, &measured(node))?;
        let address = service["spec"]["clusterIP"].as_str().context("it has no ClusterIP")?;
        Ok(address.parse()?)
    }

    /// Of the pods' interfaces.
    pub(super) fn mtu(&self) -> Result<u32> {
        let words = ["ip", "-json", "link", "show", "dev", "eth0"].map(str::to_owned);
        mtu_of(&output_of(&mut self.in_client()?(&words)?)?)
    }

    /// Makes Services until there are so many with the measured one, and waits until every node's kernel has them.
    pub(super) fn fill(&mut self, services: u32) -> Result<()> {
        let others = services - 1;
        for_each(self.made..others, |number| {
            let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
            self.post(slices, &services::slice(number))?;
            self.post("/api/v1/namespaces/default/services", &services::service(number))
        })?;
        self.made = self.made.max(others);
        self.nodes.iter().try_for_each(|node| wait_services(node, self.made))
    }

    fn post(&self, path: &str, object: &Value) -> Result<()> {
        let body = object.to_string();
        let asked = self.proxy.ask(&Ask { method: "POST", path, body: Some((JSON, &body)) });
        asked.map(drop).with_context(|| format!("create {}", object["metadata"]["name"]))
    }

    /// As a process of a pod, with this machine's files.
    fn inside(&self, pod: &str, node: u16) -> Result<Enter> {
        let uid = find(&self.pods, pod)?["metadata"]["uid"].as_str().context("a uid")?.to_owned();
        let machine = self.nodes[usize::from(node) - 1].clone();
        Ok(Box::new(move |words| {
            let (program, arguments) = words.split_first().context("a program's name")?;
            let mut command = machine.pod_command(&uid, Path::new(program))?;
            command.args(arguments);
            Ok(command)
        }))
    }
}

/// Waits until the kernel of a node has so many of the others.
fn wait_services(node: &Machine, others: u32) -> Result<()> {
    let what = format!("{} to have {others} Services more", node.name());
    wait_for(&what, SERVICES_LIMIT, || {
        let lines = node.run(&["sheave", "services"])?;
        let mark = format!("default/{}", services::OTHER);
        let count = lines.lines().filter(|line| line.starts_with(&mark)).count();
        Ok((count >= others as usize).then_some(()))
    })
}

fn find<'a>(list: &'a Value, name: &str) -> Result<&'a Value> {
    let mut items = list["items"].as_array().into_iter().flatten();
    items
        .find(|item| item["metadata"]["name"] == name)
        .with_context(|| format!("there is no {name}"))
}

fn server(node: u16) -> String {
    format!("server-{node}")
}

fn measured(node: u16) -> String {
    format!("measured-{node}")
}

/// Both clients on the first node; a server, and a Service for it, on each.
fn objects(nodes: usize) -> Value {
    let mut items = vec![pod(CLIENT, 1), pod(PACKET_CLIENT, 1)];
    items[1]["metadata"]["annotations"] = json!({ "sheave.io/socket-hooks": "off" });
    for node in 1..=nodes as u16 {
        items.extend([pod(&server(node), node), service(node)]);
    }
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}

/// Idle by itself. All have equal shares of the processor, so that other work on the machine slows them alike.
fn pod(name: &str, node: u16) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "labels": { "app": name } },
        "spec": {
            "nodeName": format!("node-{node}"),
            "containers": [{
                "name": "idle",
                "image": "sheave.local/hello:1",
                "resources": { "requests": { "cpu": "200m" } },
            }],
        },
    })
}

fn service(node: u16) -> Value {
    let ports = MEASURED.map(|measured| {
        json!({
            "name": measured.name,
            "protocol": measured.protocol.to_string().to_uppercase(),
            "port": measured.port,
            "nodePort": measured.node_port(node),
        })
    });
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": measured(node) },
        "spec": { "type": "NodePort", "selector": { "app": server(node) }, "ports": ports },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_is_opted_out_of_the_socket_hooks_and_each_server_has_its_service() {
        let list = objects(2);
        assert_eq!(list["items"].as_array().unwrap().len(), 6);
        let annotations = |name| find(&list, name).unwrap()["metadata"]["annotations"].clone();
        assert_eq!(annotations(PACKET_CLIENT)["sheave.io/socket-hooks"], "off");
        assert_eq!(annotations(CLIENT), Value::Null);
        let second = &find(&list, "measured-2").unwrap()["spec"];
        assert_eq!(second["selector"]["app"], "server-2");
        assert_eq!(
            (&second["ports"][2]["protocol"], &second["ports"][2]["nodePort"]),
            (&json!("UDP"), &json!(32_300))
        );
    }
}
