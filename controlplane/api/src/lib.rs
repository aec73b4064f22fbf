//! The Kubernetes API as data and pure functions: kinds, metadata, selectors, quantities, codecs,
//! defaults, validation, printing.
//!
//! No I/O, no clock, no store: whoever needs the time or a random name passes it in. One more kind is one
//! entry in the table of kinds and, where it has rules of its own, one strategy.

pub mod address_pool;
pub mod codec;
pub mod discovery;
pub mod field;
pub mod kinds;
pub mod meta;
pub mod name;
pub mod node_affinity;
pub mod object;
pub mod openapi;
pub mod patch;
pub mod printers;
pub mod quantity;
pub mod resource;
pub mod schema;
pub mod selector;
pub mod status;
pub mod time;
pub mod toleration;

pub use address_pool::{AddressPool, AddressRange};
pub use field::FieldErrors;
pub use kinds::Kind;
pub use object::ObjectKey;
pub use resource::GroupResource;
pub use status::Status;
