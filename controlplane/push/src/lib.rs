//! The node protocol: the one crate that both control plane and agent know.
//!
//! It holds the generated messages and RPC stubs and what both ends must agree on. It does not know how
//! either end computes or applies state. The contract is written in `proto/node.proto`.

/// Generated messages, client and server of `sheave.node.v1`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("sheave.node.v1");
}

/// Version of the protocol that this build speaks, sent in `Hello.protocol_version`.
pub const PROTOCOL_VERSION: u32 = 1;

/// Request metadata key that names the `TunnelRequest` a `Tunnel` call answers.
pub const TUNNEL_ID_KEY: &str = "sheave-tunnel-id";
