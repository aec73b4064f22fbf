//! An agent's socket, as `sheave` asks at it.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

/// What the agent with this directory answers; nothing while none does.
pub fn ask(run_dir: &Path, path: &str) -> Option<Value> {
    let mut socket = UnixStream::connect(run_dir.join("agent.sock")).ok()?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    socket.read_to_string(&mut text).ok()?;
    serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
}
