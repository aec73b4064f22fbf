//! The push source against a server that a test plays, over real mutual TLS.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod server;

use std::time::Duration;

use prost::Message;
use server::{Caller, Server};
use sheave_core::model::Update;
use sheave_push::v1::{self, TunnelData, agent_message, server_message::Kind, tunnel_data};
use sheave_sources::{
    Change, Connection, FromClient, Generation, PodChange, Push, PushConfig, Tunnels, What,
};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;

/// Answers every request by saying back what comes.
struct Echo;

impl Tunnels for Echo {
    fn open(&self, _: v1::TunnelRequest, mut from: FromClient) -> mpsc::Receiver<TunnelData> {
        let (answers, receiver) = mpsc::channel(4);
        tokio::spawn(async move {
            let opened = v1::TunnelOpened { status: 101, ..Default::default() };
            let opened = TunnelData { kind: Some(tunnel_data::Kind::Opened(opened)) };
            answers.send(opened).await.unwrap();
            while let Some(data) = from.next().await {
                answers.send(data).await.unwrap();
            }
        });
        receiver
    }
}

fn key(name: &str) -> v1::ObjectKey {
    v1::ObjectKey { namespace: "default".into(), name: name.into() }
}

fn service(name: &str, port: u32) -> Kind {
    let service = v1::Service {
        key: Some(key(name)),
        cluster_ips: vec!["10.96.0.7".into()],
        ports: vec![v1::ServicePort { port, protocol: 1, ..Default::default() }],
        ..Default::default()
    };
    Kind::Service(service.encode_to_vec().into())
}

fn pod(name: &str) -> v1::Pod {
    v1::Pod { key: Some(key(name)), uid: name.into(), object: "{}".into() }
}

fn secret(name: &str) -> v1::DataObject {
    v1::DataObject { key: Some(key(name)), ..Default::default() }
}

async fn next(changes: &mut mpsc::Receiver<Change>) -> Change {
    let change = tokio::time::timeout(Duration::from_secs(20), changes.recv()).await;
    change.expect("a change within 20 s").unwrap()
}

/// What comes until [`What::InitDone`], in short words.
async fn complete_state(changes: &mut mpsc::Receiver<Change>) -> (Vec<String>, Generation) {
    state(changes, What::InitDone).await
}

/// What comes until `end`, in short words.
async fn state(changes: &mut mpsc::Receiver<Change>, end: What) -> (Vec<String>, Generation) {
    let mut words = Vec::new();
    loop {
        let Change { generation, what } = next(changes).await;
        words.push(match what {
            what if what == end => return (words, generation),
            What::Cluster(cluster) => format!("cluster {}", cluster.dns_addresses.join(" ")),
            What::Init => "init".into(),
            What::Services(Update::Service(service)) => format!("service {}", service.key.name),
            What::Pods(PodChange::Pod(pod)) => format!("pod {}", pod.uid),
            What::Pods(PodChange::Secret(secret)) => format!("secret {}", secret.key.unwrap().name),
            What::Nothing => "nothing".into(),
            other => panic!("{other:?}"),
        });
    }
}

/// Welcome and a state with a Service, one that is invalid, a Secret and a pod.
async fn send_state(caller: &Caller, epoch: &str, generation: u64) {
    caller.welcome(epoch, false).await;
    caller.send(0, Kind::InitBegin(v1::InitBegin {})).await;
    caller.send(0, service("web", 80)).await;
    caller.send(0, service("broken", 0)).await;
    caller.send(0, Kind::Secret(secret("s"))).await;
    caller.send(0, Kind::Pod(pod("p"))).await;
    caller.send(generation, Kind::InitDone(v1::InitDone {})).await;
}

#[tokio::test]
async fn a_state_arrives_is_acknowledged_and_resumed() {
    let mut server = Server::start().await;
    let (push, mut changes) = Push::start(server.config(), std::sync::Arc::new(Echo));
    let mut caller = server.caller().await;
    assert_eq!((caller.hello.node_name.as_str(), caller.hello.resume_generation), ("n1", 0));
    send_state(&caller, "e1", 7).await;
    let (words, generation) = complete_state(&mut changes).await;
    let expected = ["cluster 10.96.0.10", "init", "service web", "nothing", "secret s", "pod p"];
    assert_eq!((words, generation.number()), (expected.map(String::from).into(), 7));

    push.ack(generation);
    let status = v1::PodStatus { pod: Some(key("p")), uid: "p".into(), status: "1".into() };
    push.pod_status(status.clone());
    let said = caller.says(3).await;
    assert!(said.contains(&agent_message::Kind::Ack(v1::Ack { generation: 7 })), "{said:?}");
    assert!(said.contains(&agent_message::Kind::PodStatus(status.clone())));
    let complaint = said.iter().find_map(|said| match said {
        agent_message::Kind::Event(event) => Some(event.message.as_str()),
        _ => None,
    });
    let expected = "Service default/broken: spec.ports[0].port: Invalid value: 0";
    assert!(complaint.unwrap().starts_with(expected), "{complaint:?}");

    caller.send(9, Kind::ServiceGone(key("web"))).await;
    let change = next(&mut changes).await;
    assert!(
        matches!(change.what, What::Services(Update::ServiceGone(_)))
            && change.generation.number() == 9
    );

    // The connection breaks: it comes back with what it has, and says its statuses again.
    drop(caller);
    let mut caller = server.caller().await;
    assert_eq!((caller.hello.resume_epoch.as_str(), caller.hello.resume_generation), ("e1", 9));
    caller.welcome("e1", true).await;
    let said = caller.says(2).await;
    assert!(said.contains(&agent_message::Kind::PodStatus(status)), "{said:?}");
    caller.send(10, service("web", 81)).await;
    assert!(matches!(next(&mut changes).await.what, What::Cluster(_)));
    let change = next(&mut changes).await;
    assert!(
        matches!(change.what, What::Services(Update::Service(_)))
            && change.generation.number() == 10
    );
}

/// What the server has decided is told apart from what broke, and changes nothing here.
#[tokio::test]
async fn a_refusal_is_told_and_the_server_asked_again() {
    let mut server = Server::start().await;
    let (push, mut changes) = Push::start(server.config(), std::sync::Arc::new(Echo));
    let mut connection = push.connection();
    let caller = server.caller().await;
    send_state(&caller, "e1", 7).await;
    complete_state(&mut changes).await;
    caller.refuse(tonic::Status::aborted("registers again")).await;
    let mut said = async |is_it: fn(&Connection) -> bool| {
        let found = connection.wait_for(is_it);
        tokio::time::timeout(Duration::from_secs(10), found)
            .await
            .expect("in 10 s")
            .unwrap()
            .clone()
    };
    let away = said(|now| matches!(now, Connection::Away(why) if why.contains("registers"))).await;
    assert_eq!(away, Connection::Away("the connection broke: registers again".into()));

    server.caller().await.refuse(tonic::Status::permission_denied("it was removed")).await;
    let refused = said(|now| matches!(now, Connection::Refused(_))).await;
    assert_eq!(refused, Connection::Refused("the connection broke: it was removed".into()));
    let caller = server.caller().await;
    let resumed = (caller.hello.resume_epoch.as_str(), caller.hello.resume_generation);
    assert_eq!(resumed, ("e1", 7), "it has what it had");
    caller.welcome("e1", true).await;
    said(|now| matches!(now, Connection::Up(_))).await;
    while let Ok(change) = changes.try_recv() {
        assert!(matches!(change.what, What::Cluster(_)), "{change:?}");
    }
}

#[tokio::test]
async fn a_state_that_broke_off_is_not_resumed() {
    let mut server = Server::start().await;
    let (_push, mut changes) = Push::start(server.config(), std::sync::Arc::new(Echo));
    let caller = server.caller().await;
    caller.welcome("e1", false).await;
    caller.send(0, Kind::InitBegin(v1::InitBegin {})).await;
    caller.send(0, service("web", 80)).await;
    next(&mut changes).await;
    next(&mut changes).await;
    next(&mut changes).await;
    drop(caller);
    assert_eq!(server.caller().await.hello.resume_generation, 0);
}

#[tokio::test]
async fn a_node_that_starts_alone_goes_on_with_what_is_on_disk() {
    let mut server = Server::start().await;
    let config = server.config();
    let (push, mut changes) = Push::start(config.clone(), std::sync::Arc::new(Echo));
    let caller = server.caller().await;
    send_state(&caller, "e1", 7).await;
    complete_state(&mut changes).await;
    let written = async {
        while !config.view_file.as_ref().unwrap().exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), written).await.expect("written within 10 s");
    // So does what comes last before the agent is killed: it had no time to be written.
    caller.send(8, service("late", 81)).await;
    next(&mut changes).await;
    drop((push, changes, caller));
    server.stop();
    // One that takes connections, as the kernel does for it, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_url = format!("https://{}", silent.local_addr().unwrap());

    for server in [config.server.clone(), silent_url] {
        let config = PushConfig { server: server.clone(), ..config.clone() };
        let (_push, mut changes) = Push::start(config, std::sync::Arc::new(Echo));
        let (words, generation) = state(&mut changes, What::Recalled).await;
        let expected = ["cluster 10.96.0.10", "init", "service web", "pod p"];
        assert_eq!(words, expected, "{server}, and no Secret");
        // What is not in it, as that which came last, is not said to be gone.
        let more = tokio::time::timeout(Duration::from_millis(500), changes.recv()).await;
        assert!(more.is_err(), "{more:?}");
        assert_eq!(generation.number(), 0, "nobody is there to acknowledge to");
    }
}

#[tokio::test]
async fn what_is_on_disk_is_nothing_to_a_node_with_a_server() {
    let mut server = Server::start().await;
    let config = server.config();
    std::fs::write(config.view_file.as_ref().unwrap(), []).unwrap();
    let (_push, mut changes) = Push::start(config, std::sync::Arc::new(Echo));
    let caller = server.caller().await;
    send_state(&caller, "e1", 7).await;
    complete_state(&mut changes).await;
    // As long as it would have waited for one, and longer.
    let more = tokio::time::timeout(Duration::from_secs(7), changes.recv()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways() {
    let mut server = Server::start().await;
    let (_push, _changes) = Push::start(server.config(), std::sync::Arc::new(Echo));
    let caller = server.caller().await;
    caller.welcome("e1", false).await;
    let request = v1::TunnelRequest { id: "t1".into(), ..Default::default() };
    caller.send(0, Kind::TunnelRequest(Box::new(request))).await;
    let mut tunnel = server.tunnel().await;
    assert_eq!(tunnel.id, "t1");
    assert!(matches!(tunnel.receive().await, Some(tunnel_data::Kind::Opened(_))));
    tunnel.send("hello".into()).await;
    assert_eq!(tunnel.receive().await, Some(tunnel_data::Kind::Data("hello".into())));
    tunnel.hang_up();
    assert_eq!(tunnel.receive().await, None);
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_trusted() {
    let server = Server::start().await;
    let stranger = Server::start().await;
    let config = server.config();
    let authority = |config: &PushConfig| config.files.dir().join("ca.crt");
    std::fs::copy(authority(&stranger.config()), authority(&config)).unwrap();
    let (push, _changes) = Push::start(config, std::sync::Arc::new(Echo));
    let mut connection = push.connection();
    connection.changed().await.unwrap();
    let text = format!("{:?}", connection.borrow_and_update());
    assert!(text.contains("UnknownIssuer") || text.contains("BadSignature"), "{text}");
}

#[tokio::test]
async fn a_certificate_is_renewed_and_nothing_under_way_is_lost() {
    let mut server = Server::start_with(Some(Duration::from_secs(5))).await;
    let files = server.config().files;
    let before = files.load().unwrap().unwrap().certificate;
    let (push, mut changes) = Push::start(server.config(), std::sync::Arc::new(Echo));
    let mut first = server.caller().await;
    first.welcome("e1", false).await;
    first.send(0, Kind::InitBegin(v1::InitBegin {})).await;
    first.send(7, Kind::InitDone(v1::InitDone {})).await;
    while next(&mut changes).await.what != What::InitDone {}
    let request = v1::TunnelRequest { id: "t1".into(), ..Default::default() };
    first.send(0, Kind::TunnelRequest(Box::new(request))).await;
    let mut tunnel = server.tunnel().await;
    assert!(matches!(tunnel.receive().await, Some(tunnel_data::Kind::Opened(_))));

    // Said until the last moment, by whoever does not know of the renewal.
    let events = tokio::spawn({
        let push = push.clone();
        async move {
            for number in 0..600 {
                push.event(v1::Event { reason: number.to_string(), ..Default::default() });
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    });
    let said = first.hears_the_end().await;
    // What the server sends until it has heard of the end is heard.
    first.send(8, service("late", 80)).await;
    let request = v1::TunnelRequest { id: "t2".into(), ..Default::default() };
    first.send(0, Kind::TunnelRequest(Box::new(request))).await;
    drop(first);
    assert_eq!(next(&mut changes).await.generation.number(), 8);
    let mut late = server.tunnel().await;
    assert!(matches!(late.receive().await, Some(tunnel_data::Kind::Opened(_))));

    let mut second = server.caller().await;
    assert_eq!((second.hello.resume_epoch.as_str(), second.hello.resume_generation), ("e1", 8));
    second.welcome("e1", true).await;
    let after = files.load().unwrap().unwrap().certificate;
    assert_ne!(before.pin, after.pin);
    for tunnel in [&mut tunnel, &mut late] {
        tunnel.send("still".into()).await;
        assert_eq!(tunnel.receive().await, Some(tunnel_data::Kind::Data("still".into())));
    }
    let mut reasons = Vec::new();
    let events_in = |said: Vec<agent_message::Kind>, reasons: &mut Vec<String>| {
        reasons.extend(said.into_iter().filter_map(|kind| match kind {
            agent_message::Kind::Event(event) => Some(event.reason),
            _ => None,
        }));
    };
    events_in(said, &mut reasons);
    while reasons.last().is_none_or(|last| last != "599") {
        events_in(second.says(1).await, &mut reasons);
    }
    events.await.unwrap();
    let expected: Vec<String> = (0..600).map(|number| number.to_string()).collect();
    assert_eq!(reasons, expected, "each once, in order");
}

#[tokio::test]
async fn a_certificate_that_ended_is_named_with_the_remedy() {
    let server = Server::start_with(Some(Duration::from_secs(1))).await;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let (push, _changes) = Push::start(server.config(), std::sync::Arc::new(Echo));
    let mut connection = push.connection();
    connection.changed().await.unwrap();
    let text = format!("{:?}", connection.borrow_and_update());
    assert!(text.contains("this node's certificate has ended"), "{text}");
    assert!(text.contains("sheave join URL --token TOKEN"), "{text}");
}
