//! Assigns pods to nodes: event-driven, from its own snapshot; says why a pod waits.
