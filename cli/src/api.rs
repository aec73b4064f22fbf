//! Reads from the API server, as the administrator.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::kubeconfig::Access;

/// The API server, by a kubeconfig's data.
pub(crate) struct Api {
    authority: String,
    host: String,
    connector: TlsConnector,
}

impl Api {
    pub(crate) fn new(access: &Access) -> Result<Self> {
        let authority = access
            .server
            .strip_prefix("https://")
            .context("the kubeconfig's server must start with https://")?
            .trim_end_matches('/')
            .to_owned();
        let (host, _) =
            authority.rsplit_once(':').context("the kubeconfig's server has no port")?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&access.ca_pem) {
            roots.add(certificate.context("the kubeconfig's CA is no PEM certificate")?)?;
        }
        let certificates = CertificateDer::pem_slice_iter(&access.certificate_pem)
            .collect::<Result<Vec<_>, _>>()
            .context("the kubeconfig's client certificate is not PEM")?;
        let key = PrivateKeyDer::from_pem_slice(&access.key_pem)
            .context("the kubeconfig's client key is not PEM")?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(certificates, key)?;
        Ok(Self { authority, host, connector: TlsConnector::from(Arc::new(config)) })
    }

    /// GET of a path; the answer as JSON.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let (status, body) = self.get_text(path).await?;
        if !status.is_success() {
            let message: Value = serde_json::from_slice(&body).unwrap_or_default();
            bail!(
                "the API server refused {path}: {}",
                message["message"].as_str().unwrap_or(status.as_str())
            );
        }
        serde_json::from_slice(&body).with_context(|| format!("the answer to {path} is not JSON"))
    }

    /// GET of a path; status and body as they come.
    pub(crate) async fn get_text(&self, path: &str) -> Result<(http::StatusCode, Bytes)> {
        let stream = TcpStream::connect(&self.authority)
            .await
            .with_context(|| format!("the API server at {} does not answer", self.authority))?;
        let name = ServerName::try_from(self.host.clone())?;
        let stream =
            self.connector.connect(name, stream).await.context("TLS with the API server")?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let request = http::Request::get(path)
            .header(http::header::HOST, &self.authority)
            .body(Empty::<Bytes>::new())?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        connection.abort();
        Ok((status, body))
    }
}
