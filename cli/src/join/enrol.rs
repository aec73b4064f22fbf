//! The first time: from a token to a certificate on disk. What fails leaves nothing behind, unless the
//! server may have heard of our key: then the key stays, and another try goes on with it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sheave_join::{Credentials, JoinRequest, NodeFiles, Pin, Token};

use super::server::{self, Refused};
use crate::https::Server;

pub(super) async fn run(
    files: &NodeFiles,
    server: &Server,
    authority: &str,
    token: &Token,
    node_name: &str,
) -> Result<Credentials> {
    let made = Made::before(files.dir());
    // Of an earlier try: the server may know it, and this one is then let in with it.
    let is_kept = files.has_next_key();
    let asked = async {
        let key = files.next_key().map_err(Refused::before)?;
        let request = JoinRequest {
            token: token.proof(),
            node_name: node_name.to_owned(),
            certificate_request: key.request().map_err(Refused::before)?,
        };
        let answer = server::join(server, authority, &request).await?;
        Ok::<_, Refused>((key, answer))
    };
    let (key, answer) = match asked.await {
        Ok(answered) => answered,
        Err(refused) => {
            if !refused.is_in_doubt && !is_kept {
                files.forget_next_key();
                made.undo();
            }
            return Err(refused.error);
        }
    };
    if Pin::of_certificate(&answer.certificate_authority) != Some(token.authority)
        || Pin::of_certificate(&answer.certificate) != Some(key.pin())
    {
        bail!("{} answered with a certificate that is not for this machine's key", server.url());
    }
    files.note_joined_with(token.id())?;
    files.install(&answer.certificate, &answer.certificate_authority)?;
    files.load()?.context("the certificate that was just written cannot be read")
}

/// Directories that are not there yet, the outermost first.
struct Made(Vec<PathBuf>);

impl Made {
    fn before(dir: &Path) -> Self {
        let mut missing: Vec<PathBuf> =
            dir.ancestors().take_while(|dir| !dir.exists()).map(Path::to_owned).collect();
        missing.reverse();
        Self(missing)
    }

    fn undo(self) {
        for dir in self.0.iter().rev() {
            // One that somebody has put something into meanwhile stays.
            let _ = std::fs::remove_dir(dir);
        }
    }
}
