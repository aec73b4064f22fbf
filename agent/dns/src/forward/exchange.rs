//! One question to one upstream: by datagram, and by TCP when the answer does not fit one.
//!
//! Each question has a socket, a port and an id of its own, and the kernel takes datagrams from the
//! upstream's address alone. What does not answer the question that was put is not believed, and waited past.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::message::answer_to;

/// A datagram longer than was asked for is cut, and then is no message.
const DATAGRAM_BYTES_MAX: usize = 4096;

/// Why an upstream has not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("no answer in time")]
    Silent,
    #[error("cannot be reached")]
    Io(#[from] io::Error),
    #[error("the question cannot be written, or the answer not be read")]
    Message,
}

/// Puts a question. `question` has an id that nobody can guess.
pub(crate) async fn ask(
    upstream: SocketAddr,
    question: &Message,
    limit: Duration,
) -> Result<Message, Failed> {
    let answer = timeout(limit, by_datagram(upstream, question)).await;
    let answer = answer.map_err(|_| Failed::Silent)??;
    if !answer.metadata.truncation {
        return Ok(answer);
    }
    timeout(limit, by_stream(upstream, question)).await.map_err(|_| Failed::Silent)?
}

async fn by_datagram(upstream: SocketAddr, question: &Message) -> Result<Message, Failed> {
    let any = match upstream {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(upstream).await?;
    socket.send(&question.to_vec().map_err(|_| Failed::Message)?).await?;
    let mut bytes = [0; DATAGRAM_BYTES_MAX];
    loop {
        let length = socket.recv(&mut bytes).await?;
        if let Some(answer) = answer_to(question, &bytes[..length]) {
            return Ok(answer);
        }
    }
}

async fn by_stream(upstream: SocketAddr, question: &Message) -> Result<Message, Failed> {
    let mut stream = TcpStream::connect(upstream).await?;
    let message = question.to_vec().map_err(|_| Failed::Message)?;
    let length = u16::try_from(message.len()).map_err(|_| Failed::Message)?;
    stream.write_all(&[&length.to_be_bytes(), &message[..]].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    answer_to(question, &answer).ok_or(Failed::Message)
}
