//! A node's key. It is made on the node and never leaves it: what leaves is a request that it has signed.

use rcgen::{CertificateParams, DistinguishedName, KeyPair, PublicKeyData};

use crate::Pin;

/// Why there is no key or no request.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a key or sign with it")]
pub struct KeyError(#[from] rcgen::Error);

/// ECDSA P-256.
pub struct NodeKey {
    pair: KeyPair,
}

impl NodeKey {
    /// A new one.
    pub fn generate() -> Result<Self, KeyError> {
        Ok(Self { pair: KeyPair::generate()? })
    }

    /// From PKCS#8 in PEM.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        Ok(Self { pair: KeyPair::from_pem(pem)? })
    }

    /// PKCS#8 in PEM.
    pub fn to_pem(&self) -> String {
        self.pair.serialize_pem()
    }

    /// By which the cluster knows it.
    pub fn pin(&self) -> Pin {
        Pin::of_public_key(&self.pair.subject_public_key_info())
    }

    /// A certificate request in PEM. It names nobody: that is the server's to say.
    pub fn request(&self) -> Result<String, KeyError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        Ok(params.serialize_request(&self.pair)?.pem()?)
    }
}

impl std::fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeKey")
    }
}
