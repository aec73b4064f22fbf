//! What came in and went out on one uplink, and what was refused, counted since the agent started.

use serde::Serialize;

/// Counts of one uplink.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Counters {
    /// Packets sent to the other nodes.
    pub heartbeats_sent: u64,
    /// Heartbeats of other nodes that counted.
    pub heartbeats_heard: u64,
    /// The same ones again: over the other address family, or played back.
    pub heartbeats_repeated: u64,
    /// Of a node that does not say yet that it hears this one.
    pub heartbeats_unproven: u64,
    /// Of an agent that has been followed by another on the same node: played back.
    pub heartbeats_of_ended_boots: u64,
    /// Signed with another key, or changed on the way: another cluster's, or forged.
    pub heartbeats_unsigned: u64,
    /// Of another version of the format.
    pub heartbeats_of_other_versions: u64,
    /// Datagrams that are none.
    pub heartbeats_malformed: u64,
    /// Of another node with the name of this one.
    pub same_name: u64,
    /// Of nodes for which there was no room.
    pub members_refused: u64,
    /// ARP and NDP frames that are none.
    pub frames_malformed: u64,
    /// Requests for an address of this node.
    pub requests_answered: u64,
    /// Frames by which somebody else said to have an address of this node.
    pub conflicts_seen: u64,
    /// Announcements against them.
    pub defended: u64,
    /// Addresses that this node began to announce.
    pub taken: u64,
    /// Addresses that it ceased to.
    pub released: u64,
    /// Packets that could not be sent.
    pub send_errors: u64,
}
