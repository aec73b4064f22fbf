//! What a segment says of itself, for people.

use std::net::IpAddr;
use std::time::Instant;

use serde::Serialize;

use crate::counters::Counters;
use crate::segment::Segment;

/// One uplink.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UplinkStatus {
    /// The interface.
    pub uplink: String,
    /// Whether it carries packets and could be used.
    pub link: bool,
    /// Whether nodes can know each other here: there is a key.
    pub key: bool,
    /// Addresses that this node announces.
    pub announced: Vec<Announced>,
    /// Those that it could, and leaves to others.
    pub left_to_others: Vec<LeftToOthers>,
    /// Nodes that were heard since the agent started.
    pub members: Vec<Member>,
    /// Others that have addresses of this node.
    pub conflicts: Vec<Conflict>,
    /// What came in and went out.
    pub counters: Counters,
}

/// An address of this node.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Announced {
    /// Which.
    pub address: IpAddr,
    /// Since when, in ms before now.
    pub for_ms: u64,
}

/// An address of another node.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftToOthers {
    /// Which.
    pub address: IpAddr,
    /// Who says that it announces it; absent while nobody does.
    pub node: Option<String>,
}

/// A node of the cluster on this segment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its name.
    pub node: String,
    /// Whether it counts: it is heard, and hears this node.
    pub live: bool,
    /// How long ago it was heard last.
    pub heard_ms_ago: u64,
}

/// Somebody else with an address of this node.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// Which.
    pub address: IpAddr,
    /// Whose link-layer address.
    pub mac: String,
    /// How long ago it was seen last.
    pub seen_ms_ago: u64,
}

pub(crate) fn of(segment: &Segment, now: Instant) -> UplinkStatus {
    let ms_since = |at: Instant| now.saturating_duration_since(at).as_millis() as u64;
    let announced = segment.claims.held();
    let announced: Vec<_> =
        announced.map(|(address, at)| Announced { address, for_ms: ms_since(at) }).collect();
    let claimant = |address: &IpAddr| {
        let claims =
            |report: &crate::heartbeat::Report| report.addresses.get(address).copied().flatten();
        let claimants = segment.membership.live().filter_map(|(node, r)| Some((claims(r)?, node)));
        claimants.max().map(|(_, node)| node.to_owned())
    };
    let report = segment.claims.report();
    let others = report.iter().filter(|(_, claim)| claim.is_none()).map(|(address, _)| *address);
    let left_to_others =
        others.map(|address| LeftToOthers { node: claimant(&address), address }).collect();
    let members = segment.membership.all().map(|(node, live, heard_at)| Member {
        node: node.to_owned(),
        live,
        heard_ms_ago: ms_since(heard_at),
    });
    let conflicts = segment.announcements.conflicts().map(|(address, conflict)| Conflict {
        address,
        mac: conflict.mac.to_string(),
        seen_ms_ago: ms_since(conflict.seen_at),
    });
    UplinkStatus {
        uplink: segment.uplink().to_owned(),
        link: segment.link().is_some(),
        key: segment.has_key(),
        announced,
        left_to_others,
        members: members.collect(),
        conflicts: conflicts.collect(),
        counters: segment.counters.clone(),
    }
}
