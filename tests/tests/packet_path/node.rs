//! The node and what surrounds it.
//!
//! ```text
//! pods .2, .3 --- node 192.0.2.1 --- .9 outside 198.51.100.1 === .2 beyond 203.0.113.1 --- .7 far
//!                                       | 198.18.0.1            MTU 1280 in both directions: ===
//!                                       | .7 beside
//! ```
//!
//! Everything has an IPv6 address beside. The far client also has the address of a pod of another node: it
//! is that node, and answers whoever asks past ours.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use sheave_abi::endpoint::Endpoint;
use sheave_abi::event::Event;
use sheave_abi::order::Addr;
use sheave_core::model::Protocol::{self, Tcp, Udp};
use sheave_core::model::{Service, Update};
use sheave_dataplane::{Dataplane, DataplaneConfig, Network, Sizes, TcAttachment, XdpMode};
use sheave_tests::cgroup::TestCgroup;
use sheave_tests::netns::Netns;
use sheave_tests::node::{BpffsDir, complete, reconcile};
use sheave_tests::services::{service, slice, this_node};

use crate::wire::echo;

/// The way between the routers is narrower than all else.
pub(crate) const NARROW_MTU: u32 = 1280;

pub(crate) struct Node {
    pub(crate) dataplane: Option<Dataplane>,
    pub(crate) config: DataplaneConfig,
    pub(crate) network: Network,
    pub(crate) netns: Netns,
    pub(crate) pods: Vec<Netns>,
    /// A client on the node's own network, and the first router to others.
    pub(crate) outside: Netns,
    /// The second router.
    pub(crate) _beyond: Netns,
    /// A client behind both.
    pub(crate) far: Netns,
    /// A client behind the first alone.
    pub(crate) beside: Netns,
    // After the dataplane: what is attached is detached first.
    _bpffs: BpffsDir,
    _cgroup: TestCgroup,
}

/// A network of its own whose addresses may be used at once.
fn host() -> Netns {
    let netns = Netns::new();
    netns.sysctl("net.ipv6.conf.default.accept_dad", "0");
    netns
}

/// One that hands packets on.
fn router() -> Netns {
    let netns = host();
    netns.sysctl("net.ipv4.ip_forward", "1");
    netns.sysctl("net.ipv6.conf.all.forwarding", "1");
    netns
}

/// A link between two networks, with an address of each family at both ends.
pub(crate) fn link(a: (&Netns, &str, [&str; 2]), b: (&Netns, &str, [&str; 2]), mtu: u32) {
    a.0.ip(&format!("link add {} mtu {mtu} type veth peer name {} mtu {mtu}", a.1, b.1));
    a.0.give(b.1, b.0);
    for (netns, name, addresses) in [a, b] {
        netns.ip(&format!("link set {name} up"));
        addresses.iter().for_each(|addr| netns.ip(&format!("addr add {addr} dev {name}")));
    }
}

impl Node {
    pub(crate) fn new(name: &str, how: TcAttachment) -> Self {
        Self::with_xdp(name, how, XdpMode::default())
    }

    /// With the program in the uplink's driver or without it.
    pub(crate) fn with_xdp(name: &str, how: TcAttachment, xdp: XdpMode) -> Self {
        let (node, outside, beyond) = (router(), router(), router());
        let (far, beside) = (host(), host());
        let (bpffs, cgroup) = (BpffsDir::new(), TestCgroup::new(name));
        link(
            (&node, "up0", ["192.0.2.1/24", "2001:db8:2::1/64"]),
            (&outside, "cl0", ["192.0.2.9/24", "2001:db8:2::9/64"]),
            1500,
        );
        link(
            (&outside, "narrow0", ["198.51.100.1/24", "2001:db8:100::1/64"]),
            (&beyond, "narrow1", ["198.51.100.2/24", "2001:db8:100::2/64"]),
            NARROW_MTU,
        );
        link(
            (&beyond, "far0", ["203.0.113.1/24", "2001:db8:113::1/64"]),
            (&far, "eth0", ["203.0.113.7/24", "2001:db8:113::7/64"]),
            1500,
        );
        link(
            (&outside, "beside0", ["198.18.0.1/24", "2001:db8:18::1/64"]),
            (&beside, "eth0", ["198.18.0.7/24", "2001:db8:18::7/64"]),
            1500,
        );
        let default = |netns: &Netns, v4: &str, v6: &str| {
            netns.ip(&format!("route add default via {v4}"));
            netns.ip(&format!("route add default via {v6}"));
        };
        default(&node, "192.0.2.9", "2001:db8:2::9");
        default(&outside, "192.0.2.1", "2001:db8:2::1");
        default(&beyond, "198.51.100.1", "2001:db8:100::1");
        default(&far, "203.0.113.1", "2001:db8:113::1");
        default(&beside, "198.18.0.1", "2001:db8:18::1");
        for to in ["203.0.113.0/24", "10.244.1.0/24"] {
            outside.ip(&format!("route add {to} via 198.51.100.2"));
        }
        for to in ["2001:db8:113::/64", "fd00:10:244:1::/64"] {
            outside.ip(&format!("route add {to} via 2001:db8:100::2"));
        }
        beyond.ip("route add 10.244.1.0/24 via 203.0.113.7");
        beyond.ip("route add fd00:10:244:1::/64 via 2001:db8:113::7");
        far.ip("addr add 10.244.1.9/32 dev lo");
        far.ip("addr add fd00:10:244:1::9/128 dev lo");
        let config = DataplaneConfig {
            bpffs_dir: bpffs.path.clone(),
            cgroup2_path: Some(cgroup.path().into()),
            uplinks: vec!["up0".into()],
            tc_attachment: Some(how),
            xdp,
            sizes: Some(Sizes::for_memory(2 << 30)),
            ..DataplaneConfig::default()
        };
        let dataplane = node.run(|| Dataplane::open(&config)).unwrap();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let up0 = node.run(|| nix::net::if_::if_nametoindex("up0")).unwrap();
        let network = Network {
            uplinks: vec![(up0, vec![ip("192.0.2.1"), ip("2001:db8:2::1")])],
            services: vec![(ip("10.96.0.0"), 16), (ip("fd00:10:96::"), 112)],
            hairpin: vec![ip("169.254.1.1"), ip("fe80::1")],
            nat_ports: Some(61000..=65535),
            ..Network::default()
        };
        node.run(|| dataplane.set_network(&network)).unwrap();
        let mut node = Self {
            dataplane: Some(dataplane),
            config,
            network,
            netns: node,
            pods: vec![],
            outside,
            _beyond: beyond,
            far,
            beside,
            _bpffs: bpffs,
            _cgroup: cgroup,
        };
        node.add_pod(2, how);
        node.add_pod(3, how);
        node.add_services();
        node
    }

    fn add_pod(&mut self, last: u8, how: TcAttachment) {
        let (pod, host_end) = (host(), format!("pod{last}"));
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
        pod.ip(&format!("addr add fd00:10:244::{last}/128 dev eth0"));
        pod.ip("link set eth0 up");
        pod.ip(&format!("neigh add 169.254.1.1 lladdr {} dev eth0", text(host_mac)));
        pod.ip("route add 169.254.1.1 dev eth0 scope link");
        pod.ip("route add default via 169.254.1.1 dev eth0");
        netns.ip(&format!("route add 10.244.0.{last}/32 dev {host_end}"));
        netns.ip(&format!("neigh add 10.244.0.{last} lladdr {} dev {host_end}", text(pod_mac)));
        // IPv6 without neighbours that were set: both ends must find each other past the program.
        netns.ip(&format!("addr add fe80::1/64 dev {host_end}"));
        netns.ip(&format!("route add fd00:10:244::{last}/128 dev {host_end}"));
        pod.ip("route add default via fe80::1 dev eth0");

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
        let v6 = [0xfd, 0, 0, 0x10, 2, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
        for addr in [Addr::v4([10, 244, 0, last]), Addr::v6(v6)] {
            self.dataplane().put_endpoint(addr, endpoint).unwrap();
        }
        self.pods.push(pod);
    }

    /// `web` and `dns` on the second pod, `none` on nobody, `closed` on a port where nobody listens,
    /// `away` on a pod of another node, `own` in the node's own network; all of them with both families.
    fn add_services(&mut self) {
        let Update::Node(mut here) = this_node("192.0.2.1") else { unreachable!() };
        here.node_port_addresses.push("2001:db8:2::1".parse().unwrap());
        let mut updates = vec![Update::Node(here)];
        let pod3 = ["10.244.0.3", "fd00:10:244::3"];
        let elsewhere = ["10.244.1.9", "fd00:10:244:1::9"];
        let own = ["192.0.2.1", "2001:db8:2::1"];
        let mut add =
            |name, protocol, last: u8, port, node_port, backends: Option<(u16, [&str; 2])>| {
                updates.push(Update::Service(dual(name, protocol, last, port, node_port)));
                if let Some((target, addresses)) = backends {
                    updates.extend(addresses.map(|addr| slice_of(name, protocol, target, addr)));
                }
            };
        add("web", Tcp, 1, 80, Some(30080), Some((8080, pod3)));
        add("dns", Udp, 1, 53, Some(30053), Some((5353, pod3)));
        add("none", Tcp, 2, 80, Some(30081), None);
        add("none-udp", Udp, 2, 53, None, None);
        add("closed", Tcp, 3, 80, Some(30083), Some((9999, pod3)));
        add("closed-udp", Udp, 3, 53, Some(30054), Some((9999, pod3)));
        add("away", Tcp, 4, 80, Some(30084), Some((8080, elsewhere)));
        add("away-udp", Udp, 4, 53, Some(30055), Some((5353, elsewhere)));
        add("away-closed", Tcp, 5, 80, Some(30085), Some((9999, elsewhere)));
        add("away-closed-udp", Udp, 5, 53, Some(30056), Some((9999, elsewhere)));
        add("own", Tcp, 6, 80, Some(30086), Some((8080, own)));
        add("own-udp", Udp, 6, 53, Some(30057), Some((5353, own)));
        reconcile(self.dataplane(), &complete(updates));
        serve(&self.pods[1], &pod3);
        serve(&self.far, &elsewhere);
        serve(&self.netns, &own);
    }

    pub(crate) fn dataplane(&mut self) -> &mut Dataplane {
        self.dataplane.as_mut().unwrap()
    }

    pub(crate) fn counter(&mut self, event: Event) -> u64 {
        let counters = self.dataplane().counters().unwrap();
        counters.into_iter().find(|(e, _)| *e == event).unwrap().1
    }

    /// Nothing was dropped so far.
    pub(crate) fn assert_no_drops(&mut self) {
        for event in Event::ALL.iter().filter(|event| event.is_drop()) {
            assert_eq!(self.counter(*event), 0, "{}", event.name());
        }
    }
}

/// A service with addresses of both families.
fn dual(name: &str, protocol: Protocol, last: u8, port: u16, node_port: Option<u16>) -> Service {
    let mut service = service(name, protocol, &format!("10.96.0.{last}:{port}"), node_port);
    service.cluster_ips.push(format!("fd00:10:96::{last}").parse().unwrap());
    service
}

fn slice_of(name: &str, protocol: Protocol, target: u16, address: &str) -> Update {
    let Update::EndpointSlice(mut slice) = slice(name, protocol, target, &[address]) else {
        unreachable!()
    };
    slice.key.name = format!("{name}-{}", if address.contains(':') { "v6" } else { "v4" });
    Update::EndpointSlice(slice)
}

/// Echoes at the addresses: TCP on 8080, UDP on 5353.
fn serve(netns: &Netns, addresses: &[&str]) {
    for address in addresses {
        let ip: IpAddr = address.parse().unwrap();
        netns.run(|| {
            let listener = TcpListener::bind(SocketAddr::new(ip, 8080)).unwrap();
            std::thread::spawn(move || listener.incoming().for_each(|s| echo(s.unwrap())));
            let socket = UdpSocket::bind(SocketAddr::new(ip, 5353)).unwrap();
            std::thread::spawn(move || {
                let mut data = [0; 4096];
                loop {
                    // An error is what an earlier answer met.
                    if let Ok((len, from)) = socket.recv_from(&mut data) {
                        let _ = socket.send_to(&data[..len], from);
                    }
                }
            });
        });
    }
}
