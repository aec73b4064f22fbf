//! The backends of [`crate::connections`]: TCP and UDP, on one thread, as many connections as come.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails, and says where")]

use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::watch;

use crate::connections::{REQUEST_LEN, RESPONSE_LEN};
use crate::netns::Netns;

/// Connections that wait to be accepted, at most: a burst must not overflow it.
const BACKLOG: u32 = 8192;

/// Datagrams that wait to be received: ten thousand and more.
const RECEIVE_BUFFER_BYTES: usize = 16 << 20;

/// Answers as `name` in a namespace at these addresses, for as long as the process lives. Listens when it
/// returns.
pub fn serve(netns: &Netns, name: &str, tcp: Vec<SocketAddr>, udp: Vec<SocketAddr>) {
    let name = name.to_owned();
    let (listens, listening) = std::sync::mpsc::channel();
    netns.spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let _echo = start(&name, &tcp, &udp).await;
            listens.send(()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    listening.recv().unwrap();
}

/// A server that answers, in the runtime that it was started in.
pub struct Echo {
    ends: watch::Sender<bool>,
    /// Listeners and connections.
    open: watch::Sender<usize>,
}

/// Answers as `name` at these addresses. Listens when it returns.
pub async fn start(name: &str, tcp: &[SocketAddr], udp: &[SocketAddr]) -> Echo {
    let (open, _) = watch::channel(tcp.len());
    let (ends, _) = watch::channel(false);
    // First: whoever is asked by TCP whether he is ready must be so for both.
    for address in udp {
        let socket = UdpSocket::bind(*address).await.unwrap();
        // What waits while the machine is busy elsewhere must not be lost here. More than others may have, if
        // this process may have it.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES);
        tokio::spawn(answer_datagrams(socket, name.to_owned()));
    }
    for address in tcp {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(*address).unwrap();
        let listener = socket.listen(BACKLOG).unwrap();
        tokio::spawn(accept(listener, name.to_owned(), ends.subscribe(), open.clone()));
    }
    Echo { ends, open }
}

impl Echo {
    /// Accepts what waits for it, then no more, and waits until all have ended; says how many have not.
    pub async fn end(self, grace: Duration) -> usize {
        self.ends.send_replace(true);
        let mut open = self.open.subscribe();
        let _ = tokio::time::timeout(grace, open.wait_for(|open| *open == 0)).await;
        *self.open.borrow()
    }
}

async fn accept(
    listener: TcpListener,
    name: String,
    mut ends: watch::Receiver<bool>,
    open: watch::Sender<usize>,
) {
    loop {
        let accepted = tokio::select! {
            // What waits is accepted first.
            biased;
            accepted = listener.accept() => accepted,
            _ = ends.wait_for(|ends| *ends) => break,
        };
        // Without descriptors or memory the client sees a failure, which is counted there.
        if let Ok((stream, _)) = accepted {
            let (name, open) = (name.clone(), open.clone());
            open.send_modify(|open| *open += 1);
            tokio::spawn(async move {
                answer(stream, name).await;
                open.send_modify(|open| *open -= 1);
            });
        }
    }
    drop(listener);
    open.send_modify(|open| *open -= 1);
}

async fn answer_datagrams(socket: UdpSocket, name: String) {
    let mut request = [0; REQUEST_LEN];
    loop {
        // An error is an earlier client's, who is gone.
        if let Ok((REQUEST_LEN, from)) = socket.recv_from(&mut request).await {
            let _ = socket.send_to(&response(&request, &name), from).await;
        }
    }
}

async fn answer(mut stream: TcpStream, name: String) {
    let _ = stream.set_nodelay(true);
    let mut request = [0; REQUEST_LEN];
    while stream.read_exact(&mut request).await.is_ok() {
        if stream.write_all(&response(&request, &name)).await.is_err() {
            return;
        }
    }
}

fn response(request: &[u8; REQUEST_LEN], name: &str) -> [u8; RESPONSE_LEN] {
    let mut response = [b' '; RESPONSE_LEN];
    response[..REQUEST_LEN].copy_from_slice(request);
    // The end of a pod's name is what tells it from others.
    let name = &name.as_bytes()[name.len().saturating_sub(RESPONSE_LEN - REQUEST_LEN)..];
    response[REQUEST_LEN..REQUEST_LEN + name.len()].copy_from_slice(name);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::Job;

    fn run(netns: &Netns, job: Job) -> crate::connections::Report {
        netns.run(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let stop = async { tokio::time::sleep(Duration::from_millis(500)).await };
            runtime.unwrap().block_on(job.run(stop))
        })
    }

    #[test]
    fn answers_and_failures_are_counted_each_with_its_reason() {
        let netns = Netns::new();
        let here: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        let nobody: SocketAddr = "127.0.0.1:8081".parse().unwrap();
        serve(&netns, "one", vec![here], vec![here]);
        let job = Job {
            rate: 100,
            tcp: vec![here, nobody],
            udp: vec![here],
            udp_unconnected: vec![here],
            held: vec![here],
            held_count: 3,
            held_interval_ms: 50,
            patience_ms: 300,
            ..Job::default()
        };
        let report = run(&netns, job);
        for (target, tally) in &report.targets {
            assert!(tally.asked >= 25, "{target}: {tally:?}");
            assert_eq!(tally.asked, tally.answered + tally.failed, "{target}: none forgotten");
        }
        assert_eq!(report.targets.len(), 5);
        let refused = &report.targets["tcp 127.0.0.1:8081"];
        assert_eq!((refused.answered, refused.failed), (0, refused.asked));
        assert_eq!(refused.failures[0].phase, "connect");
        assert_eq!(refused.failures[0].errno, libc::ECONNREFUSED);
        for target in ["tcp", "udp", "udp-unconnected", "held"] {
            let tally = &report.targets[&format!("{target} 127.0.0.1:8080")];
            assert_eq!((tally.failed, tally.resent), (0, 0), "{target}: {tally:?}");
            assert_eq!(tally.backends.keys().collect::<Vec<_>>(), ["one"]);
            assert!(tally.quantile_us(0.5) > 0 && tally.quantile_us(0.5) <= tally.quantile_us(1.0));
        }
    }

    #[test]
    fn a_packet_that_is_lost_is_seen_though_tcp_hides_it() {
        let netns = Netns::new();
        let here: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        serve(&netns, "one", vec![here], vec![here]);
        for rule in [
            "add table inet lossy",
            "add chain inet lossy input { type filter hook input priority 0; }",
            "add rule inet lossy input numgen random mod 5 == 0 drop",
        ] {
            netns.command("nft", rule);
        }
        let job = Job {
            rate: 100,
            tcp: vec![here],
            udp: vec![here],
            patience_ms: 3000,
            ..Job::default()
        };
        let report = run(&netns, job);
        assert!(report.targets["tcp 127.0.0.1:8080"].resent > 0, "{report:?}");
        let udp = &report.targets["udp 127.0.0.1:8080"];
        assert!(udp.failed > 0 && udp.slower_than(2900).count() > 0, "{udp:?}");
    }
}
