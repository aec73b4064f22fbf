//! sheave-server.
fn main() {}
