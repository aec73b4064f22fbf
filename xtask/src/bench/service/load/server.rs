//! Who answers: a handful of threads that each serve one connection at a time, and one for datagrams.

use super::datagrams;
use super::message::{Answer, LEN};
use anyhow::{Context, Result};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Connections that are served at a time: more than there are clients.
const THREADS: usize = 32;

/// A server, which answers for as long as the process lives.
pub(super) struct Server {
    port: u16,
}

impl Server {
    /// Listens when it returns; on any port when that is 0.
    pub(super) fn start(name: &str, port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
        let listener = Arc::new(listener.with_context(|| format!("listen on port {port}"))?);
        let port = listener.local_addr()?.port();
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
        let received = Arc::new(AtomicU64::new(0));
        for _ in 0..THREADS {
            let (listener, name) = (Arc::clone(&listener), name.to_owned());
            let received = Arc::clone(&received);
            thread::spawn(move || serve(&listener, &name, &received));
        }
        let name = name.to_owned();
        thread::spawn(move || datagrams::receive(&socket, &name, &received));
        Ok(Self { port })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

/// Until standard input ends: with who has started it.
pub(super) fn run(name: &str, port: u16) -> Result<()> {
    let server = Server::start(name, port)?;
    println!("listens on {}", server.port());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn serve(listener: &TcpListener, name: &str, received: &AtomicU64) {
    loop {
        // An error is a client's that is gone already.
        if let Ok((mut stream, _)) = listener.accept() {
            answer(&mut stream, name, received);
        }
    }
}

/// Until the client closes, or fails, which is counted there.
fn answer(stream: &mut TcpStream, name: &str, received: &AtomicU64) {
    let _ = stream.set_nodelay(true);
    let mut request = [0; LEN];
    while stream.read_exact(&mut request).is_ok() {
        let answer = Answer::encode(name, received.load(Ordering::Relaxed));
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}
