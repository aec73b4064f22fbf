//! The way to an API server: `kubectl proxy`, which knows the administrator's certificate. Ended when dropped.

use crate::traffic::{self, Ask};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddrV4;
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Requests under way.
const AT_A_TIME: usize = 16;

pub(super) struct Proxy {
    process: Child,
    address: SocketAddrV4,
}

impl Proxy {
    /// To the server that the kubeconfig names.
    pub(super) fn start(kubeconfig: &Path) -> Result<Self> {
        let mut command = Command::new("kubectl");
        command.arg("--kubeconfig").arg(kubeconfig).args(["proxy", "--port=0"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().context("cannot start kubectl proxy")?;
        let stdout = process.stdout.take().context("its output is a pipe")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        match address(&line) {
            Some(address) => Ok(Self { process, address }),
            None => {
                let _ = process.kill();
                let _ = process.wait();
                bail!("kubectl proxy says {line:?} and not where it listens")
            }
        }
    }

    /// The answer of the API, as JSON.
    pub(super) fn ask(&self, ask: &Ask<'_>) -> Result<Value> {
        Ok(serde_json::from_str(&traffic::http(self.address, ask)?)?)
    }
}

/// Does something for each number, as several clients that each wait for their answers: a write waits for the disk, and
/// those that wait together are written together.
///
/// # Errors
/// The first of each client, whose work ends there.
pub(super) fn for_each(numbers: Range<u32>, work: impl Fn(u32) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicU32::new(numbers.start);
    let client = || -> Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= numbers.end {
                return Ok(());
            }
            work(number)?;
        }
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(client)).collect();
        clients.into_iter().try_for_each(|client| client.join().expect("it does not panic"))
    })
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // One that has ended by itself needs no end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Of `Starting to serve on 127.0.0.1:40001`, its first line.
fn address(line: &str) -> Option<SocketAddrV4> {
    line.split_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::sync::Mutex;

    #[test]
    fn each_number_has_its_turn_once_and_an_error_is_told() {
        let seen = Mutex::new(Vec::new());
        for_each(7..40, |number| {
            seen.lock().unwrap().push(number);
            Ok(())
        })
        .unwrap();
        let mut seen = seen.into_inner().unwrap();
        seen.sort_unstable();
        assert_eq!(seen, (7..40).collect::<Vec<_>>());
        let failed = for_each(0..9, |number| if number == 8 { bail!("no room") } else { Ok(()) });
        assert_eq!(failed.unwrap_err().to_string(), "no room");
    }

    #[test]
    fn where_the_proxy_listens_is_read_from_its_first_line() {
        let expected = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 40001);
        assert_eq!(address("Starting to serve on 127.0.0.1:40001\n"), Some(expected));
        assert_eq!(address("error: no configuration\n"), None);
        assert_eq!(address(""), None);
    }
}
