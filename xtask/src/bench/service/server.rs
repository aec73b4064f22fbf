//! What runs where a server is to be: iperf3, and the server of [`super::load`].

use super::services::{LOAD_PORT, STREAM_PORT};
use crate::cluster::{output_of, wait_for};
use anyhow::{Context, Result};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const START_LIMIT: Duration = Duration::from_secs(10);

/// Makes a command of words, that runs where a client or a server is.
pub(super) type Enter = Box<dyn Fn(&[String]) -> Result<Command>>;

/// Both, until this is dropped.
pub(super) struct Server {
    processes: [Child; 2],
}

impl Server {
    /// Both listen when it returns. `name` is what the second tells clients.
    pub(super) fn start(name: &str, enter: &Enter) -> Result<Self> {
        let ports = [STREAM_PORT, LOAD_PORT];
        let iperf3 = ["iperf3", "--server", "--port", &STREAM_PORT.to_string()].map(str::to_owned);
        let load = load_words(&["serve", name, &LOAD_PORT.to_string()])?;
        let server = Self { processes: [spawn(enter, &iperf3)?, spawn(enter, &load)?] };
        for port in ports {
            let words = ["ss", "-Hltn", &format!("sport = :{port}")].map(str::to_owned);
            wait_for(&format!("port {port} of {name} to be listened on"), START_LIMIT, || {
                let listening = output_of(&mut enter(&words)?)?;
                Ok(listening.contains(&format!(":{port}")).then_some(()))
            })?;
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One ends with its standard input; the other may be left on its machine, and ends with the lab.
        for process in &mut self.processes {
            drop(process.stdin.take());
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn spawn(enter: &Enter, words: &[String]) -> Result<Child> {
    let mut command = enter(words)?;
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().with_context(|| format!("cannot start {}", words[0]))
}

/// This program again, as a load or its server.
pub(super) fn load_words(words: &[&str]) -> Result<Vec<String>> {
    let myself = std::env::current_exe().context("this program has no name")?;
    let myself = myself.to_str().context("the checkout's path is not UTF-8")?.to_owned();
    let words = ["bench", "service-load"].iter().chain(words);
    Ok([myself].into_iter().chain(words.map(|word| (*word).to_owned())).collect())
}
