//! A node that speaks the protocol and pretends that its pods run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use prost::Message;
use serde_json::{Value, json};
use sheave_push::PROTOCOL_VERSION;
use sheave_push::v1::{self, agent_message, node_client::NodeClient, server_message};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use crate::plane::{NODE_ADDRESS, Plane};

type Out = mpsc::Sender<v1::AgentMessage>;

/// What it was sent, by description, and where it stands.
#[derive(Default)]
struct Memory {
    seen: BTreeMap<String, usize>,
    epoch: String,
    generation: u64,
    next_address: u8,
    /// Acknowledgements are kept back.
    silent: bool,
    out: Option<Out>,
    /// By namespace and name.
    services: BTreeMap<String, v1::Service>,
    /// By name of the Service.
    slices: BTreeMap<String, v1::EndpointSlice>,
}

pub(crate) struct Node {
    name: String,
    memory: Arc<Mutex<Memory>>,
    running: Option<JoinHandle<()>>,
}

impl Node {
    pub(crate) async fn connect(plane: &Plane, name: &str) -> Self {
        let memory = Arc::new(Mutex::new(Memory { next_address: 2, ..Memory::default() }));
        let mut node = Self { name: name.to_owned(), memory, running: None };
        node.reconnect(plane).await;
        node
    }

    pub(crate) async fn reconnect(&mut self, plane: &Plane) {
        let endpoint = format!("http://{}", plane.node_address(&self.name));
        let mut client = NodeClient::connect(endpoint).await.unwrap();
        let (out, messages) = mpsc::channel(64);
        out.send(message(agent_message::Kind::Hello(self.hello()))).await.unwrap();
        let answers = client.sync(ReceiverStream::new(messages)).await.unwrap();
        let mut answers = answers.into_inner();
        let memory = Arc::clone(&self.memory);
        memory.lock().unwrap().out = Some(out.clone());
        self.running = Some(tokio::spawn(async move {
            // An error is the end of the stream, which the test brings about.
            while let Ok(Some(answer)) = answers.message().await {
                take(&memory, &out, answer).await;
            }
        }));
    }

    pub(crate) async fn hang_up(&mut self) {
        self.memory.lock().unwrap().out = None;
        if let Some(running) = self.running.take() {
            running.abort();
            let _ = running.await;
        }
    }

    /// Begins or ceases to keep acknowledgements back; then says the newest.
    pub(crate) async fn keep_silent(&self, silent: bool) {
        let (out, generation) = {
            let mut memory = self.memory.lock().unwrap();
            memory.silent = silent;
            (memory.out.clone(), memory.generation)
        };
        // Who is not connected says it later.
        if let Some(out) = out.filter(|_| !silent) {
            let ack = agent_message::Kind::Ack(v1::Ack { generation });
            out.send(message(ack)).await.unwrap();
        }
    }

    /// It is there; renews its lease.
    pub(crate) async fn heartbeat(&self) {
        let out = self.memory.lock().unwrap().out.clone().unwrap();
        out.send(message(agent_message::Kind::Heartbeat(v1::Heartbeat {}))).await.unwrap();
    }

    /// What it knew is lost: it will be sent a complete state.
    pub(crate) fn forget(&self) {
        let mut memory = self.memory.lock().unwrap();
        (memory.epoch, memory.generation) = (String::new(), 0);
    }

    pub(crate) fn seen(&self, what: &str) -> usize {
        self.memory.lock().unwrap().seen.get(what).copied().unwrap_or_default()
    }

    pub(crate) fn service(&self, key: &str) -> Option<v1::Service> {
        self.memory.lock().unwrap().services.get(key).cloned()
    }

    pub(crate) fn slice_of(&self, service: &str) -> Option<v1::EndpointSlice> {
        self.memory.lock().unwrap().slices.get(service).cloned()
    }

    pub(crate) async fn until_seen(&self, what: &str, times: usize) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.seen(what) < times {
            assert!(Instant::now() < deadline, "{what} was not sent {times} times");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn hello(&self) -> v1::Hello {
        let memory = self.memory.lock().unwrap();
        let node = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": { "name": self.name },
            "status": {
                "capacity": { "cpu": "4", "memory": "8Gi", "pods": "110" },
                "allocatable": { "cpu": "4", "memory": "8Gi", "pods": "110" },
                "conditions": [{ "type": "Ready", "status": "True" }],
                "addresses": [{ "type": "InternalIP", "address": NODE_ADDRESS }],
            },
        });
        v1::Hello {
            node_name: self.name.clone(),
            protocol_version: PROTOCOL_VERSION,
            agent_version: "test".into(),
            node: node.to_string().into(),
            resume_epoch: memory.epoch.clone(),
            resume_generation: memory.generation,
        }
    }
}

fn message(kind: agent_message::Kind) -> v1::AgentMessage {
    v1::AgentMessage { kind: Some(kind) }
}

async fn take(memory: &Mutex<Memory>, out: &Out, answer: v1::ServerMessage) {
    use server_message::Kind;
    let generation = answer.generation;
    let mut replies = Vec::new();
    match answer.kind.unwrap() {
        Kind::Welcome(welcome) => {
            let mut memory = memory.lock().unwrap();
            memory.epoch = welcome.epoch;
            let ranges = welcome.cluster.unwrap().node_pod_cidrs;
            assert!(["10.244.0.0/24", "10.244.1.0/24"].contains(&&*ranges[0]), "{ranges:?}");
        }
        Kind::InitBegin(_) => note(memory, "init".into()),
        Kind::Service(encoded) => {
            let service = v1::Service::decode(encoded).unwrap();
            let key = service.key.clone().unwrap();
            let key = format!("{}/{}", key.namespace, key.name);
            note(memory, format!("service {key}"));
            memory.lock().unwrap().services.insert(key, service);
        }
        Kind::EndpointSlice(encoded) => {
            let slice = v1::EndpointSlice::decode(encoded).unwrap();
            memory.lock().unwrap().slices.insert(slice.service_name.clone(), slice);
        }
        Kind::Node(json) => {
            let node: Value = serde_json::from_slice(&json).unwrap();
            if node["metadata"].get("deletionTimestamp").is_some() {
                note(memory, "node leaving".into());
            }
        }
        Kind::NodeGone(_) => note(memory, "node gone".into()),
        Kind::Pod(pod) => replies.push(message(status_of(memory, pod))),
        _ => {}
    }
    let silent = memory.lock().unwrap().silent;
    if generation > 0 {
        memory.lock().unwrap().generation = generation;
    }
    if generation > 0 && !silent {
        replies.push(message(agent_message::Kind::Ack(v1::Ack { generation })));
    }
    for reply in replies {
        // The server may have hung up meanwhile.
        let _ = out.send(reply).await;
    }
}

fn note(memory: &Mutex<Memory>, what: String) {
    *memory.lock().unwrap().seen.entry(what).or_default() += 1;
}

/// Runs at once; ends at once when deleted.
fn status_of(memory: &Mutex<Memory>, pod: v1::Pod) -> agent_message::Kind {
    let object: Value = serde_json::from_slice(&pod.object).unwrap();
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if object["metadata"].get("deletionTimestamp").is_some() {
        note(memory, format!("end of {name}"));
        return agent_message::Kind::PodEnded(v1::PodEnded { pod: pod.key, uid: pod.uid });
    }
    note(memory, format!("pod {name}"));
    let mut memory = memory.lock().unwrap();
    let ip = format!("10.244.0.{}", memory.next_address);
    memory.next_address += 1;
    let ready_at = sheave_api::time::seconds(jiff::Timestamp::now());
    let status = json!({
        "phase": "Running", "podIP": ip, "podIPs": [{ "ip": ip }],
        "conditions": [
            { "type": "Ready", "status": "True", "lastTransitionTime": ready_at }],
    });
    let status = status.to_string().into();
    agent_message::Kind::PodStatus(v1::PodStatus { pod: pod.key, uid: pod.uid, status })
}
