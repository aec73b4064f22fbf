//! What the server says that it has done, against what was asked of it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sheave_dns::counts::{Counts, ZoneLabel};

use crate::upstream::{Dnsmasq, free};
use crate::{counting_server, dig};

/// Responses as `zone type code transport count`, sorted.
fn responses(counts: &Counts) -> Vec<String> {
    let lines = counts.responses().map(|(response, count)| {
        let (zone, record_type) = (response.zone.text(), response.record_type.text());
        let (code, transport) = (response.code.text(), response.transport.text());
        format!("{zone} {record_type} {code} {transport} {count}")
    });
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}

/// Those that are not 0, as `reason count`.
fn drops(counts: &Counts) -> Vec<String> {
    let drops = counts.drops().filter(|(_, count)| *count > 0);
    drops.map(|(reason, count)| format!("{} {count}", reason.text())).collect()
}

fn queries(counts: &Counts) -> Vec<String> {
    let queries = counts.upstream_queries().filter(|(_, count)| *count > 0);
    queries.map(|(outcome, count)| format!("{} {count}", outcome.text())).collect()
}

/// A client has its answer a moment before it is counted.
async fn counted<T: PartialEq + std::fmt::Debug>(find: impl Fn() -> T, expected: T) {
    let limit = Instant::now() + Duration::from_secs(5);
    while find() != expected && Instant::now() < limit {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(find(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_response_is_counted_once_by_what_it_is() {
    let counts = Arc::<Counts>::default();
    let server = counting_server(&[], Arc::clone(&counts)).await;
    for transport in ["+notcp", "+tcp"] {
        for words in [
            "web.default.svc.cluster.local",
            "WEB.default.svc.cluster.local",
            "web.default.svc.cluster.local AAAA",
            "no.default.svc.cluster.local",
            "_http._tcp.web.default.svc.cluster.local SRV",
            "web.default.svc.cluster.local TYPE4711",
            "-x 10.96.0.7",
            "-x 10.96.0.8",
            "-x 192.0.2.1",
            "www.example.test",
            "+norecurse www.example.test MX",
            "CH TXT version.bind",
            "+opcode=4 web.default.svc.cluster.local",
        ] {
            dig(server.addresses()[0], &format!("{transport} {words}")).await;
        }
    }
    let lines = ["tcp", "udp"].map(|transport| {
        [
            "cluster A NOERROR _ 2",
            "cluster A NXDOMAIN _ 1",
            "cluster AAAA NOERROR _ 1",
            "cluster SRV NOERROR _ 1",
            "cluster other NOERROR _ 1",
            "other A SERVFAIL _ 1",
            "other MX REFUSED _ 1",
            "other PTR SERVFAIL _ 1",
            "other TXT REFUSED _ 1",
            "other other NOTIMP _ 1",
            "reverse PTR NOERROR _ 1",
            "reverse PTR NXDOMAIN _ 1",
        ]
        .map(|line| line.replace('_', transport))
    });
    let mut lines = lines.concat();
    lines.sort();
    counted(|| responses(&counts), lines).await;
    let of_zones = ZoneLabel::ALL.iter().map(|zone| {
        let durations = counts.durations(*zone);
        assert!(durations.sum_s > 0.0 && durations.sum_s < 60.0, "{durations:?}");
        durations.buckets.iter().map(|(_, count)| count).sum::<u64>()
    });
    assert_eq!(of_zones.collect::<Vec<_>>(), [12, 4, 10]);
    assert_eq!((drops(&counts), queries(&counts)), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_of_upstreams_is_told_from_what_is_remembered() {
    // Without it, what is told may not be remembered.
    let upstream = Dnsmasq::start(&["--address=/www.example.test/192.0.2.7", "--local-ttl=60"]);
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let counts = Arc::<Counts>::default();
    let upstreams = [silent.local_addr().unwrap(), nobody, upstream.address];
    let server = counting_server(&upstreams, Arc::clone(&counts)).await;
    let address = server.addresses()[0];
    for _ in 0..3 {
        dig(address, "www.example.test").await;
    }
    // dnsmasq without a server for it refuses.
    dig(address, "www.example.org").await;
    let expected = vec!["other A NOERROR udp 3".into(), "other A REFUSED udp 1".into()];
    counted(|| responses(&counts), expected).await;
    // Both others are asked before it at first, and after it when it has nothing to say.
    assert_eq!(queries(&counts), ["answered 1", "useless 1", "silent 2", "failed 2"]);
    assert_eq!(counts.cache_answers(), 2);
    assert_eq!(counts.upstreams_looping(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_leads_back_is_counted_while_it_is_left_out() {
    let free = free();
    let counts = Arc::<Counts>::default();
    let server = counting_server(&[free], Arc::clone(&counts)).await;
    let address = server.addresses()[0];
    let back = format!("--server=127.0.0.1#{}", address.port());
    let _upstream = Dnsmasq::start_at(free.port(), &[&back]);
    dig(address, "a.example.org").await;
    counted(|| counts.upstreams_looping(), 1).await;
}

fn converse(address: SocketAddr, message: &[u8]) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(message).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "it is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gets_no_response_is_counted_by_its_reason() {
    let counts = Arc::<Counts>::default();
    let server = counting_server(&[], Arc::clone(&counts)).await;
    let address = server.addresses()[0];
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let response = [0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for bytes in [&[][..], &[1; 11], &response, &[0; 1233]] {
        socket.send_to(bytes, address).unwrap();
    }
    converse(address, &[0xff, 0xff, 0]);
    converse(address, &[0, 1, 0]);
    counted(|| drops(&counts), vec!["malformed 6".into()]).await;
    let held: Vec<_> = (0..34).map(|_| TcpStream::connect(address).unwrap()).collect();
    let expected = vec!["malformed 6".into(), "too_many_connections 2".into()];
    counted(|| drops(&counts), expected).await;
    drop(held);
    assert_eq!(responses(&counts), Vec::<String>::new());
}
