//! Packet tables, scenarios, netns and cluster tests live in this crate's test targets.
