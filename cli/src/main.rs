//! sheave.
fn main() {}
