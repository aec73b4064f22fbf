//! How long things take, in one place: detection and takeover together stay below two seconds.

use std::time::Duration;

/// Between two heartbeats, at most.
pub(crate) const INTERVAL: Duration = Duration::from_millis(300);
/// A heartbeat comes up to this much early, so that nodes do not fall into step.
pub(crate) const JITTER: Duration = Duration::from_millis(50);
/// Who has not been heard for this long is dead: three intervals, and some patience with a busy machine.
pub(crate) const DEAD: Duration = Duration::from_millis(1000);
/// Who looks at the clock after more than this was asleep itself, and judges nobody by it.
pub(crate) const STALL: Duration = Duration::from_millis(600);
/// Who starts listens this long before it claims anything.
pub(crate) const LISTEN: Duration = Duration::from_millis(500);
/// Nodes hear of a new address at slightly different times; the first to hear does not claim it before.
pub(crate) const NEW_ADDRESS: Duration = Duration::from_millis(300);
/// How long the view must be stable before an address is taken from one who lives and announces it.
pub(crate) const SETTLE: Duration = Duration::from_secs(2);
/// What nobody claims for this long, though somebody else should, the next in order claims.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1500);
/// When a new owner announces itself, from the takeover on: caches and switches may miss one.
pub(crate) const ANNOUNCE_AT: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_millis(1000),
    Duration::from_millis(2000),
];
/// RFC 5227, 2.4 (c): an address is defended at most this often (DEFEND_INTERVAL).
pub(crate) const DEFEND_INTERVAL: Duration = Duration::from_secs(10);
/// A handover looks like a conflict for a moment: that much later it is one.
pub(crate) const CONFLICT_GRACE: Duration = Duration::from_millis(1000);
/// How often the heartbeats' groups are joined anew: well within the 260 s after which a switch forgets
/// (RFC 3376, 8.4; RFC 3810, 9.4).
pub(crate) const RENEW: Duration = Duration::from_secs(60);
