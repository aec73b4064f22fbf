//! One attempt to reach somebody, and what became of it as a program sees it. Sent by the program `prober`,
//! answered by `pod-server`.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// How long silence may last. A first packet to a neighbour that is not known takes its time.
const PATIENCE: Duration = Duration::from_millis(2500);
/// Probes under way at a time: as many more would be a load.
const AT_A_TIME: usize = 16;

/// By which protocol somebody is to be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    /// A connection.
    Tcp,
    /// A connected datagram socket: it is told of refusals.
    Udp,
}

/// Whom to reach, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// By which protocol.
    pub protocol: Protocol,
    /// Whom.
    pub to: SocketAddr,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// By whom, and as whom the client is seen there.
    Answered {
        /// The pod's name.
        by: String,
        /// The client's address there.
        seen: IpAddr,
    },
    /// At once, in the words of the transport: a reset, or ICMP port unreachable.
    Refused,
    /// At once, in the words of the network: somebody has no route.
    Unreachable,
    /// Nothing.
    Silent,
    /// Anything else, in words.
    Strange(String),
}

/// All of them; outcomes in the same order.
pub async fn make_all(probes: &[Probe]) -> Vec<Outcome> {
    use tokio_stream::StreamExt as _;
    let mut outcomes = Vec::new();
    for some in probes.chunks(AT_A_TIME) {
        let tasks: Vec<_> = some.iter().map(|probe| tokio::spawn(make(*probe))).collect();
        let mut tasks = tokio_stream::iter(tasks);
        while let Some(task) = tasks.next().await {
            outcomes.push(task.await.expect("a probe does not panic"));
        }
    }
    outcomes
}

async fn make(probe: Probe) -> Outcome {
    let answer = async {
        match probe.protocol {
            Protocol::Tcp => by_tcp(probe.to).await,
            Protocol::Udp => by_udp(probe.to).await,
        }
    };
    match timeout(PATIENCE, answer).await {
        Err(_) => Outcome::Silent,
        Ok(Ok(line)) => read(&line),
        Ok(Err(error)) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Outcome::Refused,
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
                Outcome::Unreachable
            }
            _ => Outcome::Strange(error.to_string()),
        },
    }
}

async fn by_tcp(to: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(to).await?;
    let mut line = String::new();
    stream.read_to_string(&mut line).await?;
    Ok(line)
}

async fn by_udp(to: SocketAddr) -> io::Result<String> {
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(to).await?;
    let mut answer = [0; 128];
    socket.send(b"who").await?;
    let len = socket.recv(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer[..len]).into_owned())
}

fn read(line: &str) -> Outcome {
    let words: Option<(&str, &str)> = line.trim_end().split_once(' ');
    match words.and_then(|(by, seen)| Some((by, seen.parse().ok()?))) {
        Some((by, seen)) => Outcome::Answered { by: by.to_owned(), seen },
        None => Outcome::Strange(format!("the answer {line:?}")),
    }
}
