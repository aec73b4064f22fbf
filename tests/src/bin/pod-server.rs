//! The server of the tests of several nodes, as the program of a container: answers by TCP and UDP in both
//! families, under the pod's own name. `pod-server PORT WHO-PORT`: at the first port [`echo`] for measured
//! loads, at the second each client is told the server's name and how it is seen.
//!
//! Told to end, it does as servers that are in order do: no connection is accepted any more, those that are
//! open are served to their end.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use sheave_tests::echo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, UdpSocket};
use tokio::signal::unix::{SignalKind, signal};

/// How long open connections may take to end.
const GRACE: Duration = Duration::from_secs(5);

fn main() {
    let ports: Vec<u16> =
        std::env::args().skip(1).map(|port| port.parse().expect("two ports")).collect();
    let name = nix::unistd::gethostname().expect("a host name").to_string_lossy().into_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut ends = signal(SignalKind::terminate()).expect("signals can be waited for");
        let at = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        let echo = echo::start(&name, &[at(ports[0])], &[at(ports[0])]).await;
        tokio::spawn(tell_by_tcp(at(ports[1]), name.clone()));
        tokio::spawn(tell_by_udp(at(ports[1]), name));
        println!("listens");
        ends.recv().await;
        println!("{} connections are open", echo.end(GRACE).await);
    });
}

async fn tell_by_tcp(at: SocketAddr, name: String) {
    let listener = TcpListener::bind(at).await.expect("the port is free");
    loop {
        if let Ok((mut stream, peer)) = listener.accept().await {
            let line = told(&name, peer);
            tokio::spawn(async move { stream.write_all(line.as_bytes()).await });
        }
    }
}

async fn tell_by_udp(at: SocketAddr, name: String) {
    let socket = UdpSocket::bind(at).await.expect("the port is free");
    let mut datagram = [0; 64];
    loop {
        if let Ok((_, peer)) = socket.recv_from(&mut datagram).await {
            let _ = socket.send_to(told(&name, peer).as_bytes(), peer).await;
        }
    }
}

/// The address in its own family's form.
fn told(name: &str, peer: SocketAddr) -> String {
    format!("{name} {}\n", peer.ip().to_canonical())
}
