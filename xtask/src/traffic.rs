//! Requests and measurements from this host, as a client of the cluster would make them.

use crate::cluster::output_of;
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// An answer, and how long it took from connect to the last byte.
pub(crate) struct Answer {
    pub(crate) body: String,
    pub(crate) took: Duration,
}

/// Asks for `/` over HTTP/1.0.
pub(crate) fn http_get(server: SocketAddrV4) -> Result<Answer> {
    let started = Instant::now();
    let text = exchange(server).with_context(|| format!("asking http://{server}/"))?;
    let took = started.elapsed();
    let (head, body) = text.split_once("\r\n\r\n").context("the answer is not HTTP")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status != "200" {
        bail!("http://{server}/ answered {status}");
    }
    Ok(Answer { body: body.trim().to_owned(), took })
}

fn exchange(server: SocketAddrV4) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server.into(), REQUEST_TIMEOUT)?;
    stream.set_read_timeout(Some(REQUEST_TIMEOUT))?;
    // In one piece: a second small segment would wait for the peer's delayed acknowledgement.
    stream.write_all(format!("GET / HTTP/1.0\r\nHost: {server}\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// Gigabits a second that arrive at an iperf3 server in one TCP stream from this host.
pub(crate) fn iperf3(server: SocketAddrV4, seconds: u32) -> Result<f64> {
    let words = iperf3_words(server, seconds);
    let report = output_of(Command::new(&words[0]).args(&words[1..]))
        .with_context(|| format!("iperf3 to {server}"))?;
    received_gbit_s(&report).with_context(|| format!("iperf3 to {server}"))
}

/// The command line of a measurement that reports as JSON.
pub(crate) fn iperf3_words(server: SocketAddrV4, seconds: u32) -> Vec<String> {
    let (address, port, seconds) =
        (server.ip().to_string(), server.port().to_string(), seconds.to_string());
    ["iperf3", "--json", "--client", &address, "--port", &port, "--time", &seconds]
        .map(str::to_owned)
        .to_vec()
}

/// What arrived at the receiver, of a report in JSON.
pub(crate) fn received_gbit_s(report: &str) -> Result<f64> {
    let report: serde_json::Value = serde_json::from_str(report)?;
    if let Some(error) = report["error"].as_str() {
        bail!("{error}");
    }
    let bits = report["end"]["sum_received"]["bits_per_second"].as_f64();
    Ok(bits.context("the report has no end.sum_received.bits_per_second")? / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iperf3_reports_are_read_at_the_receiver() {
        let report = r#"{"end":{"sum_sent":{"bits_per_second":9e9},
                         "sum_received":{"bits_per_second":8.5e9}}}"#;
        assert_eq!(received_gbit_s(report).unwrap(), 8.5);
        let failed = r#"{"end":{},"error":"unable to connect to server"}"#;
        assert_eq!(received_gbit_s(failed).unwrap_err().to_string(), "unable to connect to server");
    }
}
