//! A client process for tests: makes one kind of socket call and prints what it saw, one line a call.
//!
//! ```text
//! socket-client tcp ADDRESS            connect: peer, first line read
//! socket-client connected ADDRESS      connected datagram socket: peer, answer; with "lines" after the
//!                                      address once after each line on standard input
//! socket-client named ADDRESS          the same, naming the address once more with the datagram
//! socket-client sendto ADDRESS COUNT   one unconnected datagram socket: sender and answer, COUNT times,
//!                                      each after a line on standard input when COUNT is "lines"
//! ```
//!
//! An address in brackets makes an IPv6 socket.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(3);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let address: SocketAddr = arguments[1].parse().expect("an address and a port");
    let result = match arguments[0].as_str() {
        "tcp" => tcp(address),
        "connected" => connected(address, arguments.get(2).is_some()),
        "named" => named(address),
        "sendto" => sendto(address, &arguments[2]),
        kind => panic!("unknown kind {kind}"),
    };
    if let Err(error) = result {
        println!("{:?}", error.kind());
    }
}

fn tcp(address: SocketAddr) -> std::io::Result<()> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    let peer = stream.peer_addr()?;
    BufReader::new(stream).read_line(&mut line)?;
    println!("{peer} {}", line.trim_end());
    Ok(())
}

fn bind(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn connected(address: SocketAddr, for_each_line: bool) -> std::io::Result<()> {
    let socket = bind(address)?;
    socket.connect(address)?;
    let exchange = || -> std::io::Result<()> {
        socket.send(b"who")?;
        let mut answer = [0; 64];
        let len = socket.recv(&mut answer)?;
        println!("{} {}", socket.peer_addr()?, String::from_utf8_lossy(&answer[..len]));
        Ok(())
    };
    if !for_each_line {
        return exchange();
    }
    for _ in std::io::stdin().lines() {
        if let Err(error) = exchange() {
            println!("{:?}", error.kind());
        }
    }
    Ok(())
}

fn named(address: SocketAddr) -> std::io::Result<()> {
    let socket = bind(address)?;
    socket.connect(address)?;
    socket.send_to(b"who", address)?;
    let mut answer = [0; 64];
    let len = socket.recv(&mut answer)?;
    println!("{} {}", socket.peer_addr()?, String::from_utf8_lossy(&answer[..len]));
    Ok(())
}

fn sendto(address: SocketAddr, count: &str) -> std::io::Result<()> {
    let socket = bind(address)?;
    let exchange = || -> std::io::Result<()> {
        socket.send_to(b"who", address)?;
        let mut answer = [0; 64];
        let (len, from) = socket.recv_from(&mut answer)?;
        println!("{from} {}", String::from_utf8_lossy(&answer[..len]));
        Ok(())
    };
    if count == "lines" {
        for _ in std::io::stdin().lines() {
            exchange()?;
        }
        return Ok(());
    }
    for _ in 0..count.parse::<u32>().expect("a number") {
        exchange()?;
    }
    Ok(())
}
