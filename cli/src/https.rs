//! One request over a TLS connection of its own. What is trusted, and who we are, is the caller's to say.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Until the connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Until the handshake is done, and then until the answer is there.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Nothing that is asked here is longer.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// Port of an API server.
const DEFAULT_PORT: u16 = 6443;

/// Where an API server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// `host:port`, with brackets around an IPv6 address.
    pub(crate) authority: String,
    /// Host alone, without brackets: what its certificate must be for.
    pub(crate) host: String,
}

impl Server {
    /// From `https://host:port`.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let expected = || format!("{url:?} is no URL like https://192.0.2.1:6443");
        let rest = url.strip_prefix("https://").with_context(expected)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (rest, Some(DEFAULT_PORT)),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = port.filter(|port| *port > 0).with_context(expected)?;
        let is_ipv6 = bare.contains(':');
        if ServerName::try_from(bare.to_owned()).is_err() || is_ipv6 == (bare == host) {
            bail!("{}", expected());
        }
        Ok(Self { authority: format!("{host}:{port}"), host: bare.to_owned() })
    }

    /// `https://host:port`.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.authority)
    }
}

/// TLS with servers that one of these authorities vouches for, as whoever has this certificate and key, or as
/// nobody; all PEM.
///
/// # Errors
/// For what is no PEM.
pub(crate) fn trusting(
    authorities_pem: &[u8],
    client: Option<(&[u8], &[u8])>,
) -> Result<Arc<rustls::ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authorities_pem) {
        roots.add(certificate.context("the cluster's authority is no PEM certificate")?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some((certificate_pem, key_pem)) => {
            let certificates = CertificateDer::pem_slice_iter(certificate_pem)
                .collect::<Result<Vec<_>, _>>()
                .context("the client certificate is not PEM")?;
            let key = PrivateKeyDer::from_pem_slice(key_pem);
            builder
                .with_client_auth_cert(certificates, key.context("the client key is not PEM")?)?
        }
    };
    Ok(Arc::new(config))
}

/// Where a request failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nobody listens there, or the way is blocked.
    Unreachable(io::Error),
    /// What listens there speaks no TLS, or one of both does not trust the other.
    Tls(io::Error),
    /// The connection broke, or what came is no HTTP.
    Broken(anyhow::Error),
}

impl Failure {
    /// What rustls says, if it was asked.
    pub(crate) fn tls(&self) -> Option<&rustls::Error> {
        match self {
            Self::Tls(error) => error.get_ref()?.downcast_ref(),
            Self::Unreachable(_) | Self::Broken(_) => None,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(error) | Self::Tls(error) => write!(f, "{error}"),
            Self::Broken(error) => write!(f, "{error:#}"),
        }
    }
}

impl std::error::Error for Failure {}

/// Status and body of the answer; the body of the request is JSON, or empty.
pub(crate) async fn request(
    server: &Server,
    tls: Arc<rustls::ClientConfig>,
    method: Method,
    path: &str,
    body: Vec<u8>,
) -> Result<(StatusCode, Bytes), Failure> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "it does not answer in time");
    let connecting = TcpStream::connect(&server.authority);
    let stream = match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(stream) => stream.map_err(Failure::Unreachable)?,
        Err(_) => return Err(Failure::Unreachable(late())),
    };
    // Small requests must not wait for more; a socket that refuses is only slower.
    let _ = stream.set_nodelay(true);
    let name = ServerName::try_from(server.host.clone())
        .map_err(|error| Failure::Broken(anyhow::Error::new(error)))?;
    let handshake = TlsConnector::from(tls).connect(name, stream);
    let stream = match tokio::time::timeout(CONNECT_TIMEOUT, handshake).await {
        Ok(stream) => stream.map_err(Failure::Tls)?,
        Err(_) => return Err(Failure::Tls(late())),
    };
    let exchange = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let mut request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, &server.authority);
        if !body.is_empty() {
            request = request.header(http::header::CONTENT_TYPE, "application/json");
        }
        let answer = sender.send_request(request.body(Full::new(Bytes::from(body)))?).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        connection.abort();
        let body = body.map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok::<_, anyhow::Error>((status, body.to_bytes()))
    };
    match tokio::time::timeout(ANSWER_TIMEOUT, exchange).await {
        Ok(exchanged) => exchanged.map_err(Failure::Broken),
        Err(_) => Err(Failure::Broken(anyhow::Error::new(late()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_servers() {
        for (url, authority, host) in [
            ("https://192.0.2.1:6443", "192.0.2.1:6443", "192.0.2.1"),
            ("https://192.0.2.1/", "192.0.2.1:6443", "192.0.2.1"),
            ("https://[2001:db8::1]:443", "[2001:db8::1]:443", "2001:db8::1"),
            ("https://[2001:db8::1]", "[2001:db8::1]:6443", "2001:db8::1"),
            ("https://vm-1.example", "vm-1.example:6443", "vm-1.example"),
        ] {
            let server = Server::parse(url).unwrap();
            assert_eq!(
                (server.authority.as_str(), server.host.as_str()),
                (authority, host),
                "{url}"
            );
        }
        for url in [
            "192.0.2.1:6443",
            "http://192.0.2.1:6443",
            "https://",
            "https://a b",
            "https://192.0.2.1:0",
            "https://192.0.2.1:no",
            "https://2001:db8::1",
            "https://192.0.2.1:6443/path",
        ] {
            let error = Server::parse(url).unwrap_err().to_string();
            assert!(error.contains("is no URL like https://192.0.2.1:6443"), "{url}: {error}");
        }
    }
}
