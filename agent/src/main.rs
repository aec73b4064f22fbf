//! sheave-agent.
fn main() {}
