//! What `sheave join` asks the server, and what is said of each way in which that can fail.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use http::{Method, StatusCode};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use sheave_join::{Introduction, JoinAnswer, JoinRequest, PATH, Pin, Standing, Token};

use crate::api::{Api, refusal};
use crate::https::{self, Failure, Server};

/// How long a node's start waits to hear how the cluster sees it: no longer than for a server that is away.
const STANDING_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the server did not let us join, and whether it may have done so all the same.
pub(super) struct Refused {
    pub(super) error: anyhow::Error,
    /// The request was sent, and no answer came.
    pub(super) is_in_doubt: bool,
}

impl Refused {
    /// Nothing was sent.
    pub(super) fn before(error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), is_in_doubt: false }
    }
}

/// What the server says of its cluster, if its authority is the one that the token names.
pub(super) async fn introduction(server: &Server, token: &Token) -> Result<Introduction> {
    let tls = trusting_anybody()?;
    let answer = https::request(server, tls, Method::GET, PATH, Vec::new()).await;
    let (status, body) = answer.map_err(|failure| sentence(server, &failure))?;
    let introduction: Introduction = match serde_json::from_slice(&body) {
        Ok(introduction) if status.is_success() => introduction,
        _ => bail!(
            "what answers at {} is no Sheave server that can be joined ({status}): correct the URL, or upgrade \
             that server",
            server.url()
        ),
    };
    match Pin::of_certificate(&introduction.certificate_authority) {
        Some(pin) if pin == token.authority => Ok(introduction),
        _ => bail!(
            "the server at {} is of another cluster than the token: its certificate authority is not the one \
             that the token names; paste the whole line that `sheave token create` printed there",
            server.url()
        ),
    }
}

/// Asks to join, over a connection that the authority vouches for.
pub(super) async fn join(
    server: &Server,
    authority: &str,
    request: &JoinRequest,
) -> Result<JoinAnswer, Refused> {
    let tls = https::trusting(authority.as_bytes(), None).map_err(Refused::before)?;
    let body = serde_json::to_vec(request).map_err(Refused::before)?;
    let answer = https::request(server, tls, Method::POST, PATH, body).await;
    let (status, body) = answer.map_err(|failure| match &failure {
        Failure::Unreachable(_) | Failure::Tls(_) => Refused::before(sentence(server, &failure)),
        Failure::Broken(_) => Refused {
            error: anyhow!(
                "the connection to {} broke before the answer came ({failure}): run this again",
                server.url()
            ),
            is_in_doubt: true,
        },
    })?;
    if status.is_success() {
        let answer = serde_json::from_slice(&body).context("the server's answer cannot be read");
        return answer.map_err(|error| Refused { error, is_in_doubt: true });
    }
    let error = anyhow!("{}", refusal(status, &body));
    Err(Refused { error, is_in_doubt: status == StatusCode::GATEWAY_TIMEOUT })
}

/// How the cluster sees this node; `None` when nobody can be asked.
pub(super) async fn standing(api: &Api) -> Option<Standing> {
    let answer = tokio::time::timeout(STANDING_TIMEOUT, api.get(PATH)).await.ok()?.ok()?;
    serde_json::from_value::<Introduction>(answer).ok()?.standing
}

fn sentence(server: &Server, failure: &Failure) -> anyhow::Error {
    let (url, port) = (server.url(), server.authority.rsplit(':').next().unwrap_or_default());
    let error = match (failure, failure.tls()) {
        (Failure::Unreachable(error), _) => format!(
            "the server at {url} cannot be reached ({error}): see that `sheave up` runs there, that the URL is \
             right, and that nothing blocks TCP port {port} on the way"
        ),
        (_, Some(rustls::Error::InvalidCertificate(invalid))) => match invalid {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!(
                    "the server's certificate is not for {}: use one of its own addresses in the URL, or start it \
                 with --advertise-address {0}",
                    server.host
                )
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => format!(
                "the server's certificate is not valid at this time: set the clock of this machine, or of {url}"
            ),
            other => format!(
                "the server at {url} shows a certificate that the token's authority has not signed ({other}): \
                 correct the URL"
            ),
        },
        _ => format!("what answers at {url} is no Sheave server ({failure}): correct the URL"),
    };
    anyhow!("{error}")
}

/// TLS with whoever answers: what he says is checked, and he is told nothing.
fn trusting_anybody() -> Result<Arc<rustls::ClientConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody { provider }))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Takes any certificate whose key the other end has.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
