//! The server on the loopback, asked by dig, with dnsmasq behind it.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod counting;
mod upstream;

use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::rr::Name;
use sheave_core::model::{
    Endpoint, EndpointPort, EndpointSlice, LeadsTo, NamedService, ObjectKey, Protocol, ServicePort,
};
use sheave_dns::counts::Counts;
use sheave_dns::records::Records;
use sheave_dns::zone::Cluster;
use sheave_dns::{Server, ServerConfig, Sockets, Upstreams};

use upstream::Dnsmasq;

fn cluster() -> Cluster {
    Cluster {
        domain: Name::from_ascii("cluster.local.").unwrap(),
        dns_addresses: vec!["10.96.0.10".parse().unwrap()],
        service_ranges: vec!["10.96.0.0/16".parse().unwrap()],
        pod_ranges: vec!["10.244.0.0/16".parse().unwrap()],
    }
}

/// A server that asks these of everything that is not the cluster's.
async fn server(upstreams: &[SocketAddr]) -> Server {
    counting_server(upstreams, Arc::default()).await
}

async fn counting_server(upstreams: &[SocketAddr], counts: Arc<Counts>) -> Server {
    let upstreams = Upstreams {
        stub_domains: vec![(Name::root(), upstreams.to_vec())],
        ..Upstreams::default()
    };
    let config = ServerConfig {
        sockets: ["127.0.0.1:0", "[::1]:0"].map(|address| bind(address.parse().unwrap())).into(),
        clients: vec![],
        upstreams,
        threads: 2,
        counts,
    };
    let server = Server::start(config, cluster()).unwrap();
    set(&server, "web", LeadsTo::Addresses(vec!["10.96.0.7".parse().unwrap()]), 0);
    set(&server, "large", LeadsTo::Endpoints { publish_not_ready: false }, 200);
    set(&server, "outside", LeadsTo::Name("www.example.test".into()), 0);
    server.complete();
    server
}

/// The port that is free for datagrams may be one that a client of another test connects from.
fn bind(address: SocketAddr) -> Sockets {
    (0..20).find_map(|_| Sockets::bind(address).ok()).expect("some port is free for both")
}

fn set(server: &Server, name: &str, leads_to: LeadsTo, endpoints: u8) {
    let key = ObjectKey { namespace: "default".into(), name: name.into() };
    let port = 80.try_into().unwrap();
    let protocol = Protocol::Tcp;
    let endpoint = |last: u8| Endpoint {
        addresses: vec![[10, 244, 0, last].into()],
        ready: true,
        serving: true,
        terminating: false,
        node_name: String::new(),
        zone: String::new(),
        zone_hints: vec![],
        node_hints: vec![],
        hostname: String::new(),
    };
    let slice = EndpointSlice {
        key: key.clone(),
        service_name: name.into(),
        ports: vec![EndpointPort { name: "http".into(), protocol, port }],
        endpoints: (0..endpoints).map(endpoint).collect(),
    };
    let ports = vec![ServicePort { name: "http".into(), protocol, port, node_port: None }];
    let service = NamedService { key: key.clone(), leads_to, ports };
    server.set(&key, Records::of_named(&service, &[&slice]));
}

/// What dig prints.
async fn dig(server: SocketAddr, words: &str) -> String {
    let mut command = Command::new("dig");
    command.arg(format!("@{}", server.ip())).arg("-p").arg(server.port().to_string());
    command.args(["+tries=1", "+time=8"]).args(words.split_whitespace());
    let output = tokio::task::spawn_blocking(move || command.output().expect("dig runs"));
    String::from_utf8(output.await.unwrap().stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_answered_over_both_transports_and_families() {
    let server = server(&[]).await;
    for address in server.addresses() {
        for transport in ["+notcp", "+tcp"] {
            let words = format!("{transport} +short web.default.svc.cluster.local");
            assert_eq!(dig(*address, &words).await, "10.96.0.7\n", "{address} {transport}");
        }
        let said = dig(*address, "+noedns no.default.svc.cluster.local").await;
        assert!(said.contains("status: NXDOMAIN") && said.contains("SOA"), "{said}");
        let said = dig(*address, "web.default.svc.cluster.local AAAA").await;
        assert!(said.contains("status: NOERROR") && said.contains("SOA"), "{said}");
        assert_eq!(
            dig(*address, "+short _http._tcp.web.default.svc.cluster.local SRV").await,
            "0 1 80 web.default.svc.cluster.local.\n"
        );
        assert_eq!(dig(*address, "+short -x 10.96.0.7").await, "web.default.svc.cluster.local.\n");
        let said = dig(*address, "CH TXT version.bind").await;
        assert!(said.contains("status: REFUSED"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_addresses_come_by_tcp_and_some_of_them_by_datagram() {
    let server = server(&[]).await;
    let address = server.addresses()[0];
    let all = dig(address, "+short large.default.svc.cluster.local").await;
    assert_eq!(all.lines().count(), 200, "dig asks again by TCP");
    let some = dig(address, "+ignore large.default.svc.cluster.local").await;
    assert!(some.contains(" tc ") && some.matches("IN\tA\t10.244").count() > 50, "{some}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_in_the_next_answer() {
    let server = server(&[]).await;
    let address = server.addresses()[0];
    for endpoints in [3, 1, 0, 2] {
        set(&server, "large", LeadsTo::Endpoints { publish_not_ready: false }, endpoints);
        let said = dig(address, "+short large.default.svc.cluster.local").await;
        assert_eq!(said.lines().count(), usize::from(endpoints));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_names_are_asked_of_an_upstream_and_remembered() {
    let upstream = Dnsmasq::start(&["--address=/www.example.test/192.0.2.7", "--local=/test/"]);
    let server = server(&[upstream.address]).await;
    let address = server.addresses()[0];
    assert_eq!(dig(address, "+short www.example.test").await, "192.0.2.7\n");
    let said = dig(address, "no.such.test").await;
    assert!(said.contains("status: NXDOMAIN"), "{said}");
    assert_eq!(
        dig(address, "+short outside.default.svc.cluster.local").await,
        "www.example.test.\n192.0.2.7\n",
        "a name that leads outside is followed"
    );
    let said = dig(address, "+norecurse www.other.test").await;
    assert!(said.contains("status: REFUSED"), "{said}");
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_hangs_is_passed_over() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let upstream = Dnsmasq::start(&["--address=/www.example.test/192.0.2.7"]);
    let server = server(&[silent.local_addr().unwrap(), upstream.address]).await;
    let address = server.addresses()[0];
    assert_eq!(dig(address, "+short www.example.test").await, "192.0.2.7\n");
    // From now on the other one is asked first: no answer takes an attempt's time.
    silent.set_nonblocking(true).unwrap();
    let heard = |mut count: usize| {
        while silent.recv(&mut [0; 512]).is_ok() {
            count += 1;
        }
        count
    };
    assert!(heard(0) > 0, "it was asked");
    let said = dig(address, "+short x.www.example.test").await;
    assert_eq!((said.as_str(), heard(0)), ("192.0.2.7\n", 0), "it is asked no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_to_ask_is_a_failure_before_resolvers_give_up() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    for upstreams in [vec![], vec![silent.local_addr().unwrap()]] {
        let server = server(&upstreams).await;
        let began = Instant::now();
        let said = dig(server.addresses()[0], "www.example.test").await;
        assert!(said.contains("status: SERVFAIL"), "{said}");
        assert!(began.elapsed() < Duration::from_secs(8));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_lies_is_not_believed() {
    let liar = upstream::liar();
    let server = server(&[liar]).await;
    let said = dig(server.addresses()[0], "+short www.example.test").await;
    assert_eq!(said, "192.0.2.7\n", "the answer to the question, after others");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_leads_back_is_left_out() {
    let free = upstream::free();
    let server = server(&[free]).await;
    let address = server.addresses()[0];
    let back = format!("--server=127.0.0.1#{}", address.port());
    let _upstream = Dnsmasq::start_at(free.port(), &[&back]);
    let said = dig(address, "a.example.org").await;
    assert!(said.contains("status: SERVFAIL"), "{said}");
    let began = Instant::now();
    let said = dig(address, "b.example.org").await;
    assert!(said.contains("status: SERVFAIL"), "{said}");
    assert!(began.elapsed() < Duration::from_millis(1400), "nobody was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_costs_nothing() {
    let server = server(&[]).await;
    let address = server.addresses()[0];
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    for length in 0..2000_usize {
        let bytes: Vec<u8> = (0..length % 1500).map(|_| random()).collect();
        // A full socket loses some.
        let _ = socket.send_to(&bytes, address);
    }
    let mut idle = Vec::new();
    for _ in 0..64 {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&[0xff, 0xff, random()]).unwrap();
        idle.push(stream);
    }
    assert_eq!(dig(address, "+short web.default.svc.cluster.local").await, "10.96.0.7\n");
    drop(idle);
    assert_eq!(dig(address, "+tcp +short web.default.svc.cluster.local").await, "10.96.0.7\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_lets_its_sockets_go() {
    let server = server(&[]).await;
    let addresses = server.addresses().to_vec();
    assert!(UdpSocket::bind(addresses[0]).is_err());
    drop(server);
    // No thread waits at any of them.
    let deadline = Instant::now() + Duration::from_secs(5);
    for address in addresses {
        while let Err(error) = UdpSocket::bind(address) {
            assert!(Instant::now() < deadline, "{address}: {error}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
