//! The socket hooks with real sockets: client processes in a cgroup and a network namespace of the test's
//! own, servers on the backends' addresses, services that exist nowhere but in the maps.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test, and says where")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use sheave_core::model::Protocol::{Tcp, Udp};
use sheave_core::model::{ServiceType, Update};
use sheave_dataplane::{Dataplane, DataplaneConfig, Network, ProgramsRunning, Sizes};
use sheave_tests::cgroup::TestCgroup;
use sheave_tests::kernel;
use sheave_tests::netns::Netns;
use sheave_tests::node::{BpffsDir, complete, reconcile};
use sheave_tests::services::{service, slice, this_node};

/// A node that is one namespace: its pods' addresses are on its loopback, and what it does not know leaves
/// through `up0`.
struct Node {
    dataplane: Option<Dataplane>,
    config: DataplaneConfig,
    netns: Netns,
    // After the dataplane: what is attached is detached first.
    _bpffs: BpffsDir,
    cgroup: TestCgroup,
}

impl Node {
    fn new(name: &str) -> Self {
        let netns = Netns::new();
        netns.ip("link add up0 type veth peer name up1");
        netns.ip("link set up1 up");
        netns.ip("link set up0 up");
        netns.ip("addr add 192.0.2.1/24 dev up0");
        netns.ip("route add default via 192.0.2.254");
        netns.ip("neigh add 192.0.2.254 lladdr 02:00:00:00:00:fe dev up0");
        for backend in ["10.244.0.2/32", "10.244.0.3/32", "fd00::2/128"] {
            netns.ip(&format!("addr add {backend} dev lo"));
        }
        Self::within(netns, name, vec!["up0".into()])
    }

    fn within(netns: Netns, name: &str, uplinks: Vec<String>) -> Self {
        let (bpffs, cgroup) = (BpffsDir::new(), TestCgroup::new(name));
        let config = DataplaneConfig {
            bpffs_dir: bpffs.path.clone(),
            cgroup2_path: Some(cgroup.path().into()),
            uplinks,
            sizes: Some(Sizes::for_memory(0)),
            ..DataplaneConfig::default()
        };
        let dataplane = netns.run(|| {
            let dataplane = Dataplane::open(&config).unwrap();
            let network = Network {
                services: vec![("10.96.0.0".parse().unwrap(), 16)],
                ..Network::default()
            };
            dataplane.set_network(&network).unwrap();
            dataplane
        });
        Self { dataplane: Some(dataplane), config, netns, _bpffs: bpffs, cgroup }
    }

    fn serve(&mut self, updates: Vec<Update>) -> usize {
        let ledger = complete([this_node("192.0.2.1")].into_iter().chain(updates));
        reconcile(self.dataplane.as_mut().unwrap(), &ledger).0
    }

    /// Each TCP connection and each datagram to `address` is answered with the address.
    fn answer(&self, address: &'static str) {
        Self::answer_in(&self.netns, address);
    }

    fn answer_in(netns: &Netns, address: &'static str) {
        netns.run(|| {
            let (tcp, udp) =
                (TcpListener::bind(address).unwrap(), UdpSocket::bind(address).unwrap());
            std::thread::spawn(move || {
                for stream in tcp.incoming() {
                    let _ = writeln!(stream.unwrap(), "{address}");
                }
            });
            std::thread::spawn(move || {
                let mut request = [0; 64];
                while let Ok((_, from)) = udp.recv_from(&mut request) {
                    udp.send_to(address.as_bytes(), from).unwrap();
                }
            });
        });
    }

    fn client(&self, netns: &Netns, arguments: &str) -> Child {
        let file = netns.file().try_clone().unwrap();
        let procs = self.cgroup.procs();
        let mut command = Command::new(env!("CARGO_BIN_EXE_socket-client"));
        command.args(arguments.split(' ')).stdin(Stdio::piped()).stdout(Stdio::piped());
        // SAFETY: between fork and exec, only system calls.
        unsafe {
            command.pre_exec(move || {
                std::fs::write(&procs, "0")?;
                Ok(setns(file.as_fd(), CloneFlags::CLONE_NEWNET)?)
            });
        }
        command.spawn().unwrap()
    }

    /// What a client of the node itself saw, line by line.
    fn ask(&self, arguments: &str) -> Vec<String> {
        self.ask_from(&self.netns, arguments)
    }

    fn ask_from(&self, netns: &Netns, arguments: &str) -> Vec<String> {
        let output = self.client(netns, arguments).wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments}");
        String::from_utf8(output.stdout).unwrap().lines().map(String::from).collect()
    }
}

#[test]
fn a_socket_is_given_a_backend_and_reads_the_service_as_its_peer() {
    let mut node = Node::new("peer");
    node.answer("10.244.0.2:8080");
    node.serve(vec![
        Update::Service(service("web", Tcp, "10.96.0.1:80", None)),
        slice("web", Tcp, 8080, &["10.244.0.2"]),
        Update::Service(service("dns", Udp, "10.96.0.1:53", None)),
        slice("dns", Udp, 8080, &["10.244.0.2"]),
    ]);
    assert_eq!(node.ask("tcp 10.96.0.1:80"), ["10.96.0.1:80 10.244.0.2:8080"]);
    assert_eq!(node.ask("connected 10.96.0.1:53"), ["10.96.0.1:53 10.244.0.2:8080"]);
    assert_eq!(node.ask("sendto 10.96.0.1:53 2"), ["10.96.0.1:53 10.244.0.2:8080"; 2]);

    // Who dials a pod itself gets it untouched.
    assert_eq!(node.ask("tcp 10.244.0.2:8080"), ["10.244.0.2:8080 10.244.0.2:8080"]);
}

/// Dual-stack sockets dial IPv4 in mapped form (RFC 4291, 2.5.5.2), and want to read it so.
#[test]
fn a_socket_of_ipv6_that_dials_a_mapped_address_is_served() {
    let mut node = Node::new("mapped");
    node.answer("10.244.0.2:8080");
    // A pod, which is its own backend.
    let pod = Netns::new();
    pod.ip("addr add 10.244.0.2/32 dev lo");
    Node::answer_in(&pod, "10.244.0.2:8080");
    node.serve(vec![
        Update::Service(service("web", Tcp, "10.96.0.1:80", None)),
        slice("web", Tcp, 8080, &["10.244.0.2"]),
        Update::Service(service("dns", Udp, "10.96.0.1:53", None)),
        slice("dns", Udp, 8080, &["10.244.0.2"]),
        Update::Service(service("none", Tcp, "10.96.0.2:80", None)),
        Update::Service(service("none-udp", Udp, "10.96.0.2:53", None)),
    ]);
    let mapped = "[::ffff:10.96.0.1]";
    for netns in [&node.netns, &pod] {
        let asked = |arguments: String| node.ask_from(netns, &arguments);
        assert_eq!(asked(format!("tcp {mapped}:80")), [format!("{mapped}:80 10.244.0.2:8080")]);
        let answer = format!("{mapped}:53 10.244.0.2:8080");
        assert_eq!(asked(format!("connected {mapped}:53")), [answer.as_str()]);
        assert_eq!(asked(format!("sendto {mapped}:53 2")), [answer.as_str(), &answer]);
    }
    assert_eq!(node.ask("tcp [::ffff:10.96.0.2]:80"), ["ConnectionRefused"]);
    assert_eq!(node.ask("connected [::ffff:10.96.0.2]:53"), ["ConnectionRefused"]);
    let pods_own = "[::ffff:10.244.0.2]:8080";
    assert_eq!(node.ask(&format!("tcp {pods_own}")), [format!("{pods_own} 10.244.0.2:8080")]);
}

#[test]
fn ipv6_services_are_served_to_sockets() {
    let mut node = Node::new("six");
    node.answer("[fd00::2]:8080");
    node.serve(vec![
        Update::Service(service("web", Tcp, "[fd00:96::1]:80", None)),
        slice("web", Tcp, 8080, &["fd00::2"]),
        Update::Service(service("dns", Udp, "[fd00:96::1]:53", None)),
        slice("dns", Udp, 8080, &["fd00::2"]),
    ]);
    assert_eq!(node.ask("tcp [fd00:96::1]:80"), ["[fd00:96::1]:80 [fd00::2]:8080"]);
    assert_eq!(node.ask("sendto [fd00:96::1]:53 1"), ["[fd00:96::1]:53 [fd00::2]:8080"]);
}

#[test]
fn a_node_port_is_on_the_node_and_not_on_a_pods_loopback() {
    let mut node = Node::new("nodeport");
    node.answer("10.244.0.2:8080");
    node.serve(vec![
        Update::Service(service("web", Tcp, "10.96.0.1:80", Some(30080))),
        slice("web", Tcp, 8080, &["10.244.0.2"]),
    ]);
    assert_eq!(node.ask("tcp 192.0.2.1:30080"), ["192.0.2.1:30080 10.244.0.2:8080"]);
    // A pod's loopback is the pod's own.
    let pod = Netns::new();
    assert_eq!(node.ask_from(&pod, "tcp 127.0.0.1:30080"), ["ConnectionRefused"]);
}

#[test]
fn a_node_port_is_on_the_loopback_of_a_node_that_is_a_namespace() {
    if kernel::lacks(kernel::NETNS_COOKIE) {
        return;
    }
    let mut node = Node::new("loopback");
    node.answer("10.244.0.2:8080");
    node.serve(vec![
        Update::Service(service("web", Tcp, "10.96.0.1:80", Some(30080))),
        slice("web", Tcp, 8080, &["10.244.0.2"]),
    ]);
    assert_eq!(node.ask("tcp 127.0.0.1:30080"), ["127.0.0.1:30080 10.244.0.2:8080"]);
}

/// On every kernel. Nothing is put into the machine's namespace but a listener: all of 127.0.0.0/8 is there.
#[test]
fn a_node_port_is_on_the_node_and_its_loopback_for_its_own_processes() {
    let mut node = Node::within(Netns::current(), "machine", vec![]);
    node.answer("127.0.0.77:18080");
    node.serve(vec![
        Update::Service(service("web", Tcp, "10.96.0.1:80", Some(30080))),
        slice("web", Tcp, 18080, &["127.0.0.77"]),
    ]);
    assert_eq!(node.ask("tcp 127.0.0.1:30080"), ["127.0.0.1:30080 127.0.0.77:18080"]);
    assert_eq!(node.ask_from(&Netns::new(), "tcp 127.0.0.1:30080"), ["ConnectionRefused"]);
}

#[test]
fn nobody_there_is_a_refusal_at_once_and_never_a_lack_of_permission() {
    let mut node = Node::new("refused");
    node.serve(vec![
        Update::Service(service("web", Tcp, "10.96.0.1:80", None)),
        Update::Service(service("dns", Udp, "10.96.0.1:53", None)),
    ]);
    // What a refusal takes that is nobody's doing: the time to start a client, above all.
    let start = Instant::now();
    assert_eq!(node.ask("tcp 10.244.0.2:1"), ["ConnectionRefused"]);
    let usual = start.elapsed();
    let start = Instant::now();
    assert_eq!(node.ask("tcp 10.96.0.1:80"), ["ConnectionRefused"]);
    assert_eq!(node.ask("tcp 10.96.0.1:81"), ["ConnectionRefused"], "a port it does not have");
    assert_eq!(node.ask("connected 10.96.0.1:53"), ["ConnectionRefused"]);
    // A second is when a client would have tried again.
    assert!(start.elapsed() < 3 * usual + Duration::from_secs(1), "{:?}", start.elapsed());
}

/// As where the node itself announces it: the address is on the link, and nobody there answers for it.
#[test]
fn a_load_balancer_address_that_nobody_serves_is_refused_at_once() {
    if kernel::lacks(kernel::NETNS_COOKIE) {
        return;
    }
    let mut node = Node::new("balancer");
    node.netns.ip("addr add 2001:db8::1/64 dev up0 nodad");
    node.netns.ip("route add default via 2001:db8::fe");
    node.netns.ip("neigh add 2001:db8::fe lladdr 02:00:00:00:00:fe dev up0");
    let network = Network {
        services: vec![("10.96.0.0".parse().unwrap(), 16), ("fd00:96::".parse().unwrap(), 112)],
        ..Network::default()
    };
    node.netns.run(|| node.dataplane.as_ref().unwrap().set_network(&network)).unwrap();
    let balancer = |name: &str, protocol, frontend: &str, address: &str| {
        let mut service = service(name, protocol, frontend, None);
        service.service_type = ServiceType::LoadBalancer;
        service.load_balancer_ips = vec![address.parse().unwrap()];
        Update::Service(service)
    };
    let services = || {
        vec![
            balancer("web", Tcp, "10.96.0.1:80", "192.0.2.50"),
            balancer("dns", Udp, "10.96.0.1:53", "192.0.2.50"),
            balancer("web6", Tcp, "[fd00:96::1]:80", "2001:db8::50"),
            balancer("dns6", Udp, "[fd00:96::1]:53", "2001:db8::50"),
        ]
    };
    node.serve(services());
    let calls = [
        "tcp 192.0.2.50:80",
        "connected 192.0.2.50:53",
        "tcp [2001:db8::50]:80",
        "connected [2001:db8::50]:53",
        "tcp [::ffff:192.0.2.50]:80",
    ];
    for call in calls {
        let start = Instant::now();
        assert_eq!(node.ask(call), ["ConnectionRefused"], "{call}");
        // A neighbour is asked for three times, a second apart.
        assert!(start.elapsed() < Duration::from_secs(1), "{call}: {:?}", start.elapsed());
    }
    // Whoever is there is found as ever.
    node.answer("10.244.0.2:8080");
    let mut served = services();
    served.push(slice("web", Tcp, 8080, &["10.244.0.2"]));
    node.serve(served);
    assert_eq!(node.ask(calls[0]), ["192.0.2.50:80 10.244.0.2:8080"]);
}

#[test]
fn unconnected_datagrams_stay_with_a_backend_and_leave_it_when_it_goes() {
    let mut node = Node::new("udp");
    node.answer("10.244.0.2:8080");
    node.answer("10.244.0.3:8080");
    let dns = || Update::Service(service("dns", Udp, "10.96.0.1:53", None));
    node.serve(vec![dns(), slice("dns", Udp, 8080, &["10.244.0.2", "10.244.0.3"])]);
    let mut client = node.client(&node.netns, "sendto 10.96.0.1:53 lines");
    let mut requests = client.stdin.take().unwrap();
    let mut answers = BufReader::new(client.stdout.take().unwrap()).lines();
    let mut ask = || {
        writeln!(requests).unwrap();
        answers.next().unwrap().unwrap()
    };
    let first = ask();
    for _ in 0..10 {
        assert_eq!(ask(), first, "one socket, one backend");
    }
    let (gone, stays) = match first.as_str() {
        "10.96.0.1:53 10.244.0.2:8080" => ("10.244.0.2", "10.244.0.3"),
        "10.96.0.1:53 10.244.0.3:8080" => ("10.244.0.3", "10.244.0.2"),
        other => panic!("{other}"),
    };
    node.serve(vec![dns(), slice("dns", Udp, 8080, &[stays])]);
    assert_eq!(ask(), format!("10.96.0.1:53 {stays}:8080"), "the next datagram leaves {gone}");
    drop(requests);
    client.wait().unwrap();
}

#[test]
fn a_restart_writes_nothing_and_new_connections_never_notice() {
    let mut node = Node::new("restart");
    node.answer("10.244.0.2:8080");
    let updates = || {
        vec![
            Update::Service(service("web", Tcp, "10.96.0.1:80", Some(30080))),
            slice("web", Tcp, 8080, &["10.244.0.2", "10.244.0.3"]),
            Update::Service(service("only", Tcp, "10.96.0.2:80", None)),
            slice("only", Tcp, 8080, &["10.244.0.2"]),
        ]
    };
    assert!(node.serve(updates()) > 0);
    // Without an agent, services go on.
    node.dataplane = None;
    assert_eq!(node.ask("tcp 10.96.0.2:80"), ["10.96.0.2:80 10.244.0.2:8080"]);
    // Started again, with the programs replaced under a client that goes on asking.
    let stop = std::sync::atomic::AtomicBool::new(false);
    let ordering = std::sync::atomic::Ordering::Relaxed;
    let open = || node.netns.run(|| Dataplane::open(&node.config)).unwrap();
    let reopened = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut asked = 0;
            while !stop.load(ordering) || asked < 5 {
                assert_eq!(node.ask("tcp 10.96.0.2:80"), ["10.96.0.2:80 10.244.0.2:8080"]);
                asked += 1;
            }
        });
        // Twice: those that replaced others are replaced too.
        drop(open());
        let again = open();
        stop.store(true, ordering);
        asking.join().unwrap();
        again
    });
    assert!(matches!(reopened.running(), ProgramsRunning::Ours));
    node.dataplane = Some(reopened);
    assert_eq!(node.serve(updates()), 0, "nothing new to say, nothing written");
}
