//! Machines that join a real server: all at once, and while it is killed again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sheave_join::{Description, JoinAnswer, JoinRequest, NodeKey, PATH, Pin, Token};
use sheave_push::PROTOCOL_VERSION;
use sheave_push::v1::node_client::NodeClient;
use sheave_push::v1::{AgentMessage, Hello, Welcome, agent_message, server_message};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};

use crate::process::{Server, free_port};

/// A machine that has joined.
#[derive(Clone)]
struct Machine {
    name: String,
    key: String,
    answer: JoinAnswer,
}

/// A token, as `sheave token create` makes it.
fn token(server: &Server) -> Token {
    let authority = std::fs::read_to_string(server.data_dir.join("server/pki/ca.crt")).unwrap();
    let token = Token::generate(Pin::of_certificate(&authority).unwrap());
    let description = Description { ttl: Duration::from_secs(600), ..Description::default() };
    let file = server.data_dir.join("token.json");
    std::fs::write(&file, token.to_secret(&description).to_string()).unwrap();
    server.kubectl(&["create", "--filename", &file.to_string_lossy()]);
    token
}

/// POST over HTTPS; `None` when there was no answer.
fn post(server: &Server, request: &JoinRequest) -> Option<JoinAnswer> {
    let authority = server.data_dir.join("server/pki/ca.crt");
    let mut curl = Command::new("curl")
        .args(["--silent", "--fail", "--max-time", "30", "--data-binary", "@-", "--cacert"])
        .arg(authority)
        .arg(format!("https://127.0.0.1:{}{PATH}", server.port))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("curl is there");
    let mut body = curl.stdin.take().unwrap();
    body.write_all(serde_json::to_string(request).unwrap().as_bytes()).unwrap();
    drop(body);
    let output = curl.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).ok()
}

fn join(server: &Server, token: &Token, name: &str) -> Machine {
    let key = NodeKey::generate().unwrap();
    let request = JoinRequest {
        token: token.proof(),
        node_name: name.to_owned(),
        certificate_request: key.request().unwrap(),
    };
    let answer = post(server, &request).unwrap_or_else(|| panic!("{name} may not join"));
    Machine { name: name.to_owned(), key: key.to_pem(), answer }
}

/// Says Hello as the machine's agent would; the Welcome, and what keeps the stream open.
async fn connect(port: u16, machine: &Machine) -> Result<(Welcome, impl Sized), String> {
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&machine.answer.certificate_authority))
        .identity(Identity::from_pem(&machine.answer.certificate, &machine.key));
    let endpoint = Channel::from_shared(format!("https://127.0.0.1:{port}")).unwrap();
    let channel =
        endpoint.tls_config(tls).unwrap().connect().await.map_err(|e| format!("{e:?}"))?;
    let node = serde_json::json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": machine.name } });
    let hello = Hello {
        node_name: machine.name.clone(),
        protocol_version: PROTOCOL_VERSION,
        agent_version: "test".to_owned(),
        node: node.to_string().into_bytes().into(),
        ..Hello::default()
    };
    let (say, said) = tokio::sync::mpsc::channel(4);
    let hello = AgentMessage { kind: Some(agent_message::Kind::Hello(hello)) };
    say.send(hello).await.unwrap();
    let answer = NodeClient::new(channel).sync(ReceiverStream::new(said)).await;
    let mut stream = answer.map_err(|status| status.message().to_owned())?.into_inner();
    let first = stream.message().await.map_err(|status| status.message().to_owned())?;
    match first.and_then(|message| message.kind) {
        Some(server_message::Kind::Welcome(welcome)) => Ok((*welcome, (say, stream))),
        other => Err(format!("no Welcome: {other:?}")),
    }
}

fn ranges(welcome: &Welcome) -> String {
    welcome.cluster.as_ref().unwrap().node_pod_cidrs.join(" ")
}

/// All at once, as often as it takes until each is welcome once.
async fn connect_all(
    port: u16,
    machines: &[Machine],
    given: &mut BTreeMap<String, String>,
    limit: Duration,
) {
    let deadline = Instant::now() + limit;
    let attempts = machines.iter().cloned().map(|machine| {
        tokio::spawn(async move {
            while Instant::now() < deadline {
                let attempt = tokio::time::timeout(Duration::from_secs(5), connect(port, &machine));
                if let Ok(Ok((welcome, _open))) = attempt.await {
                    return Some((machine.name.clone(), ranges(&welcome)));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            None
        })
    });
    for attempt in attempts.collect::<Vec<_>>() {
        let Some((name, ranges)) = attempt.await.unwrap() else { continue };
        let before = given.insert(name.clone(), ranges.clone());
        assert!(
            before.as_ref().is_none_or(|before| *before == ranges),
            "{name}: {before:?} {ranges}"
        );
    }
}

fn assert_apart(given: &BTreeMap<String, String>) {
    let distinct: BTreeSet<_> = given.values().flat_map(|ranges| ranges.split(' ')).collect();
    assert_eq!(distinct.len(), 2 * given.len(), "one a family and node: {given:?}");
}

const DUAL: [&str; 1] = ["--pod-cidr=10.244.0.0/16,fd00:244::/48"];

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_nodes_register_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(dir.path(), free_port(), &DUAL);
    let token = token(&server);
    let machines: Vec<Machine> =
        (0..200).map(|number| join(&server, &token, &format!("vm-{number:03}"))).collect();
    let (mut given, began) = (BTreeMap::new(), Instant::now());
    connect_all(server.port, &machines, &mut given, Duration::from_secs(30)).await;
    println!("{} nodes are welcome after {} ms", given.len(), began.elapsed().as_millis());
    assert_eq!(given.len(), machines.len());
    assert_apart(&given);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_range_is_given_twice_however_often_the_server_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start_with(dir.path(), free_port(), &DUAL);
    let token = token(&server);
    let machines: Vec<Machine> =
        (0..40).map(|number| join(&server, &token, &format!("vm-{number:02}"))).collect();
    let port = server.port;
    let mut given = BTreeMap::new();
    for round in 0..8 {
        // Those that come first this time are others than the last.
        let some = machines[round * 5..].to_vec();
        let connecting = tokio::spawn(async move {
            let mut given = BTreeMap::new();
            connect_all(port, &some, &mut given, Duration::from_millis(400)).await;
            given
        });
        tokio::time::sleep(Duration::from_millis(15 + 30 * round as u64)).await;
        server.kill();
        for (name, ranges) in connecting.await.unwrap() {
            let before = given.insert(name.clone(), ranges.clone());
            assert!(before.as_ref().is_none_or(|b| *b == ranges), "{name}: {before:?} {ranges}");
        }
        server = Server::start_with(dir.path(), port, &DUAL);
    }
    println!("{} of {} nodes were welcome before the last kill", given.len(), machines.len());
    connect_all(port, &machines, &mut given, Duration::from_secs(20)).await;
    assert_eq!(given.len(), machines.len());
    assert_apart(&given);

    // Some leave, others come; nobody gets what somebody has.
    for machine in &machines[..10] {
        server.kubectl(&["delete", "node", &machine.name]);
        given.remove(&machine.name);
        let refused = connect(port, machine).await.err().expect("it was removed");
        assert!(
            refused.contains("is not the node") && refused.contains("sheave join"),
            "{refused}"
        );
    }
    let others: Vec<Machine> =
        (0..20).map(|number| join(&server, &token, &format!("new-{number:02}"))).collect();
    connect_all(port, &others, &mut given, Duration::from_secs(20)).await;
    assert_eq!(given.len(), 50);
    assert_apart(&given);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_for_which_no_range_is_left_is_told_so_and_its_node_says_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(dir.path(), free_port(), &["--pod-cidr=10.244.0.0/23"]);
    let token = token(&server);
    let names = ["a", "b", "c"];
    let machines = names.map(|name| join(&server, &token, name));
    let mut open = Vec::new();
    for machine in &machines[..2] {
        open.push(connect(server.port, machine).await.unwrap());
    }
    let refused = connect(server.port, &machines[2]).await.err().unwrap();
    let sentence = "no /24 is left in the pod range 10.244.0.0/23: every one belongs to a node";
    assert!(refused.contains(sentence) && refused.contains("larger range"), "{refused}");
    let event = ["get", "events", "--field-selector=reason=CIDRNotAvailable", "--output=yaml"];
    let deadline = Instant::now() + Duration::from_secs(10);
    while !server.kubectl(&event).contains("no /24 is left") {
        assert!(Instant::now() < deadline, "no event: {}", server.kubectl(&event));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.kubectl(&["delete", "node", "a"]);
    let deadline = Instant::now() + Duration::from_secs(10);
    while connect(server.port, &machines[2]).await.is_err() {
        assert!(Instant::now() < deadline, "the range of a node that is gone does not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Half a join is none: the key alone joins nobody, and an answer that was lost can be asked for again.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_can_be_asked_for_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path(), free_port());
    let token = token(&server);
    let key = NodeKey::generate().unwrap();
    let request = JoinRequest {
        token: token.proof(),
        node_name: "vm-2".to_owned(),
        certificate_request: key.request().unwrap(),
    };
    post(&server, &request).expect("it may join");
    server.kill();
    let server = Server::start(dir.path(), server.port);
    let answer = post(&server, &request).expect("it may join with the same key");
    let machine = Machine { name: "vm-2".to_owned(), key: key.to_pem(), answer };
    connect(server.port, &machine).await.unwrap();
    let other = NodeKey::generate().unwrap();
    let request = JoinRequest { certificate_request: other.request().unwrap(), ..request };
    assert_eq!(post(&server, &request), None, "the name is taken");
}
