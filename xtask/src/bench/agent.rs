//! The agent's socket, as `sheave` asks at it. For root alone.

use super::time::micros;
use crate::cluster::{Cluster, wait_for};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// A map that is filled from nothing may take so long.
const IN_EFFECT_LIMIT: Duration = Duration::from_secs(120);

/// The agent of a cluster's node.
pub(super) struct Agent {
    socket: PathBuf,
}

impl Agent {
    pub(super) fn of(cluster: &Cluster) -> Self {
        Self { socket: cluster.run_dir.join("agent.sock") }
    }

    /// What it answers, as JSON.
    pub(super) fn ask(&self, path: &str) -> Result<Value> {
        let text = exchange(&self.socket, path)
            .with_context(|| format!("asking the agent for {path} at {}", self.socket.display()))?;
        let (head, body) = text.split_once("\r\n\r\n").context("the answer is not HTTP")?;
        ensure!(head.split(' ').nth(1) == Some("200"), "the agent answers {path}: {body}");
        Ok(serde_json::from_str(body)?)
    }

    /// Waits until its maps hold what they should, for the first time since it was started.
    pub(super) fn wait_in_effect(&self) -> Result<()> {
        wait_for("the agent's maps to be in effect", IN_EFFECT_LIMIT, || {
            self.in_effect_micros().map(Some)
        })
        .map(drop)
    }

    /// When its maps last held what they should, in microseconds since 1970.
    pub(super) fn in_effect_micros(&self) -> Result<f64> {
        let status = self.ask("/status")?;
        let at = status["services"]["inEffectAt"].as_str();
        micros(at.context("the agent says of no state that it is in effect")?)
    }
}

fn exchange(socket: &Path, path: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    // Not chunked: by 1.0 an answer ends with its connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: agent\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
