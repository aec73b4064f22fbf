//! How a machine becomes a node, as far as both ends must know the same: tokens, the pin of an authority,
//! what is asked and answered, and the files with a node's key and certificate.
//!
//! It neither connects nor listens, decides about nobody, and signs nothing: the command `sheave join` and
//! the agent ask, and the API server answers.

mod certificate;
mod files;
mod key;
mod lifetime;
mod pin;
pub mod private_file;
mod token;
mod wire;

pub use certificate::{Certificate, NODE_USER_PREFIX, first_certificate, renew_before};
pub use files::{Credentials, FilesError, NodeFiles};
pub use key::{KeyError, NodeKey};
pub use lifetime::parse_lifetime;
pub use pin::{Pin, PinError};
pub use token::{Description, Stored, Token, TokenError, id_of_proof, secret};
pub use wire::{Introduction, JoinAnswer, JoinRequest, PATH, Standing};
