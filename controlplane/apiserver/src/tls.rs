//! TLS: our certificate for the client, the client's certificate for us.
//!
//! A client may come without a certificate (health, version); one that shows a certificate must have got
//! it from our authority, or the handshake fails. What the certificate says is read in
//! [`crate::identity`].

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

use crate::pki::PemPair;

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The text holds no usable PEM.
    #[error("not a PEM certificate and key")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// rustls refuses the certificate, the key, or the two together.
    #[error("unusable certificate")]
    Certificate(#[from] rustls::Error),
    /// The authority cannot be used to verify clients.
    #[error("unusable certificate authority")]
    Authority(#[from] rustls::server::VerifierBuilderError),
}

/// The certificate that new connections are shown; it can be replaced while serving.
#[derive(Debug)]
pub struct ServerCertificate {
    current: ArcSwap<CertifiedKey>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertificate {
    /// # Errors
    /// When certificate and key are no PEM or do not belong together.
    pub fn new(pair: &PemPair) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let current = ArcSwap::from_pointee(certified_key(pair, &provider)?);
        Ok(Self { current, provider })
    }

    /// Shows this certificate from the next connection on.
    ///
    /// # Errors
    /// As [`Self::new`]; the old certificate stays then.
    pub fn replace(&self, pair: &PemPair) -> Result<(), TlsError> {
        self.current.store(Arc::new(certified_key(pair, &self.provider)?));
        Ok(())
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn certified_key(pair: &PemPair, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain = CertificateDer::pem_slice_iter(pair.certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes())?;
    Ok(CertifiedKey::from_der(chain, key, provider)?)
}

/// Serves `certificate` over HTTP/2 and HTTP/1.1; clients may show certificates of `ca` (PEM).
///
/// # Errors
/// When `ca` is no PEM certificate.
pub fn server_config(
    certificate: Arc<ServerCertificate>,
    ca: &str,
) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let provider = Arc::clone(&certificate.provider);
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        roots.add(root?)?;
    }
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
