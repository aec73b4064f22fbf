//! The smallest HTTP client: one request, one connection, the body of a 200.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(3);

/// The body that `http://<server><path>` answers with.
///
/// # Errors
/// When no connection is made, no answer comes within three seconds, or it is not a 200.
pub fn get(server: SocketAddr, path: &str) -> std::io::Result<String> {
    exchange(server, &format!("GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n"))
}

/// Changes an object of the API by a merge patch (RFC 7386), through `kubectl proxy`.
///
/// # Errors
/// As of [`get`].
pub fn patch(server: SocketAddr, path: &str, patch: &str) -> std::io::Result<String> {
    let length = patch.len();
    let head = format!("PATCH {path} HTTP/1.0\r\nHost: {server}\r\nContent-Length: {length}\r\n");
    exchange(server, &format!("{head}Content-Type: application/merge-patch+json\r\n\r\n{patch}"))
}

fn exchange(server: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    // In one piece: a second small segment would wait for the peer's delayed acknowledgement.
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    match text.split_once("\r\n\r\n") {
        Some((head, body)) if head.split(' ').nth(1) == Some("200") => Ok(body.trim().to_owned()),
        _ => Err(Error::new(ErrorKind::InvalidData, format!("not a 200: {text:?}"))),
    }
}
