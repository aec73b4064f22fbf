//! A heartbeat: what a node says of itself to the nodes of its cluster, three times a second.
//!
//! A report (who is heard, which addresses this node is a candidate for and which it claims) is split over
//! as many packets as it needs, each of them complete in itself, signed, and smaller than any MTU that IPv6
//! allows. All numbers are in network order:
//!
//! ```text
//! "SHVA"  version=1 (8)  name length (8)  v4 count (16)  v6 count (16)  heard count (16)
//! boot (64)  sequence (64)  generation (32)  part (16)  parts (16)
//! name   heard: boot (64) each   v4: address (32) claim   v6: address (128) claim
//! claim: company (16) term (32), or zeros
//! HMAC-SHA256 of everything before (256)
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;

use crate::key::{ClusterKey, TAG_LEN};

const MAGIC: [u8; 4] = *b"SHVA";
const VERSION: u8 = 1;
const HEADER_LEN: usize = 36;
/// With UDP and IPv6 headers it stays below the smallest MTU of IPv6 (RFC 8200, 5), so nothing fragments.
const PACKET_LEN_MAX: usize = 1200;
/// Of a DNS subdomain, as the names of Nodes are.
const NAME_LEN_MAX: usize = 253;
/// What a report may be split into, at most.
pub(crate) const PARTS_MAX: usize = 128;

/// What a node says: all of it, or one part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// The boots of those whom it hears: proof that this was said after they began.
    pub(crate) heard: BTreeSet<u64>,
    /// The addresses it could announce, and its claim to each that it does.
    pub(crate) addresses: BTreeMap<IpAddr, Option<Claim>>,
}

/// What a claim weighs against another one: greater is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Claim {
    /// The fewest nodes that the claimant has heard at any time since: who was cut off yields.
    pub(crate) company: u16,
    /// Greater than any that was heard for the address before.
    pub(crate) term: NonZeroU32,
}

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heartbeat {
    /// `metadata.name` of the sender's Node.
    pub(crate) node: String,
    /// Drawn at random when the sender started.
    pub(crate) boot: u64,
    /// Greater with each packet of a boot.
    pub(crate) sequence: u64,
    /// Of the report: another one when what it says changed.
    pub(crate) generation: u32,
    /// Which part of the report this is, below `parts`.
    pub(crate) part: u16,
    pub(crate) parts: u16,
    pub(crate) report: Report,
}

/// Why a packet is no heartbeat of this cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoHeartbeat {
    #[error("not a heartbeat")]
    Foreign,
    #[error("of another version")]
    Version,
    #[error("signed with another key")]
    Unsigned,
    #[error("signed, but malformed")]
    Malformed,
}

impl Report {
    /// In parts that fit into a packet of a node with this name; at least one.
    pub(crate) fn split(&self, node: &str) -> Vec<Self> {
        let room = PACKET_LEN_MAX - HEADER_LEN - TAG_LEN - node.len();
        let (mut parts, mut part, mut left) = (Vec::new(), Self::default(), room);
        let mut make_room = |part: &mut Self, len: usize| {
            if left < len {
                parts.push(std::mem::take(part));
                left = room;
            }
            left -= len;
        };
        for boot in &self.heard {
            make_room(&mut part, 8);
            part.heard.insert(*boot);
        }
        for (address, claim) in &self.addresses {
            make_room(&mut part, if address.is_ipv4() { 10 } else { 22 });
            part.addresses.insert(*address, *claim);
        }
        parts.push(part);
        parts.truncate(PARTS_MAX);
        parts
    }

    /// Takes in what another part says.
    pub(crate) fn merge(&mut self, part: Self) {
        self.heard.extend(part.heard);
        self.addresses.extend(part.addresses);
    }
}

impl Heartbeat {
    /// As it goes out.
    pub(crate) fn encode(&self, key: &ClusterKey) -> Vec<u8> {
        let addresses = &self.report.addresses;
        let v4_count = addresses.keys().filter(|address| address.is_ipv4()).count();
        let mut out = Vec::with_capacity(PACKET_LEN_MAX);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, self.node.len() as u8]);
        for count in [v4_count, addresses.len() - v4_count, self.report.heard.len()] {
            out.extend_from_slice(&(count as u16).to_be_bytes());
        }
        out.extend_from_slice(&self.boot.to_be_bytes());
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.generation.to_be_bytes());
        out.extend_from_slice(&self.part.to_be_bytes());
        out.extend_from_slice(&self.parts.to_be_bytes());
        out.extend_from_slice(self.node.as_bytes());
        for boot in &self.report.heard {
            out.extend_from_slice(&boot.to_be_bytes());
        }
        // IPv4 addresses sort before IPv6 ones.
        for (address, claim) in addresses {
            match address {
                IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
                IpAddr::V6(address) => out.extend_from_slice(&address.octets()),
            }
            let company = claim.map_or(0, |claim| claim.company);
            let term = claim.map_or(0, |claim| claim.term.get());
            out.extend_from_slice(&company.to_be_bytes());
            out.extend_from_slice(&term.to_be_bytes());
        }
        key.sign(&mut out);
        out
    }

    /// Reads what came in. Nothing but its first bytes is looked at before the signature.
    pub(crate) fn decode(packet: &[u8], key: &ClusterKey) -> Result<Self, NoHeartbeat> {
        if !packet.starts_with(&MAGIC) || packet.len() < HEADER_LEN + TAG_LEN {
            return Err(NoHeartbeat::Foreign);
        }
        if packet[MAGIC.len()] != VERSION {
            return Err(NoHeartbeat::Version);
        }
        let message = key.verified(packet).ok_or(NoHeartbeat::Unsigned)?;
        parse(message).ok_or(NoHeartbeat::Malformed)
    }
}

fn parse(message: &[u8]) -> Option<Heartbeat> {
    let mut reader = Reader(&message[MAGIC.len() + 1..]);
    let [name_len] = reader.take()?;
    let counts: [u16; 3] = [reader.u16()?, reader.u16()?, reader.u16()?];
    let [v4_count, v6_count, heard_count] = counts;
    let boot = u64::from_be_bytes(reader.take()?);
    let sequence = u64::from_be_bytes(reader.take()?);
    let generation = u32::from_be_bytes(reader.take()?);
    let (part, parts) = (reader.u16()?, reader.u16()?);
    let name = reader.slice(usize::from(name_len))?;
    let node = String::from_utf8(name.to_vec()).ok()?;
    let mut report = Report::default();
    for _ in 0..heard_count {
        report.heard.insert(u64::from_be_bytes(reader.take()?));
    }
    for _ in 0..v4_count {
        let address = Ipv4Addr::from(reader.take::<4>()?);
        report.addresses.insert(address.into(), reader.claim()?);
    }
    for _ in 0..v6_count {
        let address = Ipv6Addr::from(reader.take::<16>()?);
        report.addresses.insert(address.into(), reader.claim()?);
    }
    let is_sound = reader.0.is_empty()
        && (1..=NAME_LEN_MAX).contains(&node.len())
        && part < parts
        && usize::from(parts) <= PARTS_MAX;
    is_sound.then_some(Heartbeat { node, boot, sequence, generation, part, parts, report })
}

/// What has not been read yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn slice(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.slice(N)?.try_into().ok()
    }

    fn claim(&mut self) -> Option<Option<Claim>> {
        let (company, term) = (self.u16()?, u32::from_be_bytes(self.take()?));
        Some(NonZeroU32::new(term).map(|term| Claim { company, term }))
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(secret: &[u8]) -> ClusterKey {
        ClusterKey::derive(secret).unwrap()
    }

    fn report() -> impl Strategy<Value = Report> {
        let heard = prop::collection::btree_set(any::<u64>(), 0..300);
        let claim = (any::<u16>(), any::<NonZeroU32>());
        let claim = claim.prop_map(|(company, term)| Claim { company, term });
        let claim = prop::option::of(claim);
        let addresses = prop::collection::btree_map(any::<IpAddr>(), claim, 0..400);
        (heard, addresses).prop_map(|(heard, addresses)| Report { heard, addresses })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_report_arrives_whole_and_in_small_packets(
            report in report(),
            node in "[a-z0-9.-]{1,253}",
        ) {
            let key = key(b"0123456789abcdef");
            let parts = report.split(&node);
            let count = parts.len() as u16;
            let mut arrived = Report::default();
            for (part, report) in parts.into_iter().enumerate() {
                let sent = Heartbeat {
                    node: node.clone(), boot: 7, sequence: 8, generation: 9,
                    part: part as u16, parts: count, report,
                };
                let packet = sent.encode(&key);
                prop_assert!(packet.len() <= PACKET_LEN_MAX);
                let received = Heartbeat::decode(&packet, &key).unwrap();
                prop_assert_eq!(&received, &sent);
                arrived.merge(received.report);
            }
            prop_assert_eq!(arrived, report);
        }

        #[test]
        fn a_changed_bit_anywhere_is_noticed(bit in 0..200_usize * 8) {
            let key = key(b"0123456789abcdef");
            let mut packet = heartbeat().encode(&key);
            let bit = bit % (packet.len() * 8);
            packet[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Heartbeat::decode(&packet, &key).is_err());
        }

        #[test]
        fn no_bytes_break_the_decoder(mut packet in prop::collection::vec(any::<u8>(), 0..200)) {
            let key = key(b"0123456789abcdef");
            let _ = Heartbeat::decode(&packet, &key);
            // Signed by somebody who has the key and a defect.
            packet.splice(0..0, MAGIC.into_iter().chain([VERSION]));
            key.sign(&mut packet);
            let _ = Heartbeat::decode(&packet, &key);
        }
    }

    fn heartbeat() -> Heartbeat {
        let addresses = [("192.0.2.50".parse().unwrap(), None)].into();
        let report = Report { heard: [1, 2].into(), addresses };
        Heartbeat {
            node: "n1".into(),
            boot: 3,
            sequence: 4,
            generation: 5,
            part: 0,
            parts: 1,
            report,
        }
    }

    #[test]
    fn the_reason_for_a_refusal_is_named() {
        let (ours, theirs) = (key(b"0123456789abcdef"), key(b"fedcba9876543210"));
        let packet = heartbeat().encode(&ours);
        assert_eq!(Heartbeat::decode(&packet, &theirs), Err(NoHeartbeat::Unsigned));
        assert_eq!(Heartbeat::decode(b"hello", &ours), Err(NoHeartbeat::Foreign));
        let mut later = packet.clone();
        later[4] = 2;
        assert_eq!(Heartbeat::decode(&later, &ours), Err(NoHeartbeat::Version));
        let malformed = Heartbeat { part: 1, ..heartbeat() }.encode(&ours);
        assert_eq!(Heartbeat::decode(&malformed, &ours), Err(NoHeartbeat::Malformed));
    }

    #[test]
    fn a_short_secret_is_refused() {
        let error = ClusterKey::derive(b"secret").unwrap_err().to_string();
        assert!(error.contains("6 bytes") && error.contains("at least 16"), "{error}");
    }
}
