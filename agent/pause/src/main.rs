//! The pod sandbox's first process: holds the namespaces, reaps children, waits to be told to end.
fn main() {}
