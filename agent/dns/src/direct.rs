//! The commonest questions, from bytes to bytes: the address of a Service, and the names that search paths
//! make of others and that do not exist. No message is built in between, which is half the work of an answer.
//!
//! It decides nothing of its own: what is said is what [`crate::answer`] says, written shorter. Whatever is not as
//! plain as that (other types, endpoints, upper case, options) is left to it. Pure.

use std::net::IpAddr;

use crate::counts::{CodeLabel, Response, Transport, TypeLabel, ZoneLabel};
use crate::records::Records;
use crate::request::UDP_BYTES_MAX;
use crate::zone::{TTL_S, Zone};

/// RFC 1035, 4.1.1.
const HEADER_BYTES: usize = 12;
/// An OPT record without options (RFC 6891, 6.1.2).
const OPT_BYTES: usize = 11;
const CLASS_IN: u16 = 1;
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const TYPE_SOA: u16 = 6;
const TYPE_OPT: u16 = 41;
/// Bits of the third and fourth byte of a header.
mod bits {
    pub(super) const RESPONSE: u8 = 0x80;
    pub(super) const AUTHORITATIVE: u8 = 0x04;
    pub(super) const RECURSION_DESIRED: u8 = 0x01;
    pub(super) const RECURSION_AVAILABLE: u8 = 0x80;
    pub(super) const AUTHENTIC_DATA: u8 = 0x20;
    pub(super) const CHECKING_DISABLED: u8 = 0x10;
}
/// RFC 1035, 4.1.4: a pointer to earlier bytes of the message.
const POINTER: u16 = 0xc000;
/// Labels of a name that are looked at: four, and those of the zone.
const LABELS_MAX: usize = 16;
/// What names of the cluster have next to the zone's own labels.
const BRANCHES: [&str; 4] = ["svc", "pod", "dns", "dns-version"];

/// A question of which all is understood.
struct Question<'a> {
    /// The message up to the end of the question.
    bytes: &'a [u8],
    /// Where the zone's name begins.
    zone_at: usize,
    /// The labels before it, the one next to it first; empty where there are no more.
    below: [&'a str; 4],
    record_type: TypeLabel,
    /// With an OPT record, and whether that asks for DNSSEC's records.
    edns: Option<bool>,
}

/// What is said.
#[derive(Clone, Copy)]
enum Said {
    Address(IpAddr),
    /// The name has nothing of the type.
    Nothing,
    NoSuchName,
}

/// Writes the response to a datagram in place of what `response` holds; nothing when the question is not one of
/// these.
pub(crate) fn respond(zone: &Zone, message: &[u8], response: &mut Vec<u8>) -> Option<Response> {
    if !zone.is_complete() {
        return None;
    }
    let question = read(message, zone.domain_bytes())?;
    let said = look_up(zone, &question)?;
    question.write(said, zone.soa().serial, response);
    Some(Response {
        zone: ZoneLabel::Cluster,
        record_type: question.record_type,
        code: if matches!(said, Said::NoSuchName) {
            CodeLabel::NxDomain
        } else {
            CodeLabel::NoError
        },
        transport: Transport::Udp,
    })
}

fn look_up(zone: &Zone, question: &Question<'_>) -> Option<Said> {
    match question.below {
        ["", ..] => None,
        ["svc", namespace, service, host] if !service.is_empty() => {
            let Some(records) = zone.get(namespace, service) else { return Some(Said::NoSuchName) };
            match records {
                Records::Addresses { addresses, .. } if host.is_empty() => {
                    let is_v4 = question.record_type == TypeLabel::A;
                    let mut of_type = addresses.iter().filter(|address| address.is_ipv4() == is_v4);
                    match (of_type.next(), of_type.next()) {
                        (Some(address), None) => Some(Said::Address(address)),
                        (None, _) => Some(Said::Nothing),
                        // They take turns.
                        _ => None,
                    }
                }
                _ => None,
            }
        }
        [branch, ..] if !BRANCHES.contains(&branch) => Some(Said::NoSuchName),
        _ => None,
    }
}

/// `domain` is the zone's name as it is in messages.
fn read<'a>(message: &'a [u8], domain: &[u8]) -> Option<Question<'a>> {
    let (header, _) = message.split_first_chunk::<HEADER_BYTES>()?;
    let is_plain = header[2] & !bits::RECURSION_DESIRED == 0
        && header[3] & !(bits::AUTHENTIC_DATA | bits::CHECKING_DISABLED) == 0
        && header[4..10] == [0, 1, 0, 0, 0, 0]
        && header[10] == 0;
    if !is_plain {
        return None;
    }
    let (mut starts, mut count, mut at) = ([0_usize; LABELS_MAX], 0, HEADER_BYTES);
    loop {
        let length = usize::from(*message.get(at)?);
        if length == 0 {
            break;
        }
        // A pointer is longer than any label.
        let label = message.get(at + 1..at + 1 + length).filter(|_| length <= 63)?;
        let is_plain = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        if !label.iter().all(is_plain) {
            return None;
        }
        *starts.get_mut(count)? = at;
        count += 1;
        at += 1 + length;
    }
    let name_end = at + 1;
    let zone_at = name_end.checked_sub(domain.len())?;
    let below_count = starts[..count].iter().position(|start| *start == zone_at)?;
    if message.get(zone_at..name_end)? != domain || name_end - HEADER_BYTES > 255 {
        return None;
    }
    let mut below = [""; 4];
    for (label, start) in below.iter_mut().zip(starts[..below_count].iter().rev()) {
        let length = usize::from(message[*start]);
        *label = std::str::from_utf8(&message[start + 1..start + 1 + length]).ok()?;
    }
    let (kind, rest) = message.get(name_end..)?.split_first_chunk::<4>()?;
    let record_type = match (u16::from_be_bytes([kind[0], kind[1]]), [kind[2], kind[3]]) {
        (TYPE_A, class) if class == CLASS_IN.to_be_bytes() => TypeLabel::A,
        (TYPE_AAAA, class) if class == CLASS_IN.to_be_bytes() => TypeLabel::Aaaa,
        _ => return None,
    };
    let edns = match (header[11], rest) {
        (0, []) => None,
        // The root's name, the type, bytes that are taken, code and version 0, flags, no options.
        (1, [0, 0, 41, _, _, 0, 0, flags, _, 0, 0]) => Some(flags & 0x80 != 0),
        _ => return None,
    };
    let is_deeper = below_count > below.len();
    let bytes = &message[..name_end + 4];
    (!is_deeper).then_some(Question { bytes, zone_at, below, record_type, edns })
}

impl Question<'_> {
    fn write(&self, said: Said, serial: u32, response: &mut Vec<u8>) {
        let header = &self.bytes[..HEADER_BYTES];
        let is_answered = matches!(said, Said::Address(_));
        let code = if matches!(said, Said::NoSuchName) { 3 } else { 0 };
        response.clear();
        response.extend_from_slice(&header[..2]);
        response.push(bits::RESPONSE | bits::AUTHORITATIVE | header[2] & bits::RECURSION_DESIRED);
        response.push(bits::RECURSION_AVAILABLE | header[3] & bits::CHECKING_DISABLED | code);
        let (answers, authorities) = (u8::from(is_answered), u8::from(!is_answered));
        response.extend_from_slice(&[0, 1, 0, answers, 0, authorities, 0, header[11]]);
        response.extend_from_slice(&self.bytes[HEADER_BYTES..]);
        match said {
            Said::Address(IpAddr::V4(address)) => {
                begin_record(response, HEADER_BYTES, TYPE_A, 4);
                response.extend_from_slice(&address.octets());
            }
            Said::Address(IpAddr::V6(address)) => {
                begin_record(response, HEADER_BYTES, TYPE_AAAA, 16);
                response.extend_from_slice(&address.octets());
            }
            Said::Nothing | Said::NoSuchName => self.write_soa(serial, response),
        }
        if let Some(wants_dnssec) = self.edns {
            let mut opt = [0; OPT_BYTES];
            opt[1..3].copy_from_slice(&TYPE_OPT.to_be_bytes());
            opt[3..5].copy_from_slice(&UDP_BYTES_MAX.to_be_bytes());
            opt[7] = u8::from(wants_dnssec) << 7;
            response.extend_from_slice(&opt);
        }
    }

    /// Whose zone it is, with pointers to its name in the question.
    fn write_soa(&self, serial: u32, response: &mut Vec<u8>) {
        const SERVER: &[u8] = b"\x02ns\x03dns";
        const PERSON: &[u8] = b"\x0ahostmaster";
        let pointer = pointer(self.zone_at);
        let names_bytes = SERVER.len() + PERSON.len() + 2 * pointer.len();
        begin_record(response, self.zone_at, TYPE_SOA, names_bytes + 20);
        for labels in [SERVER, PERSON] {
            response.extend_from_slice(labels);
            response.extend_from_slice(&pointer);
        }
        for number in crate::zone::soa_numbers(serial) {
            response.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// All of a record but its data, of a name that begins at `name_at` in the message.
fn begin_record(response: &mut Vec<u8>, name_at: usize, record_type: u16, data_bytes: usize) {
    response.extend_from_slice(&pointer(name_at));
    response.extend_from_slice(&record_type.to_be_bytes());
    response.extend_from_slice(&CLASS_IN.to_be_bytes());
    response.extend_from_slice(&TTL_S.to_be_bytes());
    response.extend_from_slice(&(data_bytes as u16).to_be_bytes());
}

/// Names of questions begin within the first 267 bytes of a message.
fn pointer(at: usize) -> [u8; 2] {
    (POINTER | at as u16).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Edns, Message, Query};
    use hickory_proto::rr::{Name, RecordType};
    use proptest::prelude::*;
    use sheave_core::model::ObjectKey;

    use super::*;
    use crate::respond::{Next, by_message};
    use crate::zone::Cluster;

    fn zone() -> Zone {
        let mut zone = Zone::new(Cluster {
            domain: Name::from_ascii("cluster.local.").unwrap(),
            dns_addresses: vec!["10.96.0.10".parse().unwrap()],
            service_ranges: vec!["10.96.0.0/16".parse().unwrap()],
            pod_ranges: vec!["10.244.0.0/16".parse().unwrap()],
        });
        let (v4, v6) = ("10.96.0.7".parse().unwrap(), "fd00:96::7".parse().unwrap());
        let of = |addresses: &[IpAddr]| Records::Addresses {
            addresses: addresses.into(),
            ports: [].into(),
        };
        let alias = Records::Name(Box::new(Name::from_ascii("example.com.").unwrap()));
        for (name, records) in [
            ("web", of(&[v4])),
            ("dual", of(&[v6, v4])),
            ("alias", alias),
            ("nobody", Records::Endpoints([].into())),
        ] {
            let key = ObjectKey { namespace: "default".into(), name: name.into() };
            zone.set(&key, Some(records));
        }
        zone.complete();
        zone
    }

    fn question(name: &str, record_type: RecordType, edns: Option<bool>) -> Vec<u8> {
        let labels = name.split('.').filter(|label| !label.is_empty()).map(str::as_bytes);
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_labels(labels).unwrap(), record_type));
        if let Some(wants_dnssec) = edns {
            let mut edns = Edns::new();
            edns.set_max_payload(4096).set_dnssec_ok(wants_dnssec);
            message.set_edns(edns);
        }
        message.to_vec().unwrap()
    }

    /// Whether it was answered here; if so, it was as it is otherwise.
    fn is_answered(zone: &Zone, question: &[u8]) -> bool {
        let (mut short, mut long) = (vec![1, 2, 3], Vec::new());
        let Some(response) = respond(zone, question, &mut short) else { return false };
        let Next::Respond(expected) = by_message(zone, question, Transport::Udp, &mut long) else {
            panic!("it has an answer");
        };
        assert_eq!(response, expected);
        let [short, long] = [&short, &long].map(|bytes| Message::from_vec(bytes).unwrap());
        assert_eq!(short, long);
        true
    }

    #[test]
    fn what_pods_ask_for_most_is_answered_here() {
        use RecordType::{A, AAAA, HTTPS, SRV};
        let zone = zone();
        for (name, record_type, expected) in [
            ("web.default.svc.cluster.local.", A, true),
            ("web.default.svc.cluster.local.", AAAA, true),
            ("dual.default.svc.cluster.local.", AAAA, true),
            ("web.default.svc.cluster.local.default.svc.cluster.local.", A, false),
            ("web.default.default.svc.cluster.local.", A, true),
            ("example.com.default.svc.cluster.local.", AAAA, true),
            ("example.com.svc.cluster.local.", A, true),
            ("example.com.cluster.local.", A, true),
            ("example.com.", A, false),
            ("cluster.local.", A, false),
            ("svc.cluster.local.", A, false),
            ("default.svc.cluster.local.", A, false),
            ("host.web.default.svc.cluster.local.", A, false),
            ("10-244-0-5.default.pod.cluster.local.", A, false),
            ("Web.default.svc.cluster.local.", A, false),
            ("alias.default.svc.cluster.local.", A, false),
            ("nobody.default.svc.cluster.local.", A, false),
            ("web.default.svc.cluster.local.", HTTPS, false),
            ("_http._tcp.web.default.svc.cluster.local.", SRV, false),
        ] {
            for edns in [None, Some(false), Some(true)] {
                let question = question(name, record_type, edns);
                assert_eq!(is_answered(&zone, &question), expected, "{name} {record_type}");
            }
        }
    }

    #[test]
    fn before_all_is_known_nothing_is_said_here() {
        let mut zone = zone();
        zone = Zone::new(zone.cluster().clone());
        let question = question("web.default.svc.cluster.local.", RecordType::A, None);
        assert!(!is_answered(&zone, &question));
    }

    proptest! {
        #[test]
        fn whatever_is_answered_here_is_answered_as_otherwise(
            labels in proptest::collection::vec("[a-z0-9_-]{1,12}|svc|default|web|dual|pod|dns|alias", 0..6),
            is_below in any::<bool>(),
            number in prop_oneof![Just(1_u16), Just(28), any::<u16>()],
            edns in any::<Option<bool>>(),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        ) {
            let mut name = labels.join(".");
            name.push_str(if is_below { ".cluster.local." } else { "." });
            let mut question = question(&name, RecordType::from(number), edns);
            for (index, byte) in changes {
                let index = index.index(question.len());
                question[index] = byte;
            }
            is_answered(&zone(), &question);
        }
    }
}
