//! What makes a heartbeat one of this cluster: HMAC-SHA256 (RFC 2104) under a key of its own.
//!
//! The key is derived from a secret that every node of the cluster has, so that the secret itself signs
//! nothing here and the same secret may serve elsewhere.

use std::fmt;

use ring::hmac::{HMAC_SHA256, Key, sign, verify};

/// Bytes of a signature.
pub(crate) const TAG_LEN: usize = 32;
/// Fewer bytes of secret could be guessed.
const SECRET_LEN_MIN: usize = 16;
/// Separates this use of the secret from others, and this version of the format from later ones.
const PURPOSE: &[u8] = b"sheave announce heartbeat 1";

/// Signs and verifies heartbeats.
#[derive(Clone)]
pub struct ClusterKey(Key);

/// A secret that protects nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cluster's secret has {0} bytes; give at least {SECRET_LEN_MIN} random ones")]
pub struct SecretTooShort(usize);

impl ClusterKey {
    /// From the secret of the cluster, at least 16 bytes.
    ///
    /// # Errors
    /// When it is shorter.
    pub fn derive(secret: &[u8]) -> Result<Self, SecretTooShort> {
        if secret.len() < SECRET_LEN_MIN {
            return Err(SecretTooShort(secret.len()));
        }
        let derived = sign(&Key::new(HMAC_SHA256, secret), PURPOSE);
        Ok(Self(Key::new(HMAC_SHA256, derived.as_ref())))
    }

    pub(crate) fn sign(&self, message: &mut Vec<u8>) {
        let tag = sign(&self.0, message);
        message.extend_from_slice(tag.as_ref());
    }

    /// The message without its signature, when that is right. Takes the same time whether it is or not.
    pub(crate) fn verified<'a>(&self, signed: &'a [u8]) -> Option<&'a [u8]> {
        let (message, tag) = signed.split_at_checked(signed.len().checked_sub(TAG_LEN)?)?;
        verify(&self.0, message, tag).ok().map(|()| message)
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKey")
    }
}
