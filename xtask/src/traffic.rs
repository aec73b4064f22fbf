//! Requests and measurements from this host, as a client of the cluster would make them.

use crate::cluster::output_of;
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
/// For the first byte of an answer, and between two.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// An answer, and how long it took from connect to the last byte.
pub(crate) struct Answer {
    pub(crate) body: String,
    pub(crate) took: Duration,
}

/// What is asked over HTTP/1.0: the answer ends with its connection.
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// Its media type, and itself.
    pub(crate) body: Option<(&'a str, &'a str)>,
}

/// Asks for `/`.
pub(crate) fn http_get(server: SocketAddrV4) -> Result<Answer> {
    let started = Instant::now();
    let text = exchange(server, &Ask { method: "GET", path: "/", body: None }, REQUEST_TIMEOUT);
    let text = text.with_context(|| format!("asking http://{server}/"))?;
    let took = started.elapsed();
    let body = body_of(&text).with_context(|| format!("http://{server}/"))?;
    Ok(Answer { body: body.trim().to_owned(), took })
}

/// The body of an answer that says that it went well.
pub(crate) fn http(server: SocketAddrV4, ask: &Ask<'_>) -> Result<String> {
    let what = || format!("{} http://{server}{}", ask.method, ask.path);
    let text = exchange(server, ask, ANSWER_TIMEOUT).with_context(what)?;
    Ok(body_of(&text).with_context(what)?.to_owned())
}

fn exchange(server: SocketAddrV4, ask: &Ask<'_>, limit: Duration) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server.into(), REQUEST_TIMEOUT)?;
    stream.set_read_timeout(Some(limit))?;
    // In one piece: a second small segment would wait for the peer's delayed acknowledgement.
    stream.write_all(request(server, ask).as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn request(server: SocketAddrV4, ask: &Ask<'_>) -> String {
    let Ask { method, path, body } = ask;
    let mut text = format!("{method} {path} HTTP/1.0\r\nHost: {server}\r\n");
    if let Some((media_type, body)) = body {
        let length = body.len();
        text += &format!("Content-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n{body}");
    } else {
        text += "\r\n";
    }
    text
}

fn body_of(answer: &str) -> Result<&str> {
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is not HTTP")?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if !status.starts_with('2') {
        bail!("answered {status}: {}", body.trim());
    }
    Ok(body)
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

/// All that arrived at the receiver in gigabits, of a report in JSON.
pub(crate) fn received_gbit(report: &str) -> Result<f64> {
    let report: serde_json::Value = serde_json::from_str(report)?;
    let bytes = report["end"]["sum_received"]["bytes"].as_f64();
    Ok(bytes.context("the report has no end.sum_received.bytes")? * 8.0 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_told_with_its_length_and_an_answer_that_refuses_is_an_error() {
        let server = SocketAddrV4::new([127, 0, 0, 1].into(), 80);
        let get = request(server, &Ask { method: "GET", path: "/a", body: None });
        assert_eq!(get, "GET /a HTTP/1.0\r\nHost: 127.0.0.1:80\r\n\r\n");
        let body = Some(("text/plain", "four"));
        let post = request(server, &Ask { method: "POST", path: "/", body });
        assert!(post.ends_with("Content-Length: 4\r\n\r\nfour"), "{post}");
        assert_eq!(body_of("HTTP/1.0 201 Created\r\nA: b\r\n\r\nbody").unwrap(), "body");
        let refused = body_of("HTTP/1.0 409 Conflict\r\n\r\nit is there\n").unwrap_err();
        assert_eq!(refused.to_string(), "answered 409: it is there");
    }

    #[test]
    fn iperf3_reports_are_read_at_the_receiver() {
        let report = r#"{"end":{"sum_sent":{"bits_per_second":9e9},
                         "sum_received":{"bits_per_second":8.5e9,"bytes":2125000000}}}"#;
        assert_eq!(received_gbit_s(report).unwrap(), 8.5);
        assert_eq!(received_gbit(report).unwrap(), 17.0);
        let failed = r#"{"end":{},"error":"unable to connect to server"}"#;
        assert_eq!(received_gbit_s(failed).unwrap_err().to_string(), "unable to connect to server");
    }
}
