//! Bytes and revisions: get, list, compare-and-write, watch, compact. Knows no kind.
