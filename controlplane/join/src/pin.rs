//! A public key's hash, by which a key is known before any certificate of it was seen.
//!
//! SHA-256 over the SubjectPublicKeyInfo, as RFC 7469 pins are: a certificate that is made again for the same
//! key has the same pin.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::certificate::first_certificate;

/// Hash of a SubjectPublicKeyInfo. Written in base64 that may stand in a URL, without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pin([u8; 32]);

/// A text is no pin.
#[derive(Debug, thiserror::Error)]
#[error("43 letters, digits, '-' and '_' are expected")]
pub struct PinError;

impl Pin {
    /// Of a SubjectPublicKeyInfo in DER.
    pub fn of_public_key(spki_der: &[u8]) -> Self {
        Self(Sha256::digest(spki_der).into())
    }

    /// Of the first certificate in a PEM text; `None` when there is none.
    pub fn of_certificate(pem: &str) -> Option<Self> {
        first_certificate(pem, |certificate| Self::of_public_key(certificate.public_key().raw))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for Pin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| PinError)?;
        bytes.try_into().map(Self).map_err(|_| PinError)
    }
}
