//! The load of the bench and who answers it, as programs: xtask starts itself where a client or a server is to be.
//! The same for every way, and made of little but system calls: blocking sockets, a thread for each client, times
//! that are kept and sorted at the end. Not in the tests' programs: those count what becomes of each connection of a
//! paced load, and cost more than what is measured here.

mod client;
mod datagrams;
mod message;
mod server;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use std::net::{SocketAddrV4, TcpStream};
use std::time::Duration;

/// A socket that hears nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(3);

/// What such a process does.
#[derive(Subcommand)]
pub(in crate::bench) enum Load {
    /// Answers until its standard input ends, under this name
    Serve { name: String, port: u16 },
    /// Asks who answers, by TCP and by UDP
    Who { server: SocketAddrV4 },
    /// Opens connections, one request each, by so many clients at a time
    Connections { server: SocketAddrV4, clients: usize },
    /// Sends one request after the other over one connection
    Requests { server: SocketAddrV4 },
    /// Sends datagrams as fast as it can
    Datagrams { server: SocketAddrV4 },
}

/// Who answered.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Who {
    pub(super) tcp: String,
    pub(super) udp: String,
    /// Whom the client's TCP socket is connected to, as the kernel has it: a hook may have given it another peer than
    /// it asked for.
    pub(super) peer: SocketAddrV4,
}

/// What became of the exchanges of a load.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Exchanges {
    /// Answered.
    pub(super) count: u64,
    /// Not answered.
    pub(super) failed: u64,
    /// The first of those, in words.
    pub(super) failure: Option<String>,
    /// From the first to the last.
    pub(super) seconds: f64,
    /// Of the answered: of connections how long it took until they were there, of requests until the answer was.
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
}

/// What became of datagrams.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Datagrams {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) seconds: f64,
}

/// Does it, and says what came of it as JSON.
pub(in crate::bench) fn run(load: &Load, seconds: u32) -> Result<()> {
    let lasts = Duration::from_secs(seconds.into());
    let said = match load {
        Load::Serve { name, port } => return server::run(name, *port),
        Load::Who { server } => serde_json::to_string(&who(*server)?)?,
        Load::Connections { server, clients } => {
            serde_json::to_string(&client::connections(*server, *clients, lasts)?)?
        }
        Load::Requests { server } => serde_json::to_string(&client::requests(*server, lasts)?)?,
        Load::Datagrams { server } => serde_json::to_string(&datagrams::flood(*server, lasts)?)?,
    };
    println!("{said}");
    Ok(())
}

fn who(server: SocketAddrV4) -> Result<Who> {
    let mut stream = connect(server).context("no connection by TCP")?;
    let tcp = client::ask(&mut stream).context("no answer by TCP")?;
    let udp = datagrams::ask(server).context("no answer by UDP")?;
    let sockets = std::fs::read_to_string("/proc/thread-self/net/tcp")?;
    let peer = peer_of(stream.local_addr()?.port(), &sockets);
    let peer = peer.context("the connection is not in /proc/thread-self/net/tcp")?;
    Ok(Who { tcp: tcp.name, udp: udp.name, peer })
}

/// The other end of a connection, by its port at this one: a line of proc_net(5)'s `tcp` each.
fn peer_of(port: u16, sockets: &str) -> Option<SocketAddrV4> {
    const ESTABLISHED: &str = "01";
    sockets.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (local, remote) = (address_of(words.get(1)?)?, address_of(words.get(2)?)?);
        (local.port() == port && *words.get(3)? == ESTABLISHED).then_some(remote)
    })
}

/// Of `0100007F:1F90`: the address as it lies in memory.
fn address_of(word: &str) -> Option<SocketAddrV4> {
    let (address, port) = word.split_once(':')?;
    let address = u32::from_str_radix(address, 16).ok()?.to_ne_bytes();
    Some(SocketAddrV4::new(address.into(), u16::from_str_radix(port, 16).ok()?))
}

fn connect(server: SocketAddrV4) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A port of the loopback where a server called `one` answers.
    fn server() -> SocketAddrV4 {
        let listener = server::Server::start("one", 0).unwrap();
        SocketAddrV4::new([127, 0, 0, 1].into(), listener.port())
    }

    #[test]
    fn who_answers_says_so_by_both_protocols() {
        let server = server();
        let who = who(server).unwrap();
        assert_eq!(who, Who { tcp: "one".to_owned(), udp: "one".to_owned(), peer: server });
    }

    #[test]
    fn connections_and_requests_are_counted_and_timed() {
        let (server, lasts) = (server(), Duration::from_millis(200));
        let several = client::connections(server, 4, lasts).unwrap();
        let one = client::requests(server, lasts).unwrap();
        for seen in [several, one] {
            assert!(seen.count > 20 && seen.failed == 0, "{seen:?}");
            assert!(seen.p50_us > 0.0 && seen.p99_us >= seen.p50_us, "{seen:?}");
            assert!((0.2..1.0).contains(&seen.seconds), "{seen:?}");
        }
    }

    #[test]
    fn a_connection_that_is_refused_is_a_failure_with_its_reason() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let nobody = SocketAddrV4::new([127, 0, 0, 1].into(), port);
        let seen = client::connections(nobody, 1, Duration::from_millis(50)).unwrap();
        assert!(seen.count == 0 && seen.failed > 0, "{seen:?}");
        assert!(seen.failure.unwrap().contains("refused"));
    }

    #[test]
    fn datagrams_count_where_they_arrive() {
        let seen = datagrams::flood(server(), Duration::from_millis(200)).unwrap();
        assert!(seen.received > 100 && seen.received <= seen.sent, "{seen:?}");
    }
}
