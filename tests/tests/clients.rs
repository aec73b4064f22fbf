//! Every kind of client of a service, with real interfaces: pods and processes of the node, with their
//! sockets translated and without, and clients outside. No agent runs.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test, and says where")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::AsRawFd as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sheave_abi::event::Event;
use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::{AffinityKey, FrontendKey};
use sheave_core::model::Protocol::{Tcp, Udp};
use sheave_core::model::{Node, ServiceType, TrafficPolicy, Update};
use sheave_dataplane::{Dataplane, ProgramsRunning};
use sheave_tests::kernel;
use sheave_tests::lab::Sockets::{self, Translated, Untouched};
use sheave_tests::netns::Netns;
use sheave_tests::services::{service, slice, this_node};
use sheave_tests::site::{NODE, Site, answer, ask, connected, name, tcp};

fn start(site: &Site, netns: &Netns, sockets: Sockets, arguments: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_socket-client"));
    command.args(arguments.split(' ')).stdin(Stdio::piped()).stdout(Stdio::piped());
    site.lab.spawn(netns, sockets, command)
}

/// What one call of a client saw.
fn say(site: &Site, netns: &Netns, sockets: Sockets, arguments: &str) -> String {
    let output = start(site, netns, sockets, arguments).wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A client that keeps its socket and asks again and again.
struct Conversation {
    client: Child,
    answers: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Conversation {
    fn new(mut client: Child) -> Self {
        let answers = BufReader::new(client.stdout.take().unwrap()).lines();
        Self { client, answers }
    }

    fn ask(&mut self) -> String {
        writeln!(self.client.stdin.as_ref().unwrap()).unwrap();
        self.answers.next().unwrap().unwrap()
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        drop(self.client.stdin.take());
        let _ = self.client.wait();
    }
}

/// `dns` on these pods.
fn dns(pods: &[&str]) -> Vec<Update> {
    vec![Update::Service(service("dns", Udp, "10.96.0.1:53", None)), slice("dns", Udp, 5353, pods)]
}

fn other(answer: &str) -> (u8, &'static str) {
    match answer {
        "10.96.0.1:53 10.244.0.2:5353" => (2, "10.244.0.3"),
        "10.96.0.1:53 10.244.0.3:5353" => (3, "10.244.0.2"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_connected_datagram_socket_of_a_pod_moves_with_the_next_datagram() {
    let mut site = Site::new("udp-pod");
    name(site.pod(2), "10.244.0.2:5353");
    name(site.pod(3), "10.244.0.3:5353");
    site.serve(dns(&["10.244.0.2", "10.244.0.3"]));
    let client = start(&site, site.pod(4), Translated, "connected 10.96.0.1:53 lines");
    let mut conversation = Conversation::new(client);
    let first = conversation.ask();
    for _ in 0..10 {
        assert_eq!(conversation.ask(), first, "one conversation, one backend");
    }
    // Its pod is there and answers as before, but is no backend any more.
    let (_, stays) = other(&first);
    site.serve(dns(&[stays]));
    for _ in 0..3 {
        assert_eq!(conversation.ask(), format!("10.96.0.1:53 {stays}:5353"));
    }
    assert_eq!((site.counter(Event::FlowOpened), site.counter(Event::FlowMoved)), (1, 1));
    site.serve(dns(&[]));
    assert_eq!(conversation.ask(), "ConnectionRefused");
    site.serve(dns(&["10.244.0.2"]));
    assert_eq!(conversation.ask(), "10.96.0.1:53 10.244.0.2:5353", "the same socket, again");
    site.assert_nothing_dropped();
}

#[test]
fn a_connected_datagram_socket_of_the_node_moves_when_its_pod_is_gone() {
    let mut site = Site::new("udp-host");
    name(site.pod(2), "10.244.0.2:5353");
    name(site.pod(3), "10.244.0.3:5353");
    site.serve(dns(&["10.244.0.2", "10.244.0.3"]));
    let client = start(&site, &site.lab.node, Translated, "connected 10.96.0.1:53 lines");
    let mut conversation = Conversation::new(client);
    let first = conversation.ask();
    assert_eq!(site.counter(Event::SocketTranslated), 1, "by the socket hook");
    let (gone, stays) = other(&first);
    site.end_pod(gone);
    site.serve(dns(&[stays]));
    for _ in 0..3 {
        assert_eq!(conversation.ask(), format!("10.96.0.1:53 {stays}:5353"));
    }
    site.serve(dns(&[]));
    assert_eq!(conversation.ask(), "ConnectionRefused");
    site.assert_nothing_dropped();
}

#[test]
fn a_connected_datagram_socket_finds_whoever_comes_to_serve_a_load_balancer_address() {
    if kernel::lacks(kernel::NETNS_COOKIE) {
        return;
    }
    let mut site = Site::new("udp-balancer");
    name(site.pod(2), "10.244.0.2:5353");
    let balancer = |pods: &[&str]| {
        let mut service = service("dns", Udp, "10.96.0.1:53", None);
        service.service_type = ServiceType::LoadBalancer;
        // On the link, where nobody has it.
        service.load_balancer_ips = vec!["192.0.2.50".parse().unwrap()];
        vec![Update::Service(service), slice("dns", Udp, 5353, pods)]
    };
    site.serve(balancer(&[]));
    let client = start(&site, &site.lab.node, Translated, "connected 192.0.2.50:53 lines");
    let mut conversation = Conversation::new(client);
    assert_eq!(conversation.ask(), "ConnectionRefused");
    site.serve(balancer(&["10.244.0.2"]));
    for _ in 0..3 {
        assert_eq!(conversation.ask(), "192.0.2.50:53 10.244.0.2:5353");
    }
    site.serve(balancer(&[]));
    assert_eq!(conversation.ask(), "ConnectionRefused");
    site.assert_nothing_dropped();
}

#[test]
fn a_process_of_the_node_that_no_hook_serves_reaches_services() {
    let mut site = Site::new("host-path");
    answer(site.pod(2), "10.244.0.2:8080");
    answer(site.pod(2), "[fd00:244::2]:8080");
    answer(&site.lab.node, "192.0.2.1:6443");
    site.serve(vec![
        Update::Service(service("web", Tcp, "10.96.0.1:80", None)),
        slice("web", Tcp, 8080, &["10.244.0.2"]),
        Update::Service(service("dns", Udp, "10.96.0.1:53", None)),
        slice("dns", Udp, 8080, &["10.244.0.2"]),
        Update::Service(service("web6", Tcp, "[fd00:96::1]:80", None)),
        slice("web6", Tcp, 8080, &["fd00:244::2"]),
        Update::Service(service("api", Tcp, "10.96.0.3:443", None)),
        slice("api", Tcp, 6443, &["192.0.2.1"]),
    ]);
    let node = &site.lab.node;
    let seen = |address| tcp(node, address, 1 << 20).map(|seen| seen.ip().to_string());
    assert_eq!(seen("10.96.0.1:80").unwrap(), NODE[0]);
    assert_eq!(seen("[fd00:96::1]:80").unwrap(), NODE[1]);
    let client = connected(node, "10.96.0.1:53", 0);
    for _ in 0..3 {
        assert_eq!(ask(&client, 1200).unwrap().ip().to_string(), NODE[0]);
    }
    assert_eq!(site.counter(Event::FlowOpened), 3);
    assert_eq!(seen("10.96.0.3:443").unwrap(), "169.254.1.1", "the node itself");
    assert_eq!(site.counter(Event::SocketTranslated), 0);
    site.assert_nothing_dropped();
}

#[test]
fn a_pod_whose_sockets_the_host_cannot_see_uses_the_packet_path() {
    let mut site = Site::new("opted-out");
    name(site.pod(2), "10.244.0.2:5353");
    let mut services = dns(&["10.244.0.2"]);
    services.push(Update::Service(service("web", Tcp, "10.96.0.1:80", None)));
    services.push(slice("web", Tcp, 5353, &["10.244.0.2"]));
    site.serve(services);
    let calls = [
        ("tcp 10.96.0.1:80", "10.96.0.1:80 10.244.0.2:5353"),
        ("connected 10.96.0.1:53", "10.96.0.1:53 10.244.0.2:5353"),
        ("sendto 10.96.0.1:53 1", "10.96.0.1:53 10.244.0.2:5353"),
    ];
    for (call, _) in calls {
        say(&site, site.pod(4), Translated, call);
    }
    assert_eq!(
        site.counter(Event::SocketTranslated),
        2,
        "TCP, and the socket that is not connected"
    );
    assert_eq!(site.counter(Event::FlowOpened), 1, "the connected one");
    let netns = format!("/proc/{}/fd/{}", std::process::id(), site.pod(4).file().as_raw_fd());
    sheave_dataplane::opt_out(&site.lab.config.bpffs_dir, netns.as_ref()).unwrap();
    for (call, answer) in calls {
        assert_eq!(say(&site, site.pod(4), Translated, call), answer);
    }
    assert_eq!(site.counter(Event::SocketTranslated), 2, "none more");
    assert_eq!(site.counter(Event::FlowOpened), 4, "all three");
    // Others are served as before.
    say(&site, site.pod(3), Translated, calls[0].0);
    assert_eq!(site.counter(Event::SocketTranslated), 3);
    site.assert_nothing_dropped();
}

#[test]
fn clients_outside_reach_a_cluster_ip_where_that_is_switched_on() {
    let mut site = Site::new("open");
    for pod in ["10.244.0.2:8080", "[fd00:244::2]:8080"] {
        answer(site.pod(2), pod);
    }
    let services = |external_cluster_ips| {
        let Update::Node(node) = this_node(NODE[0]) else { unreachable!() };
        vec![
            Update::Node(Node { external_cluster_ips, ..node }),
            Update::Service(service("web", Tcp, "10.96.0.1:80", None)),
            slice("web", Tcp, 8080, &["10.244.0.2"]),
            Update::Service(service("dns", Udp, "10.96.0.1:53", None)),
            slice("dns", Udp, 8080, &["10.244.0.2"]),
            Update::Service(service("web6", Tcp, "[fd00:96::1]:80", None)),
            slice("web6", Tcp, 8080, &["fd00:244::2"]),
        ]
    };
    site.serve(services(true));
    let outside = &site.lab.outside;
    let seen = |address| tcp(outside, address, 1 << 16).map(|seen| seen.ip().to_string());
    assert_eq!(seen("10.96.0.1:80").unwrap(), "192.0.2.9", "the client itself");
    assert_eq!(seen("[fd00:96::1]:80").unwrap(), "2001:db8::9");
    let asked = ask(&connected(outside, "10.96.0.1:53", 0), 100).unwrap();
    assert_eq!(asked.ip().to_string(), "192.0.2.9");
    site.assert_nothing_dropped();

    site.serve(services(false));
    assert_eq!(say(&site, &site.lab.outside, Untouched, "tcp 10.96.0.1:80"), "TimedOut");
    assert!(site.counter(Event::InsideOnly) > 0);
}

#[test]
fn whoever_is_refused_is_told_so_and_never_that_it_lacks_permission() {
    let mut site = Site::new("refusals");
    let local = |name: &str, protocol, frontend: &str, node_port| {
        let mut local = service(name, protocol, frontend, node_port);
        local.internal_traffic_policy = TrafficPolicy::Local;
        local.external_traffic_policy = TrafficPolicy::Local;
        Update::Service(local)
    };
    let elsewhere = |service: &str, protocol| {
        let mut update = slice(service, protocol, 80, &["10.244.1.9"]);
        let Update::EndpointSlice(slice) = &mut update else { unreachable!() };
        slice.endpoints[0].node_name = "there".into();
        update
    };
    let ranged = |name: &str, protocol, frontend: &str| {
        let mut ranged = service(name, protocol, frontend, None);
        ranged.service_type = ServiceType::LoadBalancer;
        ranged.load_balancer_ips = vec!["203.0.113.5".parse().unwrap()];
        ranged.source_ranges = vec!["198.51.100.0/24".parse().unwrap()];
        Update::Service(ranged)
    };
    site.serve(vec![
        Update::Service(service("none", Tcp, "10.96.0.2:80", Some(30080))),
        Update::Service(service("none-udp", Udp, "10.96.0.2:53", Some(30053))),
        local("local", Tcp, "10.96.0.3:80", Some(30081)),
        local("local-udp", Udp, "10.96.0.3:53", Some(30054)),
        elsewhere("local", Tcp),
        elsewhere("local-udp", Udp),
        ranged("ranged", Tcp, "10.96.0.4:80"),
        ranged("ranged-udp", Udp, "10.96.0.4:53"),
        slice("ranged", Tcp, 8080, &["10.244.0.2"]),
        slice("ranged-udp", Udp, 8080, &["10.244.0.2"]),
    ]);
    site.lab.outside.ip("route add 203.0.113.5 via 192.0.2.1");
    let (pod, node, outside) = (site.pod(4), &site.lab.node, &site.lab.outside);
    let inside = [(pod, Translated), (pod, Untouched), (node, Translated), (node, Untouched)];
    let refused = |netns: &Netns, sockets, arguments: &str| {
        let start = Instant::now();
        assert_eq!(say(&site, netns, sockets, arguments), "ConnectionRefused", "{arguments}");
        assert!(start.elapsed() < Duration::from_secs(1), "{arguments}: {:?}", start.elapsed());
    };
    for (netns, sockets) in inside {
        // Nobody answers; the port is none of the service's.
        for (tcp, udp) in [("10.96.0.2:80", "10.96.0.2:53"), ("10.96.0.2:81", "10.96.0.2:54")] {
            refused(netns, sockets, &format!("tcp {tcp}"));
            refused(netns, sockets, &format!("connected {udp}"));
        }
        // Silence is what the policy says.
        assert_eq!(say(&site, netns, sockets, "tcp 10.96.0.3:80"), "TimedOut");
        assert_eq!(say(&site, netns, sockets, "connected 10.96.0.3:53"), "WouldBlock");
    }
    refused(outside, Untouched, "tcp 192.0.2.1:30080");
    refused(outside, Untouched, "connected 192.0.2.1:30053");
    assert_eq!(say(&site, outside, Untouched, "tcp 192.0.2.1:30081"), "TimedOut");
    assert_eq!(say(&site, outside, Untouched, "connected 192.0.2.1:30054"), "WouldBlock");
    assert_eq!(say(&site, outside, Untouched, "tcp 203.0.113.5:80"), "TimedOut");
    assert_eq!(say(&site, outside, Untouched, "connected 203.0.113.5:53"), "WouldBlock");
    assert!(site.counter(Event::SourceRefused) >= 3, "{}", site.counter(Event::SourceRefused));
    assert!(site.counter(Event::NoLocalEndpoint) >= 11, "{}", site.counter(Event::NoLocalEndpoint));
}

#[test]
fn a_mapped_address_is_served_to_every_client() {
    let mut site = Site::new("mapped");
    name(site.pod(2), "10.244.0.2:5353");
    let mut services = dns(&["10.244.0.2"]);
    services.push(Update::Service(service("web", Tcp, "10.96.0.1:80", None)));
    services.push(slice("web", Tcp, 5353, &["10.244.0.2"]));
    services.push(Update::Service(service("none", Tcp, "10.96.0.2:80", None)));
    services.push(Update::Service(service("none-udp", Udp, "10.96.0.2:53", None)));
    site.serve(services);
    let (mapped, none) = ("[::ffff:10.96.0.1]", "[::ffff:10.96.0.2]");
    for netns in [site.pod(4), &site.lab.node] {
        for sockets in [Translated, Untouched] {
            let said = |call: String| say(&site, netns, sockets, &call);
            assert_eq!(said(format!("tcp {mapped}:80")), format!("{mapped}:80 10.244.0.2:5353"));
            let answer = format!("{mapped}:53 10.244.0.2:5353");
            assert_eq!(said(format!("connected {mapped}:53")), answer);
            assert_eq!(said(format!("named {mapped}:53")), answer);
            assert_eq!(
                said("named 10.96.0.1:53".into()),
                "10.96.0.1:53 10.244.0.2:5353",
                "{sockets:?}"
            );
            assert_eq!(said(format!("sendto {mapped}:53 2")), format!("{answer}\n{answer}"));
            assert_eq!(said(format!("tcp {none}:80")), "ConnectionRefused");
            assert_eq!(said(format!("connected {none}:53")), "ConnectionRefused");
        }
    }
    assert_eq!(site.counter(Event::SocketTranslated), 9, "all but the pod's connected sockets");
    assert_eq!(site.counter(Event::FlowOpened), 13, "those, and all whose sockets were left alone");
    site.assert_nothing_dropped();
}

/// Every way in which `netns` can ask `dns`: by its sockets, by its packets.
fn ways(site: &Site, netns: &Netns) -> Vec<String> {
    let calls = ["sendto 10.96.0.1:53 1", "connected 10.96.0.1:53"];
    let of_each = |sockets| calls.map(|call| say(site, netns, sockets, call));
    [of_each(Translated), of_each(Untouched)].concat()
}

/// `dns` on the pods 2 and 3, with session affinity.
fn sticky_dns() -> Vec<Update> {
    let mut sticky = service("dns", Udp, "10.96.0.1:53", None);
    sticky.affinity_timeout_s = Some(600);
    vec![Update::Service(sticky), slice("dns", Udp, 5353, &["10.244.0.2", "10.244.0.3"])]
}

#[test]
fn a_client_sticks_to_its_backend_by_socket_and_by_packet_alike() {
    let mut site = Site::new("affinity");
    name(site.pod(2), "10.244.0.2:5353");
    name(site.pod(3), "10.244.0.3:5353");
    site.serve(sticky_dns());
    for netns in [site.pod(4), &site.lab.node] {
        let first = ways(&site, netns);
        let _ = other(&first[0]);
        for _ in 0..3 {
            assert_eq!(ways(&site, netns), vec![first[0].clone(); 4]);
        }
    }
    let clients = |site: &mut Site| {
        let pressure = site.dataplane().pressure().unwrap();
        pressure.into_iter().find(|(map, ..)| *map == "AFFINITY").unwrap().1
    };
    assert_eq!(clients(&mut site), 2, "the pod is one client, and the node is one");

    // Each connection renews the time, whichever way it goes.
    let frontend = FrontendKey::new(Addr::v4([10, 96, 0, 1]), Be16::new(53), Udp as u8);
    let service = site.dataplane().frontend(&frontend).unwrap().unwrap().service;
    let cookie = site.pod(4).run(sheave_dataplane::netns_cookie).unwrap();
    let key = AffinityKey::of_netns(cookie, service);
    for sockets in [Translated, Untouched] {
        let before = site.dataplane().affinity(&key).unwrap().unwrap().seen_s;
        std::thread::sleep(Duration::from_millis(1100));
        say(&site, site.pod(4), sockets, "sendto 10.96.0.1:53 1");
        let after = site.dataplane().affinity(&key).unwrap().unwrap().seen_s;
        assert!(after > before, "{sockets:?}: {after} after {before}");
    }
}

/// A node whose maps are those of a version that did not know namespaces.
#[test]
fn an_upgrade_knows_the_clients_that_are_there() {
    let mut site = Site::new("older");
    name(site.pod(2), "10.244.0.2:5353");
    name(site.pod(3), "10.244.0.3:5353");
    site.serve(sticky_dns());
    // A namespace is found by a process in it.
    let living = start(&site, site.pod(4), Untouched, "sendto 10.96.0.1:53 lines");
    let mut living = Conversation::new(living);
    let before = living.ask();
    std::fs::remove_file(site.lab.config.bpffs_dir.join(sheave_abi::pins::NAMESPACES)).unwrap();
    let old = Dataplane::inspect(&site.lab.config.bpffs_dir).unwrap();
    assert_eq!(old.namespaces().unwrap(), [], "as it was then");
    let new = site.lab.node.run(|| Dataplane::open(&site.lab.config)).unwrap();
    assert!(matches!(new.running(), ProgramsRunning::Ours));
    let cookie = site.pod(4).run(sheave_dataplane::netns_cookie).unwrap();
    let mut v6 = [0; 16];
    (v6[0], v6[2], v6[3], v6[15]) = (0xfd, 0x02, 0x44, 4);
    for address in [Addr::v4([10, 244, 0, 4]), Addr::v6(v6)] {
        assert_eq!(new.namespace(address).unwrap(), Some(cookie));
    }
    assert_eq!(living.ask(), before, "what was open goes on");
    let first = ways(&site, site.pod(4));
    assert_eq!(first, vec![first[0].clone(); 4]);
}

/// How long one question takes from a new connected datagram socket, as resolvers of the C library ask:
/// through the packet path, and with the socket translated.
#[test]
fn a_question_costs_about_the_same_on_both_paths() {
    let mut site = Site::new("udp-cost");
    name(site.pod(2), "10.244.0.2:5353");
    site.serve(dns(&["10.244.0.2"]));
    // Each from a port of its own: whoever asks a pod both ways uses two sockets.
    let mut ports = 10_000..30_000;
    let mut question = |address: &str| {
        let questions = 2000;
        let start = Instant::now();
        site.pod(4).run(|| {
            for port in ports.by_ref().take(questions) {
                let socket = std::net::UdpSocket::bind(("0.0.0.0", port)).unwrap();
                socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
                socket.connect(address).unwrap();
                socket.send(b"who").unwrap();
                socket.recv(&mut [0; 64]).unwrap();
            }
        });
        start.elapsed() / questions as u32
    };
    // A translated socket's packets are those to the pod itself.
    let (mut service, mut pod) = (Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        pod = pod.min(question("10.244.0.2:5353"));
        service = service.min(question("10.96.0.1:53"));
    }
    println!("one question: {pod:?} to the pod, {service:?} through the packet path");
    assert!(service < pod * 4, "{service:?} against {pod:?}");
}
