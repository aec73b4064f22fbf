//! Long TCP streams of iperf3, and what became of them second by second.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails, and says where")]

use std::io::Read as _;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A client with its streams, running.
pub struct Streams {
    name: String,
    client: Child,
    count: usize,
}

/// What became of them.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Who they were.
    pub name: String,
    /// What iperf3 says went wrong.
    pub error: Option<String>,
    /// Bytes sent by each stream.
    pub bytes: Vec<u64>,
    /// Stretches of half a second in which a stream sent nothing: stream and start in seconds.
    pub silent: Vec<(usize, f64)>,
    /// Segments sent again: stream, start of the half second, how many.
    pub resent: Vec<(usize, f64, u64)>,
}

/// The server's command: one test, then it ends.
pub fn server(port: u16) -> Command {
    let mut command = Command::new("iperf3");
    command.args(["--server", "--one-off", "--port", &port.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The client's command: so many streams to `address`, each of a few megabits a second so that all of them
/// are busy all the time on a small machine.
pub fn client(address: &str, port: u16, count: usize, seconds: u64) -> Command {
    let mut command = Command::new("iperf3");
    command.args(["--client", address, "--port", &port.to_string(), "--json"]);
    command.args(["--parallel", &count.to_string(), "--time", &seconds.to_string()]);
    command.args(["--interval", "0.5", "--bitrate", "8M", "--length", "16K"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

impl Streams {
    /// Around a client that was started.
    pub fn new(name: &str, client: Child, count: usize) -> Self {
        Self { name: name.into(), client, count }
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Outcome {
        let mut text = String::new();
        self.client.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        self.client.wait().unwrap();
        let said: Value = serde_json::from_str(&text).unwrap_or_default();
        let empty = Vec::new();
        let (mut silent, mut resent) = (Vec::new(), Vec::new());
        for interval in said["intervals"].as_array().unwrap_or(&empty) {
            for (number, stream) in
                interval["streams"].as_array().unwrap_or(&empty).iter().enumerate()
            {
                // What is left of the last one can be too short to send in.
                let is_whole = stream["seconds"].as_f64().unwrap_or(0.0) > 0.4;
                let start = stream["start"].as_f64().unwrap_or(0.0);
                if is_whole && stream["bytes"].as_u64() == Some(0) {
                    silent.push((number, start));
                }
                let again = stream["retransmits"].as_u64().unwrap_or(0);
                if again != 0 {
                    resent.push((number, start, again));
                }
            }
        }
        let ends = said["end"]["streams"].as_array().unwrap_or(&empty);
        let bytes = ends.iter().map(|end| end["sender"]["bytes"].as_u64().unwrap_or(0)).collect();
        let mut error = said["error"].as_str().map(str::to_owned);
        if error.is_none() && ends.len() != self.count {
            error =
                Some(format!("{} of {} streams came to an end: {text}", ends.len(), self.count));
        }
        Outcome { name: std::mem::take(&mut self.name), error, bytes, silent, resent }
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}
