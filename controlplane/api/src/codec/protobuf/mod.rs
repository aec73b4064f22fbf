//! Kubernetes' protobuf: the `k8s\0` envelope, and messages read and written by the table.
//!
//! The wire is proto2 as gogo writes it: scalars that are no pointers are always present, so a zero
//! value says nothing; [`super::conform`] drops it where JSON would not have it. Time, Quantity,
//! IntOrString and the like are messages here and plain values in JSON.

mod decode;
pub(crate) mod duration;
mod encode;
pub(crate) mod wire;

pub use decode::decode;
pub use encode::encode;

/// What every body begins with.
pub const MAGIC: &[u8; 4] = b"k8s\0";

/// Why a body is no such message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The first bytes are not `k8s\0`.
    #[error(
        "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
    )]
    Magic,
    /// Something ends before it should.
    #[error("unexpected EOF")]
    Truncated,
    /// A varint of more than ten bytes.
    #[error("proto: integer overflow")]
    Overflow,
    /// Field number 0, or a group.
    #[error("proto: illegal tag {0}")]
    Tag(u64),
    /// A known field in a form that its type does not have.
    #[error("proto: wrong wireType for field {0}")]
    WireType(String),
    /// The envelope says that its content is compressed or encoded.
    #[error("unsupported content encoding \"{0}\" in the protobuf envelope")]
    Encoding(String),
    /// The envelope holds another kind.
    #[error("the object in the protobuf envelope is a {found}, not a {wanted}")]
    Kind {
        /// Kind in the envelope.
        found: String,
        /// Kind asked for.
        wanted: &'static str,
    },
    /// An embedded object that cannot be read.
    #[error("embedded object: {0}")]
    Embedded(String),
}

#[cfg(test)]
mod tests;
