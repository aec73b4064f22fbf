//! services, backends, connections, drops, explain: what they say of traffic that really flows.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use sheave_tests::lab::Sockets;

use crate::node::Node;

pub(crate) fn list<'a>(answer: &'a Value, name: &str) -> &'a Vec<Value> {
    answer[name].as_array().unwrap_or_else(|| panic!("no list {name} in {answer}"))
}

#[test]
fn services_are_shown_with_their_type_and_how_many_answer() {
    let node = Node::new("see-services");
    let all = node.json("services");
    let addresses: Vec<_> =
        list(&all, "frontends").iter().map(|f| f["address"].as_str().unwrap()).collect();
    let expected = [
        "10.96.0.2:80",
        "10.96.0.4:80",
        "192.0.2.200:80",
        "10.96.0.3:80",
        "10.96.0.1:80",
        "127.0.0.1:30080",
        "192.0.2.1:30080",
    ];
    assert_eq!(addresses, expected, "{all:#}");
    let of_web = node.json("services shop/web");
    let outside = &list(&of_web, "frontends")[2];
    assert_eq!(outside["at"], "NodePort");
    assert_eq!(outside["type"], "NodePort");
    assert_eq!(outside["backends"].as_array().unwrap().len(), 2);
    assert_eq!(outside["externalBackends"].as_array().unwrap().len(), 2);
    assert!(of_web["inEffectAt"].is_string());
    assert_eq!(list(&node.json("services --namespace elsewhere"), "frontends").len(), 0);
    let text = node.text("services pinned");
    assert!(text.contains("600s") && text.contains("shop/pinned"), "{text}");
}

#[test]
fn connections_are_shown_with_both_ends_and_counted_at_their_backends() {
    let node = Node::new("see-connections");
    let by_packet = node.connect(Sockets::Untouched, "10.96.0.1:80");
    let by_socket = node.connect(Sockets::Translated, "10.96.0.1:80");
    let seen = node.until("connections --service web", |seen| list(seen, "connections").len() == 2);
    for (connection, path) in [(&by_packet, "packet"), (&by_socket, "socket")] {
        let mut rows = list(&seen, "connections").iter();
        let row = rows.find(|row| row["client"] == connection.client.as_str());
        let row = row.unwrap_or_else(|| panic!("{} is not in {seen:#}", connection.client));
        assert_eq!((&row["path"], &row["frontend"]), (&Value::from(path), &"10.96.0.1:80".into()));
        assert_eq!((&row["service"], &row["backendState"]), (&"shop/web".into(), &"live".into()));
        assert!(row["backend"].as_str().unwrap().ends_with(":8080"), "{row}");
    }
    let backends = node.json("backends web");
    let sum = |field: &str| -> u64 {
        list(&backends, "backends").iter().map(|row| row[field].as_u64().unwrap()).sum()
    };
    assert_eq!((sum("flows"), sum("sockets")), (1, 1), "{backends:#}");
    assert!(list(&backends, "backends").iter().all(|row| row["here"] == true));
    assert_eq!(list(&node.json("connections --address 10.244.0.9"), "connections").len(), 0);
    assert_eq!(list(&node.json("connections --pod 10.244.0.4"), "connections").len(), 2);
    let wrong = node.sheave("connections --address nonsense");
    assert!(!wrong.ok && wrong.stderr.contains("is no IP address"), "{}", wrong.stderr);
    drop(by_socket);
    node.until("connections --service web", |seen| {
        list(seen, "connections").len() == 1 && seen["closedSockets"].as_u64() >= Some(1)
    });
}

#[test]
fn drops_are_shown_with_reason_count_and_remedy() {
    let node = Node::new("see-drops");
    assert_eq!(list(&node.json("drops"), "drops").len(), 0);
    let pod = &node.lab.pods[&4];
    let dial = |to: &str| {
        let to = to.parse().unwrap();
        pod.run(|| TcpStream::connect_timeout(&to, Duration::from_millis(300)).unwrap_err().kind())
    };
    assert_eq!(dial("10.96.7.7:80"), ErrorKind::TimedOut, "nobody's address");
    assert_eq!(dial("10.96.0.2:80"), ErrorKind::ConnectionRefused, "no endpoint");
    let seen = node.json("drops");
    let of = |name: &str| list(&seen, "drops").iter().find(|row| row["name"] == name).cloned();
    let dropped = of("UnallocatedAddress").unwrap_or_else(|| panic!("not in {seen:#}"));
    assert_eq!((&dropped["count"], &dropped["drop"]), (&1.into(), &true.into()));
    assert_eq!(dropped["more"], 1, "since the question before");
    assert_eq!(of("Refused").unwrap()["count"], 1);
    let text = node.text("drops");
    assert!(text.contains("The client uses an old or mistyped service address."), "{text}");
}

#[test]
fn explanations_say_what_then_happens() {
    let node = Node::new("see-explain");
    let said = node.json("explain 10.244.0.4 10.96.0.1:80");
    assert_eq!(said["outcome"], "backend");
    assert_eq!(list(&said, "candidates").len(), 2);
    let said = node.json("explain 10.244.0.4 shop/api:80");
    assert_eq!(said["outcome"], "refused");
    assert_eq!(list(&said, "leftOut")[0]["reason"], "not ready");
    assert_eq!(node.json("explain host web:81")["outcome"], "refused");
    let said = node.json("explain outside:192.0.2.9 10.96.0.1:80");
    assert_eq!((&said["outcome"], &said["reason"]), (&"dropped".into(), &"InsideOnly".into()));
    let text = node.text("explain outside 192.0.2.1:30080");
    assert!(text.contains("NodePort of shop/web") && text.contains("on this node"), "{text}");

    let said = node.json("explain outside:192.0.2.9 192.0.2.200:80");
    assert_eq!((&said["outcome"], &said["reason"]), (&"dropped".into(), &"SourceRefused".into()));
    assert_eq!(node.json("explain outside:192.0.2.17 192.0.2.200:80")["outcome"], "backend");
    let refused = node.lab.outside.run(|| {
        let socket = std::net::SocketAddr::from(([192, 0, 2, 200], 80));
        TcpStream::connect_timeout(&socket, Duration::from_millis(300)).unwrap_err().kind()
    });
    assert_eq!(refused, ErrorKind::TimedOut, "as it was said");

    // What a client was given is what it is said to be given again, on either path.
    for (sockets, path) in [(Sockets::Untouched, "packet"), (Sockets::Translated, "socket")] {
        let _open = node.connect(sockets, "10.96.0.3:80");
        let of_path = |seen: &Value| {
            list(seen, "connections").iter().find(|row| row["path"] == path).cloned()
        };
        let seen = node.until("connections --service pinned", |seen| of_path(seen).is_some());
        let given = of_path(&seen).unwrap()["backend"].as_str().unwrap().to_owned();
        let verdict = node.json("explain 10.244.0.4 10.96.0.3:80")["verdict"].clone();
        let verdict = verdict.as_str().unwrap();
        assert!(verdict.contains(&given) && verdict.contains("session affinity"), "{verdict}");
    }
}

#[test]
fn a_dead_agent_leaves_the_maps_to_be_asked() {
    let mut node = Node::new("see-dead");
    let _open = node.connect(Sockets::Untouched, "10.96.0.1:80");
    node.lab.kill_agent();
    for words in ["services", "backends", "connections", "drops", "explain 10.244.0.4 10.96.0.1:80"]
    {
        let said = node.sheave(&format!("{words} --output json"));
        assert!(said.ok, "{words}: {}", said.stderr);
        assert!(said.stderr.contains("no agent answers at"), "{words}: {}", said.stderr);
        let answer: Value = serde_json::from_str(&said.stdout).unwrap();
        assert!(answer.is_object(), "{words}");
    }
    let seen = node.json("connections");
    assert_eq!(list(&seen, "connections").len(), 1);
    assert_eq!(list(&seen, "connections")[0]["service"], "(not known)");
    let said = node.sheave("explain host shop/web:80");
    assert!(
        !said.ok && said.stderr.contains("only a running agent knows Services"),
        "{}",
        said.stderr
    );
}
