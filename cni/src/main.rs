//! sheave-cni.
fn main() {}
