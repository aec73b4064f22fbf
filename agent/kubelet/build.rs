//! Compiles the runtime's protocols without protoc: protox parses them, prost and tonic generate clients.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let protocols = ["proto/cri.proto", "proto/containerd_events.proto", "proto/health.proto"];
    for protocol in protocols {
        println!("cargo:rerun-if-changed={protocol}");
        let descriptors = protox::compile([protocol], ["proto"])?;
        tonic_prost_build::configure()
            .build_server(false)
            .btree_map(".")
            .compile_fds(descriptors)?;
    }
    Ok(())
}
