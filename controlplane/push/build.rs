//! Compiles the node protocol without protoc: protox parses it, prost and tonic generate the code.

/// What the server sends, by the ten thousand.
const MESSAGE: &str = ".sheave.node.v1.ServerMessage";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/node.proto");
    let descriptors = protox::compile(["proto/node.proto"], ["proto"])?;
    // A message is as large as the largest that it can be: those that are rare and large are elsewhere.
    let rare = ["welcome", "tunnel_request"].map(|kind| format!("{MESSAGE}.kind.{kind}"));
    let builder = tonic_prost_build::configure().bytes(".");
    let builder = rare.iter().fold(builder, |builder, kind| builder.boxed(kind));
    builder.compile_fds(descriptors)?;
    Ok(())
}
