//! A small cluster with every kind of name, and the questions of it that upstreams are asked.

use std::net::IpAddr;
use std::sync::OnceLock;

use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::{Name, RecordType};
use sheave_core::model::{ObjectKey, Protocol};
use sheave_dns::records::{Group, Host, Port, Records};
use sheave_dns::zone::{Cluster, Zone};

/// So many endpoints fit no datagram.
const MANY: u8 = 120;

/// All its names.
pub(super) fn zone() -> &'static Zone {
    static ZONE: OnceLock<Zone> = OnceLock::new();
    ZONE.get_or_init(|| {
        let mut zone = Zone::new(Cluster {
            domain: name("cluster.local."),
            dns_addresses: vec![[10, 96, 0, 10].into()],
            service_ranges: vec!["10.96.0.0/16".parse().expect("a range")],
            pod_ranges: vec!["10.244.0.0/16".parse().expect("a range")],
        });
        let web = [IpAddr::from([10, 96, 0, 7]), "fd00:96::7".parse().expect("an address")];
        set(&mut zone, "web", Records::Addresses { addresses: web[..].into(), ports: ports() });
        set(&mut zone, "db", Records::Endpoints([group(3)].into()));
        set(&mut zone, "large", Records::Endpoints([group(MANY)].into()));
        set(&mut zone, "none", Records::Endpoints([].into()));
        for (from, to) in [
            ("inside", "web.default.svc.cluster.local."),
            ("outside", "www.example.org."),
            ("round", "round.default.svc.cluster.local."),
        ] {
            set(&mut zone, from, Records::Name(Box::new(name(to))));
        }
        zone.complete();
        zone
    })
}

/// What clients ask that the zone does not know, with an id of 7.
pub(super) fn questions() -> &'static [Vec<u8>] {
    static QUESTIONS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    QUESTIONS.get_or_init(|| {
        let outside = "outside.default.svc.cluster.local.";
        let asked = [
            ("www.example.org.", RecordType::A, None),
            ("www.example.org.", RecordType::AAAA, Some(1232)),
            ("www.example.org.", RecordType::HTTPS, Some(4096)),
            ("example.org.", RecordType::ANY, None),
            ("1.2.0.192.in-addr.arpa.", RecordType::PTR, Some(512)),
            (outside, RecordType::A, None),
            (outside, RecordType::TXT, Some(1232)),
        ];
        asked.map(|(name, record_type, payload)| question(name, record_type, payload)).into()
    })
}

fn question(name: &str, record_type: RecordType, payload: Option<u16>) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.id = 7;
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(self::name(name), record_type));
    if let Some(payload) = payload {
        let mut edns = Edns::new();
        edns.set_max_payload(payload);
        message.set_edns(edns);
    }
    message.to_vec().expect("a question can be written")
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("it is a name")
}

fn set(zone: &mut Zone, name: &str, records: Records) {
    let key = ObjectKey { namespace: "default".into(), name: name.into() };
    zone.set(&key, Some(records));
}

fn ports() -> Box<[Port]> {
    [Port { name: "http".into(), protocol: Protocol::Tcp, number: 80 }].into()
}

/// The first has a hostname.
fn group(hosts: u8) -> Group {
    let host = |last: u8| Host {
        address: [10, 244, 0, last].into(),
        hostname: (last == 0).then(|| "first".into()),
    };
    Group { ports: ports(), hosts: (0..hosts).map(host).collect() }
}
