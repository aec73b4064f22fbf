//! Renews the node's certificate before it ends: over the connection that the present one has opened, for a
//! new key, into the files of the old one. The session goes on until a connection with the new one stands.

use std::time::{Duration, SystemTime};

use sheave_join::{Certificate, Credentials, FilesError, KeyError};
use sheave_push::v1::{self, node_client::NodeClient};
use tonic::transport::Channel;

use crate::push::{PushConfig, SessionError, connect, with_causes};

/// The clock may be set meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(60 * 60);
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(10 * 60);

#[derive(Debug, thiserror::Error)]
enum RenewalError {
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the server refuses: {}", .0.message())]
    Refused(#[source] tonic::Status),
    #[error("the server does not answer")]
    Silent,
    #[error("the renewed certificate is not there")]
    Lost,
    #[error("cannot connect with the renewed certificate")]
    Connect(#[source] SessionError),
}

/// What decides when a certificate is renewed, beside itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct When {
    /// In 0 to 1: spreads nodes that joined together.
    pub(crate) early: f64,
    /// When this process has renewed one last.
    pub(crate) renewed_at: Option<tokio::time::Instant>,
}

/// Completes with a connection that is authenticated by the next certificate, once it is time for that and
/// has succeeded.
pub(crate) async fn next_channel(
    config: &PushConfig,
    present: &Certificate,
    channel: &Channel,
    when: When,
) -> Channel {
    // By a clock that is far ahead of the server's each new certificate would be due at once.
    if let Some(renewed_at) = when.renewed_at {
        tokio::time::sleep_until(renewed_at + present.life() / 10).await;
    }
    let due = present.renew_at(when.early);
    // A clock that is set must not make this sleep too long.
    while let Ok(left) = due.duration_since(SystemTime::now()) {
        tokio::time::sleep(left.min(LOOK_AGAIN)).await;
    }
    let mut pause = RETRY_MIN;
    let mut complaint = String::new();
    loop {
        let error = match renew(config, present, channel).await {
            Ok(channel) => return channel,
            Err(error) => with_causes(&error),
        };
        if error != complaint {
            tracing::warn!("this node's certificate cannot be renewed: {error}; trying again");
            complaint = error;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

async fn renew(
    config: &PushConfig,
    present: &Certificate,
    channel: &Channel,
) -> Result<Channel, RenewalError> {
    let files = config.files.clone();
    let stored = blocking(move || files.load()).await?;
    let is_renewed = |stored: &Credentials| stored.certificate.pin != present.pin;
    let renewed = match stored.filter(is_renewed) {
        // Renewed already, but not connected: to ask for another would make this one worthless.
        Some(credentials) => credentials,
        None => ask(config, channel).await?,
    };
    let connected = connect(config, &renewed).await.map_err(RenewalError::Connect)?;
    let until = renewed.certificate.not_after.duration_since(SystemTime::now()).unwrap_or_default();
    tracing::info!(for_hours = until.as_secs() / 3600, "this node's certificate is renewed");
    Ok(connected)
}

async fn ask(config: &PushConfig, channel: &Channel) -> Result<Credentials, RenewalError> {
    let files = config.files.clone();
    let key = blocking(move || files.next_key()).await?;
    let request = v1::CertificateRequest { request: key.request()? };
    let mut client = NodeClient::new(channel.clone());
    let answer = tokio::time::timeout(ANSWER_LIMIT, client.renew_certificate(request)).await;
    let answer = answer.map_err(|_| RenewalError::Silent)?.map_err(RenewalError::Refused)?;
    let v1::Certificate { certificate, authority } = answer.into_inner();
    let files = config.files.clone();
    let installed = blocking(move || {
        files.install(&certificate, &authority)?;
        files.load()
    });
    installed.await?.ok_or(RenewalError::Lost)
}

/// Files are synced to disk, which may take its time.
async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> Result<T, FilesError> + Send + 'static,
) -> Result<T, RenewalError> {
    match tokio::task::spawn_blocking(f).await {
        Ok(done) => done.map_err(RenewalError::Files),
        Err(_ended) => Err(RenewalError::Lost),
    }
}
