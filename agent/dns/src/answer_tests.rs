//! The specification's records, one by one, as text.

use hickory_proto::rr::Name;
use proptest::prelude::*;
use sheave_core::model::{
    Endpoint, EndpointPort, EndpointSlice, LeadsTo, NamedService, ObjectKey, ServicePort,
};

use super::*;
use crate::zone::Cluster;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn key(name: &str) -> ObjectKey {
    ObjectKey { namespace: "default".into(), name: name.into() }
}

fn cluster() -> Cluster {
    Cluster {
        domain: name("cluster.local."),
        dns_addresses: vec!["10.96.0.10".parse().unwrap()],
        service_ranges: vec!["10.96.0.0/16".parse().unwrap(), "fd00:96::/112".parse().unwrap()],
        pod_ranges: vec!["10.244.0.0/16".parse().unwrap(), "fd00:244::/56".parse().unwrap()],
    }
}

fn port(name: &str, number: u16) -> ServicePort {
    let port = number.try_into().unwrap();
    ServicePort { name: name.into(), protocol: Protocol::Tcp, port, node_port: None }
}

fn named(zone: &mut Zone, name: &str, leads_to: LeadsTo, slices: &[&EndpointSlice]) {
    let ports = vec![port("http", 80), port("", 81)];
    let service = NamedService { key: key(name), leads_to, ports };
    zone.set(&service.key, Records::of_named(&service, slices));
}

fn endpoint(address: &str, ready: bool, hostname: &str) -> Endpoint {
    Endpoint {
        addresses: vec![address.parse().unwrap()],
        ready,
        serving: ready,
        terminating: false,
        node_name: String::new(),
        zone: String::new(),
        zone_hints: vec![],
        node_hints: vec![],
        hostname: hostname.into(),
    }
}

fn slice(service: &str, part: &str, endpoints: Vec<Endpoint>) -> EndpointSlice {
    let port = 8080.try_into().unwrap();
    EndpointSlice {
        key: key(&format!("{service}-{part}")),
        service_name: service.into(),
        ports: vec![EndpointPort { name: "http".into(), protocol: Protocol::Tcp, port }],
        endpoints,
    }
}

/// Every kind of Service.
fn zone() -> Zone {
    let mut zone = Zone::new(cluster());
    let addresses = ["10.96.0.7", "fd00:96::7"].map(|ip| ip.parse().unwrap()).to_vec();
    named(&mut zone, "web", LeadsTo::Addresses(addresses), &[]);
    let v4 = slice(
        "db",
        "4",
        vec![
            endpoint("10.244.0.5", true, "db-0"),
            endpoint("10.244.0.6", true, ""),
            endpoint("10.244.0.7", false, "db-2"),
        ],
    );
    let v6 = slice("db", "6", vec![endpoint("fd00:244::5", true, "db-0")]);
    let ready = LeadsTo::Endpoints { publish_not_ready: false };
    named(&mut zone, "db", ready.clone(), &[&v4, &v6]);
    let publishing = LeadsTo::Endpoints { publish_not_ready: true };
    let early = slice("early", "4", vec![endpoint("10.244.0.8", false, "early-0")]);
    named(&mut zone, "early", publishing, &[&early]);
    let nobody = slice("nobody", "4", vec![endpoint("10.244.0.9", false, "")]);
    named(&mut zone, "nobody", ready, &[&nobody]);
    named(&mut zone, "outside", LeadsTo::Name("Example.com".into()), &[]);
    named(&mut zone, "inside", LeadsTo::Name("web.default.svc.cluster.local".into()), &[]);
    named(&mut zone, "circle", LeadsTo::Name("circle.default.svc.cluster.local".into()), &[]);
    zone.complete();
    zone
}

fn text(records: &[Record]) -> Vec<String> {
    let words = |record: &Record| format!("{} {}", record.name, record.data);
    records.iter().map(words).collect()
}

/// The answer in short.
fn ask(zone: &Zone, question: &str, record_type: RecordType) -> String {
    match answer(zone, &name(question), record_type, 0) {
        Answer::Forward => "forward".into(),
        Answer::Follow { reply, target } => {
            format!("{} then {target}", text(&reply.answers).join(", "))
        }
        Answer::Reply(reply) => {
            let has_soa = reply.authorities.iter().any(|r| r.record_type() == RecordType::SOA);
            match (reply.code, reply.answers.is_empty()) {
                (ResponseCode::NoError, true) if has_soa => "nothing".into(),
                (ResponseCode::NoError, false) if !has_soa => text(&reply.answers).join(", "),
                (ResponseCode::NXDomain, true) if has_soa => "no such name".into(),
                (code, _) => format!("{code}"),
            }
        }
    }
}

#[test]
fn each_record_of_the_specification() {
    use RecordType::{A, AAAA, CNAME, MX, NS, PTR, SRV, TXT};
    let zone = zone();
    let svc = "default.svc.cluster.local.";
    let cases = [
        ("dns-version.cluster.local.".into(), TXT, "dns-version.cluster.local. 1.1.0".into()),
        (format!("web.{svc}"), A, format!("web.{svc} 10.96.0.7")),
        (format!("web.{svc}"), AAAA, format!("web.{svc} fd00:96::7")),
        (format!("web.{svc}"), MX, "nothing".into()),
        (format!("no.{svc}"), A, "no such name".into()),
        (format!("_http._tcp.web.{svc}"), SRV, format!("_http._tcp.web.{svc} 0 1 80 web.{svc}")),
        (format!("_http._tcp.web.{svc}"), A, "nothing".into()),
        (format!("_tcp.web.{svc}"), SRV, "nothing".into()),
        (format!("_http._udp.web.{svc}"), SRV, "no such name".into()),
        (format!("_udp.web.{svc}"), SRV, "no such name".into()),
        (format!("_._tcp.web.{svc}"), SRV, "no such name".into()),
        (format!("http._tcp.web.{svc}"), SRV, "no such name".into()),
        ("7.0.96.10.in-addr.arpa.".into(), PTR, format!("7.0.96.10.in-addr.arpa. web.{svc}")),
        ("8.0.96.10.in-addr.arpa.".into(), PTR, "no such name".into()),
        ("8.8.8.8.in-addr.arpa.".into(), PTR, "forward".into()),
        (format!("db.{svc}"), A, format!("db.{svc} 10.244.0.5, db.{svc} 10.244.0.6")),
        (format!("db.{svc}"), AAAA, format!("db.{svc} fd00:244::5")),
        (format!("db-0.db.{svc}"), A, format!("db-0.db.{svc} 10.244.0.5")),
        (format!("db-0.db.{svc}"), AAAA, format!("db-0.db.{svc} fd00:244::5")),
        (format!("10-244-0-6.db.{svc}"), A, format!("10-244-0-6.db.{svc} 10.244.0.6")),
        (format!("10-244-0-5.db.{svc}"), A, "no such name".into()),
        (format!("db-2.db.{svc}"), A, "no such name".into()),
        (
            format!("_http._tcp.db.{svc}"),
            SRV,
            ["db-0", "10-244-0-6"]
                .map(|host| format!("_http._tcp.db.{svc} 0 1 8080 {host}.db.{svc}"))
                .join(", "),
        ),
        ("5.0.244.10.in-addr.arpa.".into(), PTR, format!("5.0.244.10.in-addr.arpa. db-0.db.{svc}")),
        (format!("early.{svc}"), A, format!("early.{svc} 10.244.0.8")),
        (format!("nobody.{svc}"), A, "no such name".into()),
        (format!("outside.{svc}"), A, format!("outside.{svc} Example.com. then Example.com.")),
        (format!("outside.{svc}"), CNAME, format!("outside.{svc} Example.com.")),
        (format!("inside.{svc}"), A, format!("inside.{svc} web.{svc}, web.{svc} 10.96.0.7")),
        (format!("circle.{svc}"), A, format!("{}", ResponseCode::ServFail)),
        (
            "10-244-0-5.default.pod.cluster.local.".into(),
            A,
            "10-244-0-5.default.pod.cluster.local. 10.244.0.5".into(),
        ),
        ("10-244-0-5.default.pod.cluster.local.".into(), AAAA, "nothing".into()),
        ("8-8-8-8.default.pod.cluster.local.".into(), A, "no such name".into()),
        (
            "fd00-244--5.default.pod.cluster.local.".into(),
            AAAA,
            "fd00-244--5.default.pod.cluster.local. fd00:244::5".into(),
        ),
        (svc.into(), A, "nothing".into()),
        ("other.svc.cluster.local.".into(), A, "no such name".into()),
        ("svc.cluster.local.".into(), A, "nothing".into()),
        ("cluster.local.".into(), NS, "cluster.local. ns.dns.cluster.local.".into()),
        ("ns.dns.cluster.local.".into(), A, "ns.dns.cluster.local. 10.96.0.10".into()),
        ("example.com.".into(), A, "forward".into()),
        (".".into(), NS, "forward".into()),
        (
            "WEB.Default.svc.cluster.LOCAL.".into(),
            A,
            "WEB.Default.svc.cluster.LOCAL. 10.96.0.7".into(),
        ),
    ];
    for (question, record_type, expected) in cases {
        assert_eq!(ask(&zone, &question, record_type), expected, "{question} {record_type}");
    }
}

#[test]
fn targets_of_srv_come_with_their_addresses() {
    let zone = zone();
    let question = name("_http._tcp.db.default.svc.cluster.local.");
    let Answer::Reply(reply) = answer(&zone, &question, RecordType::SRV, 0) else {
        panic!("it is answered");
    };
    let db = "db.default.svc.cluster.local.";
    let expected = [
        format!("db-0.{db} 10.244.0.5"),
        format!("10-244-0-6.{db} 10.244.0.6"),
        format!("db-0.{db} fd00:244::5"),
    ];
    assert_eq!(text(&reply.additionals), expected);
}

#[test]
fn addresses_take_turns() {
    let zone = zone();
    let first = |turn| {
        let db = name("db.default.svc.cluster.local.");
        let Answer::Reply(reply) = answer(&zone, &db, RecordType::A, turn) else {
            panic!("it is answered");
        };
        reply.answers[0].data.clone()
    };
    assert_ne!(first(0), first(1));
    assert_eq!(first(0), first(2));
}

#[test]
fn before_all_is_known_nothing_is_said_not_to_exist() {
    let mut zone = Zone::new(cluster());
    let svc = "web.default.svc.cluster.local.";
    assert_eq!(ask(&zone, svc, RecordType::A), format!("{}", ResponseCode::ServFail));
    let address = "10.96.0.7".parse().unwrap();
    named(&mut zone, "web", LeadsTo::Addresses(vec![address]), &[]);
    assert_eq!(ask(&zone, svc, RecordType::A), format!("{svc} 10.96.0.7"));
}

#[test]
fn what_is_gone_leaves_nothing() {
    let mut zone = zone();
    for service in ["web", "db", "early", "nobody", "outside", "inside", "circle"] {
        zone.set(&key(service), None);
    }
    let mut empty = Zone::new(cluster());
    empty.complete();
    for question in
        ["default.svc.cluster.local.", "7.0.96.10.in-addr.arpa.", "5.0.244.10.in-addr.arpa."]
    {
        assert_eq!(
            ask(&zone, question, RecordType::PTR),
            ask(&empty, question, RecordType::PTR),
            "{question}"
        );
    }
    assert!(zone.owners("10.96.0.7".parse().unwrap()).is_empty());
}

/// A Service that is one of few, with one of few shapes.
fn change() -> impl Strategy<Value = (u8, Option<Records>)> {
    let address = |last: u8| IpAddr::from([10, 244, 0, last]);
    let shape = prop_oneof![
        Just(None),
        (0u8..4).prop_map(move |last| Some(Records::Addresses {
            addresses: [address(last)][..].into(),
            ports: [].into()
        })),
        proptest::collection::vec(0u8..4, 0..4).prop_map(move |hosts| {
            let hosts = hosts.into_iter();
            let host = |last| crate::records::Host { address: address(last), hostname: None };
            let hosts = hosts.map(host).collect();
            Some(Records::Endpoints([Group { ports: [].into(), hosts }].into()))
        }),
    ];
    (0u8..4, shape)
}

proptest! {
    #[test]
    fn change_by_change_is_the_same_as_from_scratch(changes in proptest::collection::vec(change(), 0..24)) {
        let mut zone = Zone::new(cluster());
        let mut last = std::collections::BTreeMap::new();
        for (service, records) in changes {
            zone.set(&key(&format!("s{service}")), records.clone());
            last.insert(service, records);
        }
        let mut scratch = Zone::new(cluster());
        for (service, records) in last {
            scratch.set(&key(&format!("s{service}")), records);
        }
        zone.complete();
        scratch.complete();
        for number in 0..4 {
            let service = format!("s{number}.default.svc.cluster.local.");
            prop_assert_eq!(ask(&zone, &service, RecordType::A), ask(&scratch, &service, RecordType::A));
            let address = format!("{number}.0.244.10.in-addr.arpa.");
            prop_assert_eq!(ask(&zone, &address, RecordType::PTR), ask(&scratch, &address, RecordType::PTR));
        }
    }

    #[test]
    fn any_name_is_answered(
        labels in proptest::collection::vec("[a-z0-9_*.\\-]{1,20}|svc|default|db|pod|_tcp|_http", 0..8),
        number: u16,
    ) {
        let labels = labels.iter().map(|label| label.as_bytes());
        let below = Name::from_labels(labels).unwrap().append_domain(&cluster().domain);
        if let Ok(name) = below {
            let is_ours = !matches!(answer(&zone(), &name, RecordType::from(number), 1), Answer::Forward);
            prop_assert!(is_ours);
        }
    }
}
