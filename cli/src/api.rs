//! The API server, asked as whoever has a kubeconfig, or as a node.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use http::{Method, StatusCode};
use hyper::body::Bytes;
use serde_json::Value;

use crate::https::{self, Failure, Server};
use crate::kubeconfig::Access;

/// The API server, by a kubeconfig's data.
pub(crate) struct Api {
    server: Server,
    tls: Arc<rustls::ClientConfig>,
}

impl Api {
    pub(crate) fn new(access: &Access) -> Result<Self> {
        let server = Server::parse(&access.server).context("the kubeconfig's server")?;
        let client = (access.certificate_pem.as_slice(), access.key_pem.as_slice());
        let tls = https::trusting(&access.ca_pem, Some(client)).context("the kubeconfig")?;
        Ok(Self { server, tls })
    }

    /// GET of a path; the answer as JSON.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.ask(Method::GET, path, None).await
    }

    /// Any method; the answer as JSON, and what the server refuses as its own sentence.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        object: Option<&Value>,
    ) -> Result<Value> {
        let (status, body) = self.send(method, path, object).await?;
        if !status.is_success() {
            bail!("the API server refused {path}: {}", refusal(status, &body));
        }
        serde_json::from_slice(&body).with_context(|| format!("the answer to {path} is not JSON"))
    }

    /// GET of a path; status and body as they come.
    pub(crate) async fn get_text(&self, path: &str) -> Result<(StatusCode, Bytes)> {
        self.send(Method::GET, path, None).await
    }

    /// Any method; status and body as they come.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        object: Option<&Value>,
    ) -> Result<(StatusCode, Bytes)> {
        let body = object.map(|object| object.to_string().into_bytes()).unwrap_or_default();
        let answer = https::request(&self.server, Arc::clone(&self.tls), method, path, body).await;
        answer.map_err(|failure| {
            let sentence = match &failure {
                Failure::Unreachable(_) => {
                    format!("the API server at {} does not answer", self.server.authority)
                }
                Failure::Tls(_) => "TLS with the API server".to_owned(),
                Failure::Broken(_) => "the connection to the API server".to_owned(),
            };
            anyhow::Error::new(failure).context(sentence)
        })
    }
}

/// The sentence in a Status object.
pub(crate) fn refusal(status: StatusCode, body: &[u8]) -> String {
    let object: Value = serde_json::from_slice(body).unwrap_or_default();
    object["message"].as_str().map_or_else(|| status.to_string(), str::to_owned)
}
