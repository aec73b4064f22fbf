//! Every way to fail, and the error code of the CNI specification that each has.

use std::error::Error as _;
use std::io::{self, ErrorKind};

use rscni_plugin::error::Error;

use crate::bpf::BpfError;
use crate::config::InvalidConfig;
use crate::netns::NetnsError;
use crate::network::NetworkError;
use crate::store::StoreError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// Addresses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The pod's namespace.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// Links, routes, neighbours.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Maps and programs.
    #[error(transparent)]
    Bpf(#[from] BpfError),
    /// `CHECK` found something else than `ADD` left.
    #[error("{0}")]
    Differs(String),
    /// `CHECK` of something that was never added, or was deleted.
    #[error("container {container_id} has no interface {ifname} of this network")]
    Unknown {
        /// `CNI_CONTAINERID`.
        container_id: String,
        /// `CNI_IFNAME`.
        ifname: String,
    },
    /// `GC` went on after these.
    #[error("{}", .0.iter().map(text).collect::<Vec<_>>().join("; "))]
    Several(Vec<Failure>),
    /// The environment or a standard key lacks something.
    #[error("{0}")]
    Missing(&'static str),
}

/// Codes of our own start at 100.
const CODE_DIFFERS: u32 = 100;
const CODE_NETWORK: u32 = 101;
const CODE_HELD: u32 = 102;

/// An error with its causes, on one line, and what to do when a disk is full.
pub(crate) fn text(error: &Failure) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(io, Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded)) {
            text.push_str("; free some space there, the pod is tried again by itself");
        }
        source = cause.source();
    }
    text
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let text = text(&failure);
        match failure {
            Failure::Config(
                InvalidConfig::UnknownField { .. } | InvalidConfig::Unsupported { .. },
            ) => Self::UnsupportedNetworkConfiguration(text),
            Failure::Config(_) | Failure::Missing(_) => Self::InvalidNetworkConfig(text),
            // Other pods ending makes room.
            Failure::Store(StoreError::Exhausted { .. })
            | Failure::Bpf(BpfError::Missing(_) | BpfError::Full(_)) => Self::TryAgainLater(text),
            Failure::Store(StoreError::Held { .. }) => {
                Self::Custom(CODE_HELD, "interface exists".into(), text)
            }
            Failure::Store(StoreError::Io { .. }) | Failure::Bpf(_) => Self::IOFailure(text),
            Failure::Netns(NetnsError::Missing(_)) | Failure::Unknown { .. } => {
                Self::NotExist(text)
            }
            Failure::Netns(_) => Self::InvalidEnvValue(text),
            Failure::Network(_) | Failure::Several(_) => {
                Self::Custom(CODE_NETWORK, "network setup failed".into(), text)
            }
            Failure::Differs(_) => {
                Self::Custom(CODE_DIFFERS, "attachment is not as it was added".into(), text)
            }
        }
    }
}
