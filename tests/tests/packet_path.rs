//! The packet path with real interfaces: a node of network namespaces, two pods behind veths, a client
//! outside. No process is in a cgroup with socket hooks: what is translated is translated in packets.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test, and says where")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use sheave_abi::endpoint::Endpoint;
use sheave_abi::event::Event;
use sheave_abi::order::Addr;
use sheave_core::model::Protocol::{Tcp, Udp};
use sheave_core::model::Update;
use sheave_dataplane::{Dataplane, DataplaneConfig, Network, ProgramsRunning, Sizes, TcAttachment};
use sheave_tests::cgroup::TestCgroup;
use sheave_tests::kernel;
use sheave_tests::netns::Netns;
use sheave_tests::node::{BpffsDir, complete, reconcile};
use sheave_tests::services::{service, slice, this_node};

const PATIENCE: Duration = Duration::from_secs(3);

struct Node {
    dataplane: Option<Dataplane>,
    config: DataplaneConfig,
    netns: Netns,
    pods: Vec<Netns>,
    outside: Netns,
    // After the dataplane: what is attached is detached first.
    _bpffs: BpffsDir,
    _cgroup: TestCgroup,
}

impl Node {
    /// Uplink `up0` 192.0.2.1 to a client outside, 192.0.2.9; pods 10.244.0.2 and .3.
    fn new(name: &str, how: TcAttachment) -> Self {
        let (netns, outside) = (Netns::new(), Netns::new());
        let (bpffs, cgroup) = (BpffsDir::new(), TestCgroup::new(name));
        netns.ip("link add up0 type veth peer name cl0");
        netns.give("cl0", &outside);
        netns.ip("addr add 192.0.2.1/24 dev up0");
        netns.ip("link set up0 up");
        outside.ip("addr add 192.0.2.9/24 dev cl0");
        outside.ip("link set cl0 up");
        outside.ip("route add default via 192.0.2.1");
        netns.sysctl("net.ipv4.ip_forward", "1");
        let config = DataplaneConfig {
            bpffs_dir: bpffs.path.clone(),
            cgroup2_path: Some(cgroup.path().into()),
            uplinks: vec!["up0".into()],
            tc_attachment: Some(how),
            sizes: Some(Sizes::for_memory(0)),
            ..DataplaneConfig::default()
        };
        let dataplane = netns.run(|| Dataplane::open(&config)).unwrap();
        let network =
            Network { services: vec![("10.96.0.0".parse().unwrap(), 16)], ..Network::default() };
        dataplane.set_network(&network).unwrap();
        let mut node = Self {
            dataplane: Some(dataplane),
            config,
            netns,
            pods: vec![],
            outside,
            _bpffs: bpffs,
            _cgroup: cgroup,
        };
        node.add_pod(2, how);
        node.add_pod(3, how);
        node.add_services();
        node
    }

    fn add_pod(&mut self, last: u8, how: TcAttachment) {
        let (pod, host_end) = (Netns::new(), format!("pod{last}"));
        let (pod_mac, host_mac) = ([2, 0, 0, 0, 0, last], [2, 0, 0, 0, 1, last]);
        let text = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
        let netns = &self.netns;
        netns.ip(&format!(
            "link add {host_end} address {} type veth peer name eth0 address {}",
            text(host_mac),
            text(pod_mac)
        ));
        netns.give("eth0", &pod);
        netns.ip(&format!("link set {host_end} up"));
        pod.ip(&format!("addr add 10.244.0.{last}/32 dev eth0"));
        pod.ip("link set eth0 up");
        pod.ip(&format!("neigh add 169.254.1.1 lladdr {} dev eth0", text(host_mac)));
        pod.ip("route add 169.254.1.1 dev eth0 scope link");
        pod.ip("route add default via 169.254.1.1 dev eth0");
        netns.ip(&format!("route add 10.244.0.{last}/32 dev {host_end}"));
        netns.ip(&format!("neigh add 10.244.0.{last} lladdr {} dev {host_end}", text(pod_mac)));

        let host_ifindex = netns.run(|| nix::net::if_::if_nametoindex(host_end.as_str())).unwrap();
        let bpffs = &self.config.bpffs_dir;
        match how {
            TcAttachment::Tcx => {
                let program = sheave_cni::bpf::PodIngress::open(bpffs).unwrap();
                let attach = || program.attach_tcx(bpffs, &host_end, host_ifindex);
                assert!(netns.run(attach).unwrap(), "this kernel has tcx");
            }
            TcAttachment::Clsact => {
                let pin = bpffs.join(sheave_abi::pins::POD_INGRESS);
                netns.command("tc", &format!("qdisc add dev {host_end} clsact"));
                let filter = format!("filter add dev {host_end} ingress prio 1 handle 1 bpf da");
                netns.command("tc", &format!("{filter} object-pinned {}", pin.display()));
            }
        }
        let endpoint = Endpoint { host_ifindex, pod_mac, host_mac };
        self.dataplane().put_endpoint(Addr::v4([10, 244, 0, last]), endpoint).unwrap();
        self.pods.push(pod);
    }

    /// `web` and `dns` on the second pod, `none` on nobody.
    fn add_services(&mut self) {
        let ledger = complete([
            this_node("192.0.2.1"),
            Update::Service(service("web", Tcp, "10.96.0.1:80", Some(30080))),
            slice("web", Tcp, 8080, &["10.244.0.3"]),
            Update::Service(service("dns", Udp, "10.96.0.1:53", Some(30053))),
            slice("dns", Udp, 5353, &["10.244.0.3"]),
            Update::Service(service("none", Tcp, "10.96.0.2:80", Some(30081))),
            Update::Service(service("none-udp", Udp, "10.96.0.2:53", None)),
        ]);
        reconcile(self.dataplane(), &ledger);
        self.pods[1].run(|| {
            let listener = TcpListener::bind("10.244.0.3:8080").unwrap();
            std::thread::spawn(move || listener.incoming().for_each(|s| echo(s.unwrap())));
            let socket = UdpSocket::bind("10.244.0.3:5353").unwrap();
            std::thread::spawn(move || {
                let mut data = [0; 2048];
                while let Ok((len, from)) = socket.recv_from(&mut data) {
                    socket.send_to(&data[..len], from).unwrap();
                }
            });
        });
    }

    fn dataplane(&mut self) -> &mut Dataplane {
        self.dataplane.as_mut().unwrap()
    }

    fn counter(&mut self, event: Event) -> u64 {
        let counters = self.dataplane().counters().unwrap();
        counters.into_iter().find(|(e, _)| *e == event).unwrap().1
    }
}

/// Says who connected, then sends back all it gets.
fn echo(mut stream: TcpStream) {
    std::thread::spawn(move || {
        let peer = stream.peer_addr().unwrap();
        writeln!(stream, "{:<21}", peer.ip()).unwrap();
        let mut from = stream.try_clone().unwrap();
        let _ = std::io::copy(&mut from, &mut stream);
        let _ = stream.shutdown(std::net::Shutdown::Write);
    });
}

/// Sends `len` bytes to and fro; says as whom the server saw us.
fn exchange(netns: &Netns, address: &str, len: usize) -> Result<String, ErrorKind> {
    let address: SocketAddr = address.parse().unwrap();
    netns.run(|| {
        let mut stream =
            TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| error.kind())?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut seen_as = [0; 22];
        stream.read_exact(&mut seen_as).unwrap();
        let data: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
        let mut writer = stream.try_clone().unwrap();
        let sent = data.clone();
        let writing = std::thread::spawn(move || {
            writer.write_all(&sent).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        writing.join().unwrap();
        assert!(back == data, "{} of {} bytes came back, or not the same", back.len(), data.len());
        Ok(String::from_utf8_lossy(&seen_as).trim().to_owned())
    })
}

/// One datagram to and fro through a connected socket.
fn datagram(netns: &Netns, address: &str, len: usize) -> Result<(), ErrorKind> {
    netns.run(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(address).unwrap();
        let data = vec![7; len];
        socket.send(&data).unwrap();
        let mut back = vec![0; len + 1];
        let got = socket.recv(&mut back).map_err(|error| error.kind())?;
        assert_eq!(&back[..got], &data[..]);
        Ok(())
    })
}

fn traffic_flows(how: TcAttachment, name: &str) {
    let mut node = Node::new(name, how);
    let (client, megabyte) = (&node.pods[0], 1 << 20);
    assert_eq!(exchange(client, "10.244.0.3:8080", megabyte).unwrap(), "10.244.0.2", "pod to pod");
    assert_eq!(exchange(client, "10.96.0.1:80", megabyte).unwrap(), "10.244.0.2", "to a ClusterIP");
    assert_eq!(
        exchange(client, "192.0.2.1:30080", megabyte).unwrap(),
        "10.244.0.2",
        "to a NodePort"
    );
    datagram(client, "10.96.0.1:53", 1200).unwrap();
    let outside = &node.outside;
    assert_eq!(
        exchange(outside, "192.0.2.1:30080", megabyte).unwrap(),
        "192.0.2.9",
        "from outside"
    );
    datagram(outside, "192.0.2.1:30053", 1200).unwrap();
    assert_eq!(exchange(outside, "10.244.0.3:8080", megabyte).unwrap(), "192.0.2.9", "routed");
    assert_eq!(exchange(&node.netns, "10.244.0.3:8080", 1000).unwrap(), "192.0.2.1", "the node");
    assert!(node.counter(Event::Delivered) > 0 && node.counter(Event::RepliedOutside) > 0);
    assert_eq!(node.counter(Event::FlowOpened), 5, "each service flow once");
    for event in Event::ALL.iter().filter(|event| event.is_drop()) {
        assert_eq!(node.counter(*event), 0, "{}", event.name());
    }
}

#[test]
fn traffic_flows_through_links() {
    if kernel::lacks(kernel::TCX) {
        return;
    }
    traffic_flows(TcAttachment::Tcx, "tcx");
}

#[test]
fn traffic_flows_through_filters() {
    traffic_flows(TcAttachment::Clsact, "clsact");
}

#[test]
fn nobody_there_is_a_refusal_at_once() {
    let mut node = Node::new("refusals", kernel::tc_attachment());
    let (pod, outside) = (&node.pods[0], &node.outside);
    let refused: Result<String, _> = Err(ErrorKind::ConnectionRefused);
    assert_eq!(exchange(pod, "10.96.0.2:80", 0), refused, "no endpoints");
    assert_eq!(exchange(pod, "10.96.0.1:81", 0), refused, "no such port");
    assert_eq!(exchange(pod, "192.0.2.1:30081", 0), refused, "a NodePort without endpoints");
    assert_eq!(exchange(outside, "192.0.2.1:30081", 0), refused, "likewise from outside");
    assert_eq!(datagram(pod, "10.96.0.2:53", 10), Err(ErrorKind::ConnectionRefused), "a datagram");
    assert_eq!(
        datagram(pod, "10.96.0.2:53", 1400),
        Err(ErrorKind::ConnectionRefused),
        "a large one"
    );
    pod.command("busybox", "ping -c 1 -W 2 10.96.0.2");
    assert_eq!(node.counter(Event::Refused), 6);
    assert_eq!(node.counter(Event::EchoAnswered), 1);
}

/// The programs at the hooks of the uplink and of a pod, with their ids.
fn attached(node: &Node, how: TcAttachment) -> Vec<String> {
    let mut seen = Vec::new();
    for interface in ["up0", "pod2"] {
        if how == TcAttachment::Tcx {
            let programs = node.netns.run(|| sheave_dataplane::programs_at(interface)).unwrap();
            seen.extend(programs.iter().map(|p| format!("{interface} {} {}", p.name, p.id)));
            continue;
        }
        for side in ["ingress", "egress"] {
            let filters = node.netns.command("tc", &format!("filter show dev {interface} {side}"));
            let ours = filters.lines().filter(|line| line.contains(" id "));
            seen.extend(ours.map(|line| format!("{interface} {line}")));
        }
    }
    seen
}

fn programs_are_replaced(how: TcAttachment, name: &str) {
    let mut node = Node::new(name, how);
    let before = attached(&node, how);
    // A connection that is open all the while.
    let mut stream = node.outside.run(|| TcpStream::connect("192.0.2.1:30080")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut greeting = [0; 22];
    stream.read_exact(&mut greeting).unwrap();
    node.dataplane = None;
    node.dataplane = Some(node.netns.run(|| Dataplane::open(&node.config)).unwrap());
    let after = attached(&node, how);
    assert_eq!(before.len(), 3, "{before:?}");
    assert_eq!(after.len(), 3, "no second program beside the first: {after:?}");
    assert!(after.iter().all(|program| !before.contains(program)), "{before:?} {after:?}");
    let mut back = [0; 5];
    stream.write_all(b"still").unwrap();
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"still");
    exchange(&node.pods[0], "10.96.0.1:80", 1000).unwrap();
}

#[test]
fn a_new_agent_replaces_the_programs_of_running_pods() {
    if kernel::lacks(kernel::TCX) {
        return;
    }
    programs_are_replaced(TcAttachment::Tcx, "replace");
}

#[test]
fn a_new_agent_replaces_the_filters_of_running_pods() {
    programs_are_replaced(TcAttachment::Clsact, "replace-clsact");
}

#[test]
fn programs_that_do_not_load_leave_the_old_ones_running_and_say_why() {
    let how = kernel::tc_attachment();
    let mut node = Node::new("refused-load", how);
    let before = attached(&node, how);
    // What a later version might meet: a map that its programs may not use as they do.
    let slots = node.config.bpffs_dir.join("maps/SLOTS");
    std::fs::remove_file(&slots).unwrap();
    let create = "type prog_array key 4 value 4 entries 8 name SLOTS";
    node.netns.command("bpftool", &format!("map create {} {create}", slots.display()));
    node.dataplane = None;
    let opened = node.netns.run(|| Dataplane::open(&node.config)).unwrap();
    match opened.running() {
        ProgramsRunning::Before(reason) => {
            assert!(reason.to_string().contains("pod_ingress"), "{reason}");
        }
        ProgramsRunning::Ours => panic!("the new programs cannot have been loaded"),
    }
    assert_eq!(attached(&node, how), before);
    exchange(&node.pods[0], "10.96.0.1:80", 1000).unwrap();
}

#[test]
fn a_map_of_another_layout_is_named_and_nothing_is_touched() {
    let how = kernel::tc_attachment();
    let mut node = Node::new("layout", how);
    let before = attached(&node, how);
    let flows = node.config.bpffs_dir.join("maps/FLOWS");
    std::fs::remove_file(&flows).unwrap();
    let create = "type lru_hash key 4 value 4 entries 8 name FLOWS";
    node.netns.command("bpftool", &format!("map create {} {create}", flows.display()));
    node.dataplane = None;
    let error = node.netns.run(|| Dataplane::open(&node.config)).unwrap_err().to_string();
    assert!(error.contains("map FLOWS") && error.contains("sheave cleanup"), "{error}");
    assert_eq!(attached(&node, how), before);
}

#[test]
fn what_is_there_is_found() {
    let bpffs = BpffsDir::new();
    let features = sheave_dataplane::Features::probe(&bpffs.path);
    assert_eq!(features.blocking().collect::<Vec<_>>(), Vec::<&sheave_dataplane::Feature>::new());
    let tcx = features.all.iter().find(|feature| feature.name == "tcx links").unwrap();
    let attached = Netns::new().run(|| sheave_dataplane::programs_at("lo"));
    assert_eq!(tcx.present, attached.is_ok());
}

#[test]
fn what_is_missing_is_named_with_its_remedy() {
    let netns = Netns::new();
    let cgroup = TestCgroup::new("missing");
    let open = |config: DataplaneConfig| {
        let error = netns.run(|| Dataplane::open(&config)).unwrap_err();
        sheave_dataplane::cleanup(&config.bpffs_dir).unwrap();
        error.to_string()
    };
    let config = || {
        let bpffs = BpffsDir::new();
        let config = DataplaneConfig {
            bpffs_dir: bpffs.path.clone(),
            cgroup2_path: Some(cgroup.path().into()),
            ..DataplaneConfig::default()
        };
        (bpffs, config)
    };
    let (_bpffs, base) = config();
    let error = open(DataplaneConfig { mount_bpffs: false, ..base });
    assert!(error.contains("mount -t bpf"), "{error}");
    let (_bpffs, base) = config();
    let error = open(DataplaneConfig { cgroup2_path: Some("/proc".into()), ..base });
    assert!(error.contains("--cgroup2"), "{error}");
    let (_bpffs, base) = config();
    let error = open(DataplaneConfig { uplinks: vec!["nothere0".into()], ..base });
    assert!(error.contains("nothere0") && error.contains("--uplink"), "{error}");
    let (_bpffs, base) = config();
    let error = open(DataplaneConfig { uplinks: vec!["lo".into()], ..base });
    assert!(error.contains("not Ethernet"), "{error}");
}

fn cleanup_leaves_nothing(how: TcAttachment, name: &str) {
    let mut node = Node::new(name, how);
    node.dataplane = None;
    let dir = node.config.bpffs_dir.clone();
    let listed = sheave_dataplane::installed(&dir).unwrap();
    let cleaned = node.netns.run(|| sheave_dataplane::cleanup(&dir)).unwrap();
    assert_eq!(cleaned.removed, listed, "what was announced");
    assert!(cleaned.unmounted && !dir.exists());
    assert_eq!(attached(&node, how), Vec::<String>::new());
    assert_eq!(sheave_dataplane::installed(&dir).unwrap(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn cleanup_leaves_nothing_attached_and_nothing_pinned() {
    cleanup_leaves_nothing(TcAttachment::Clsact, "clean-clsact");
    if kernel::has(kernel::TCX) {
        cleanup_leaves_nothing(TcAttachment::Tcx, "clean");
    }
}
