//! A client's upgraded connection, carried on to the runtime's streaming server. The client's upgrade
//! request is repeated there and its answer carried back; what follows (SPDY, WebSocket) is bytes.

use sheave_push::v1::{self, tunnel_data::Kind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_stream::{Stream, StreamExt};

use super::{Answers, Refusal, data};

/// Bytes of one message.
const CHUNK_BYTES: usize = 16 << 10;
/// Of an answer's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Of the body of an answer that refuses the upgrade.
const REFUSAL_BYTES_MAX: u64 = 4096;
/// What of the client's request concerns the runtime. Credentials are none of its business.
const REPEATED_HEADERS: [&str; 10] = [
    "upgrade",
    "connection",
    "x-stream-protocol-version",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
    "user-agent",
    "accept",
    "origin",
];

/// The client's upgrade request.
pub(super) struct Upgrade {
    pub(super) method: String,
    pub(super) headers: Vec<v1::Header>,
}

/// Runs until both directions are closed, or either end fails.
pub(super) async fn run(
    url: &str,
    upgrade: Upgrade,
    from_client: impl Stream<Item = v1::TunnelData> + Send + Unpin,
    answers: &Answers,
) -> Result<(), Refusal> {
    let invalid = || Refusal::internal(format!("the runtime's streaming URL {url:?} is none"));
    let (authority, path) =
        url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or_else(invalid)?;
    let internal = |error: std::io::Error| Refusal::internal(format!("streaming server: {error}"));
    let mut stream = TcpStream::connect(authority).await.map_err(internal)?;
    // Keystrokes are small.
    stream.set_nodelay(true).map_err(internal)?;
    stream.write_all(request(authority, path, &upgrade).as_bytes()).await.map_err(internal)?;
    let (head, first) = read_head(&mut stream).await.map_err(internal)?;
    let mut opened = parse_head(&head)
        .ok_or_else(|| Refusal::internal("the streaming server speaks no HTTP"))?;
    if opened.status != 101 {
        let mut body = first;
        // What the server says is for people; without it the status remains.
        let _ = stream.take(REFUSAL_BYTES_MAX).read_to_end(&mut body).await;
        opened.message = String::from_utf8_lossy(&body).trim().to_owned();
        let _ = answers.send(data(Kind::Opened(opened))).await;
        return Ok(());
    }
    if answers.send(data(Kind::Opened(opened))).await.is_err() {
        return Ok(());
    }
    if !first.is_empty() && answers.send(data(Kind::Data(first.into()))).await.is_err() {
        return Ok(());
    }
    let (reader, writer) = stream.into_split();
    let up = carry_up(from_client, writer);
    let down = carry_down(reader, answers);
    tokio::pin!(up, down);
    // When the runtime is done, the client has nobody to talk to. A client that is done may still listen.
    tokio::select! {
        () = &mut down => {}
        gone = &mut up => if !gone { down.await },
        () = answers.closed() => {}
    }
    Ok(())
}

/// True: the client is gone; false: it only has no more to say.
async fn carry_up(
    mut from_client: impl Stream<Item = v1::TunnelData> + Unpin,
    mut writer: OwnedWriteHalf,
) -> bool {
    while let Some(message) = from_client.next().await {
        match message.kind {
            Some(Kind::Data(bytes)) => {
                if writer.write_all(&bytes).await.is_err() {
                    return false;
                }
            }
            Some(Kind::HalfClose(_)) => {
                // A runtime that is gone says so on the other direction.
                let _ = writer.shutdown().await;
                return false;
            }
            Some(Kind::Error(_)) => return true,
            Some(Kind::Opened(_)) | None => {}
        }
    }
    true
}

async fn carry_down(mut reader: OwnedReadHalf, answers: &Answers) {
    loop {
        let mut chunk = bytes::BytesMut::with_capacity(CHUNK_BYTES);
        let kind = match reader.read_buf(&mut chunk).await {
            Ok(0) => Kind::HalfClose(v1::HalfClose {}),
            Ok(_) => Kind::Data(chunk.freeze()),
            Err(error) => Kind::Error(error.to_string()),
        };
        let last = !matches!(kind, Kind::Data(_));
        if answers.send(data(kind)).await.is_err() || last {
            return;
        }
    }
}

fn request(authority: &str, path: &str, upgrade: &Upgrade) -> String {
    let method = if upgrade.method.is_empty() { "POST" } else { &upgrade.method };
    let mut request = format!("{method} /{path} HTTP/1.1\r\nHost: {authority}\r\n");
    if method != "GET" {
        request.push_str("Content-Length: 0\r\n");
    }
    for header in &upgrade.headers {
        let repeated = REPEATED_HEADERS.iter().any(|name| header.name.eq_ignore_ascii_case(name));
        let is_line = |text: &str| !text.contains(['\r', '\n']);
        if repeated && is_line(&header.name) && is_line(&header.value) {
            request.push_str(&format!("{}: {}\r\n", header.name, header.value));
        }
    }
    request.push_str("\r\n");
    request
}

/// The head, and what came with it.
async fn read_head(stream: &mut TcpStream) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let mut buffer = Vec::with_capacity(1024);
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = buffer.split_off(end + 4);
            return Ok((buffer, rest));
        }
        if buffer.len() > HEAD_BYTES_MAX {
            return Err(std::io::Error::other("the answer's head is too long"));
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn parse_head(head: &[u8]) -> Option<v1::TunnelOpened> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.splitn(3, ' ');
    if !words.next()?.starts_with("HTTP/1.") {
        return None;
    }
    let status = words.next()?.parse().ok()?;
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some(v1::Header { name: name.to_owned(), value: value.trim().to_owned() })
    });
    Some(v1::TunnelOpened { status, headers: headers.collect(), message: String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_what_concerns_the_runtime_only() {
        let header =
            |name: &str, value: &str| v1::Header { name: name.into(), value: value.into() };
        let upgrade = Upgrade {
            method: "POST".into(),
            headers: vec![
                header("Upgrade", "SPDY/3.1"),
                header("Authorization", "Bearer x"),
                header("X-Stream-Protocol-Version", "v4.channel.k8s.io"),
                header("Accept", "a\r\nEvil: 1"),
            ],
        };
        assert_eq!(
            request("127.0.0.1:1", "exec/t", &upgrade),
            "POST /exec/t HTTP/1.1\r\nHost: 127.0.0.1:1\r\nContent-Length: 0\r\n\
             Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n"
        );
    }

    #[test]
    fn reads_an_answer() {
        let opened = parse_head(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r\n");
        let opened = opened.unwrap();
        assert_eq!(opened.status, 101);
        assert_eq!(opened.headers[0].value, "SPDY/3.1");
        assert!(parse_head(b"nonsense\r\n\r\n").is_none());
    }
}
