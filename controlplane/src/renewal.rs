//! Keeps the certificates current while the server runs: a server that nobody restarts for years must not
//! stop being trusted.

use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use sheave_apiserver::pki::{self, PkiConfig};
use sheave_apiserver::tls::ServerCertificate;

/// Renews what nears its end, in the files and for new connections; never returns.
pub(crate) async fn run(config: PkiConfig, shown: Arc<ServerCertificate>) {
    loop {
        tokio::time::sleep(config.check_interval()).await;
        if let Err(error) = renew(&config, &shown, SystemTime::now()) {
            let error = crate::remedy::sentence(&error);
            tracing::error!(error, "certificates could not be renewed; trying again later");
        }
    }
}

fn renew(config: &PkiConfig, shown: &ServerCertificate, now: SystemTime) -> anyhow::Result<()> {
    let pki = pki::ensure(config, now)?;
    shown.replace(&pki.server).context("cannot show the renewed certificate")
}
