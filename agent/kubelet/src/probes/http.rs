//! A GET as probes and hooks send it: one connection, one request, no more of the answer than is shown.

use std::net::IpAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::pod::spec::HttpCheck;

/// Of an answer, in messages.
pub(crate) const BODY_SHOWN_MAX: usize = 1024;

/// Well is a status from 200 to 399; the error is what a user reads.
pub(crate) async fn get(
    check: &HttpCheck,
    pod_ip: Option<IpAddr>,
    timeout: Duration,
) -> Result<u16, String> {
    let host = match (&check.host, pod_ip) {
        (Some(host), _) => host.clone(),
        (None, Some(IpAddr::V6(ip))) => format!("[{ip}]"),
        (None, Some(ip)) => ip.to_string(),
        (None, None) => return Err("the pod has no address".into()),
    };
    let scheme = if check.tls { "https" } else { "http" };
    let url = format!("{scheme}://{host}:{}{}", check.port, check.path);
    let asked = tokio::time::timeout(timeout, ask(check, &host, pod_ip, timeout)).await;
    let answer = asked.unwrap_or_else(|_| {
        Err("context deadline exceeded (Client.Timeout exceeded while awaiting headers)".into())
    });
    match answer {
        Ok(status) if (200..400).contains(&status) => Ok(status),
        Ok(status) => Err(format!("HTTP probe failed with statuscode: {status}")),
        Err(error) => Err(format!("Get {url:?}: {error}")),
    }
}

async fn ask(
    check: &HttpCheck,
    host: &str,
    pod_ip: Option<IpAddr>,
    timeout: Duration,
) -> Result<u16, String> {
    let stream = super::connect(check.host.as_deref(), check.port, pod_ip, timeout).await?;
    if check.tls {
        let name = host.trim_matches(['[', ']']);
        exchange(check, host, super::tls::connect(stream, name).await?).await
    } else {
        exchange(check, host, stream).await
    }
}

/// One request and its answer.
async fn exchange(
    check: &HttpCheck,
    host: &str,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<u16, String> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    let connection = tokio::spawn(connection);
    let answer = async {
        let mut request = http::Request::get(&check.path);
        let named = |name: &str| check.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !named("host") {
            request = request.header("Host", format!("{host}:{}", check.port));
        }
        if !named("user-agent") {
            request = request.header("User-Agent", "kube-probe/1.36");
        }
        if !named("accept") {
            request = request.header("Accept", "*/*");
        }
        for (name, value) in &check.headers {
            request = request.header(name, value);
        }
        let request = request.header("Connection", "close");
        let request = request.body(Empty::<Bytes>::new()).map_err(text)?;
        let response = sender.send_request(request).await.map_err(text)?;
        let status = response.status().as_u16();
        // A little of the body is read, so that the server is not cut off in mid-answer.
        let mut body = response.into_body();
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > BODY_SHOWN_MAX {
                break;
            }
        }
        Ok(status)
    };
    let answer = answer.await;
    connection.abort();
    answer
}

fn text(error: impl std::error::Error) -> String {
    crate::chain(&error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn answer_with(answer: &'static str) -> Result<u16, String> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let n = stream.read(&mut request).await.unwrap();
            assert!(request[..n].starts_with(b"GET /ok?x=1 HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let check =
            HttpCheck { host: None, port, tls: false, path: "/ok?x=1".into(), headers: Vec::new() };
        get(&check, Some("127.0.0.1".parse().unwrap()), Duration::from_secs(2)).await
    }

    #[tokio::test]
    async fn statuses_become_verdicts() {
        assert_eq!(answer_with("HTTP/1.1 204 No Content\r\n\r\n").await, Ok(204));
        assert_eq!(answer_with("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n").await, Ok(302));
        let error = answer_with("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").await.unwrap_err();
        assert_eq!(error, "HTTP probe failed with statuscode: 503");
    }

    #[tokio::test]
    async fn a_certificate_that_nobody_knows_is_fine() {
        let own = rcgen::generate_simple_self_signed(["nobody".to_owned()]).unwrap();
        let key =
            rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        });
        let check =
            HttpCheck { host: None, port, tls: true, path: "/".into(), headers: Vec::new() };
        let ip = Some("127.0.0.1".parse().unwrap());
        assert_eq!(get(&check, ip, Duration::from_secs(5)).await, Ok(200));
    }

    #[tokio::test]
    async fn nobody_there_is_said() {
        let check =
            HttpCheck { host: None, port: 1, tls: false, path: "/".into(), headers: Vec::new() };
        let error = get(&check, Some("127.0.0.1".parse().unwrap()), Duration::from_secs(2)).await;
        assert!(error.unwrap_err().contains("connection refused"));
    }
}
