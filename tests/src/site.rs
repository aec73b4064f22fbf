//! [`Lab`] on both families and without an agent: what is pinned works by itself. Pods 10.244.0.N and
//! fd00:244::N, the node 192.0.2.1 and 2001:db8::1, the outside 192.0.2.9 and 2001:db8::9.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails, and says where")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use sheave_abi::event::Event;
use sheave_abi::order::Addr;
use sheave_core::model::Update;
use sheave_dataplane::{Cidr, Dataplane, Network};

use crate::cgroup::TestCgroup;
use crate::kernel;
use crate::lab::Lab;
use crate::netns::Netns;
use crate::node::{complete, reconcile};
use crate::services::this_node;

/// The node's addresses.
pub const NODE: [&str; 2] = ["192.0.2.1", "2001:db8::1"];
/// Those of a server or client outside.
pub const OUTSIDE: [&str; 2] = ["192.0.2.9", "2001:db8::9"];
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// See the module.
pub struct Site {
    // Before the lab, whose BPF file system goes with it.
    dataplane: Dataplane,
    /// Node, pods and outside.
    pub lab: Lab,
}

impl Site {
    /// A node with the pods 2, 3 and 4, which knows its network.
    pub fn new(name: &str) -> Self {
        Self::over(TestCgroup::new(name))
    }

    /// Likewise, whose socket hooks are at this cgroup.
    pub fn over(cgroup: TestCgroup) -> Self {
        let mut lab = Lab::over(cgroup, kernel::tc_attachment());
        lab.add_pod(2);
        lab.add_pod(3);
        lab.add_pod(4);
        lab.node.sysctl("net.ipv6.conf.all.forwarding", "1");
        lab.node.ip("addr add 2001:db8::1/64 dev up0 nodad");
        lab.outside.ip("addr add 2001:db8::9/64 dev cl0 nodad");
        lab.outside.ip("route add default via 2001:db8::1");
        lab.node.ip("route add default via 2001:db8::9");
        let dataplane = Dataplane::inspect(&lab.config.bpffs_dir).unwrap();
        for (last, pod) in &lab.pods {
            let host_mac = format!("02:00:00:00:01:{last:02x}");
            pod.ip(&format!("addr add fd00:244::{last}/128 dev eth0 nodad"));
            pod.ip(&format!("neigh add fe80::1 lladdr {host_mac} dev eth0"));
            pod.ip("route add default via fe80::1 dev eth0");
            lab.node.ip(&format!("route add fd00:244::{last}/128 dev pod{last}"));
            let pod_mac = format!("02:00:00:00:00:{last:02x}");
            lab.node.ip(&format!("neigh add fd00:244::{last} lladdr {pod_mac} dev pod{last}"));
            let v4 = Addr::v4([10, 244, 0, *last]);
            let pods = dataplane.endpoints().unwrap();
            let (_, endpoint) = pods.into_iter().find(|(addr, _)| *addr == v4).unwrap();
            let mut v6 = [0; 16];
            (v6[0], v6[2], v6[3], v6[15]) = (0xfd, 0x02, 0x44, *last);
            dataplane.put_endpoint(Addr::v6(v6), endpoint).unwrap();
            if let Some(cookie) = pod.run(sheave_dataplane::netns_cookie) {
                dataplane.put_namespace(Addr::v6(v6), cookie).unwrap();
            }
        }
        let site = Self { dataplane, lab };
        site.tell(|_| {});
        site
    }

    /// Tells the programs the network, changed as `change` says.
    pub fn tell(&self, change: impl FnOnce(&mut Network)) {
        let cidr = |text: &str| -> Cidr {
            let (address, len) = text.split_once('/').unwrap();
            (address.parse().unwrap(), len.parse().unwrap())
        };
        let node = &self.lab.node;
        let up0 = node.run(|| nix::net::if_::if_nametoindex("up0")).unwrap();
        let mut network = Network {
            services: vec![cidr("10.96.0.0/16"), cidr("fd00:96::/112")],
            node_pods: vec![cidr("10.244.0.0/24"), cidr("fd00:244::/120")],
            cluster_pods: vec![cidr("10.244.0.0/16"), cidr("fd00:244::/64")],
            hairpin: vec!["169.254.1.1".parse().unwrap(), "fe80::1".parse().unwrap()],
            nat_ports: Some(61000..=65535),
            uplinks: vec![(up0, NODE.map(|a| a.parse().unwrap()).to_vec())],
        };
        change(&mut network);
        node.run(|| self.dataplane.set_network(&network)).unwrap();
    }

    /// Replaces the services.
    pub fn serve(&mut self, updates: Vec<Update>) {
        let ledger = complete([this_node(NODE[0])].into_iter().chain(updates));
        reconcile(&mut self.dataplane, &ledger);
    }

    /// How often `event` was counted.
    pub fn counter(&self, event: Event) -> u64 {
        let counters = self.dataplane.counters().unwrap();
        counters.into_iter().find(|(e, _)| *e == event).unwrap().1
    }

    /// Fails if anything was dropped.
    pub fn assert_nothing_dropped(&self) {
        for event in Event::ALL.iter().filter(|event| event.is_drop()) {
            assert_eq!(self.counter(*event), 0, "{}", event.name());
        }
    }

    /// Takes a pod away, as when it ends.
    pub fn end_pod(&mut self, last: u8) {
        self.dataplane.remove_endpoint(Addr::v4([10, 244, 0, last])).unwrap();
        self.lab.node.ip(&format!("link del pod{last}"));
        self.lab.pods.remove(&last);
    }

    /// The pod whose address ends with `last`.
    pub fn pod(&self, last: u8) -> &Netns {
        &self.lab.pods[&last]
    }

    /// The maps.
    pub fn dataplane(&mut self) -> &mut Dataplane {
        &mut self.dataplane
    }
}

/// Who listens at `address` in `netns`: TCP and UDP, each connection and datagram answered first with the
/// client's address as seen there, then with what it sent.
pub fn answer(netns: &Netns, address: &str) {
    let address: SocketAddr = address.parse().unwrap();
    netns.run(|| {
        let listener = TcpListener::bind(address).unwrap();
        let socket = UdpSocket::bind(address).unwrap();
        std::thread::spawn(move || {
            listener.incoming().for_each(|stream| {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let peer = stream.peer_addr().unwrap();
                    writeln!(stream, "{:<60}", peer).unwrap();
                    let mut from = stream.try_clone().unwrap();
                    let _ = std::io::copy(&mut from, &mut stream);
                    let _ = stream.shutdown(std::net::Shutdown::Write);
                });
            });
        });
        std::thread::spawn(move || {
            let mut data = [0; 65536];
            while let Ok((len, from)) = socket.recv_from(&mut data) {
                let mut reply = format!("{from:<60}\n").into_bytes();
                reply.extend(&data[..len]);
                let _ = socket.send_to(&reply, from);
            }
        });
    });
}

/// Who listens at `address` in `netns`: each TCP connection and each datagram is answered with the address.
pub fn name(netns: &Netns, address: &str) {
    let name = address.to_owned();
    netns.run(|| {
        let listener = TcpListener::bind(address).unwrap();
        let socket = UdpSocket::bind(address).unwrap();
        let line = name.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = writeln!(stream.unwrap(), "{line}");
            }
        });
        std::thread::spawn(move || {
            // An error is that of a client that has ended, or of a link.
            let mut data = [0; 64];
            loop {
                if let Ok((_, from)) = socket.recv_from(&mut data) {
                    let _ = socket.send_to(name.as_bytes(), from);
                }
            }
        });
    });
}

/// A TCP connection: as whom the server saw it, after `len` bytes went to and fro unharmed.
pub fn tcp(netns: &Netns, address: &str, len: usize) -> Result<SocketAddr, ErrorKind> {
    let address: SocketAddr = address.parse().unwrap();
    netns.run(|| exchange(TcpStream::connect_timeout(&address, PATIENCE), len))
}

/// Likewise on a stream that is there, or should be.
pub fn exchange(stream: std::io::Result<TcpStream>, len: usize) -> Result<SocketAddr, ErrorKind> {
    let mut stream = stream.map_err(|error| error.kind())?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut seen_as = [0; 61];
    stream.read_exact(&mut seen_as).map_err(|error| error.kind())?;
    let data: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
    let (mut writer, sent) = (stream.try_clone().unwrap(), data.clone());
    let writing = std::thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut back = Vec::new();
    stream.read_to_end(&mut back).map_err(|error| error.kind())?;
    writing.join().unwrap();
    assert!(back == data, "{} of {} bytes came back, or not the same", back.len(), data.len());
    Ok(String::from_utf8_lossy(&seen_as).trim().parse().unwrap())
}

/// A datagram socket, bound to `port`, that is connected to `address`.
pub fn connected(netns: &Netns, address: &str, port: u16) -> UdpSocket {
    let address: SocketAddr = address.parse().unwrap();
    netns.run(|| {
        let any: IpAddr = if address.is_ipv4() { [0, 0, 0, 0].into() } else { [0; 16].into() };
        let socket = UdpSocket::bind((any, port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(address).unwrap();
        socket
    })
}

/// Sends `len` bytes and waits for the answer: as whom the server saw us.
pub fn ask(socket: &UdpSocket, len: usize) -> Result<SocketAddr, ErrorKind> {
    let data = vec![7; len];
    socket.send(&data).map_err(|error| error.kind())?;
    let mut back = vec![0; len + 100];
    let got = socket.recv(&mut back).map_err(|error| error.kind())?;
    assert_eq!(&back[61..got], &data[..]);
    Ok(String::from_utf8_lossy(&back[..61]).trim().parse().unwrap())
}
