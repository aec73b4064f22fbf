//! What clients do: exchange bytes over TCP, and datagrams.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use sheave_tests::netns::Netns;

pub(crate) const PATIENCE: Duration = Duration::from_secs(3);
/// Width of what [`echo`] says first: an address.
const GREETING: usize = 40;

/// Says who connected, then sends back all it gets.
pub(crate) fn echo(mut stream: TcpStream) {
    std::thread::spawn(move || {
        let peer = stream.peer_addr().unwrap();
        writeln!(stream, "{:<39}", peer.ip().to_string()).unwrap();
        let mut from = stream.try_clone().unwrap();
        let _ = std::io::copy(&mut from, &mut stream);
        let _ = stream.shutdown(std::net::Shutdown::Write);
    });
}

/// Reads what [`echo`] says first.
pub(crate) fn greeting(stream: &mut TcpStream) -> String {
    let mut greeting = [0; GREETING];
    stream.read_exact(&mut greeting).unwrap();
    String::from_utf8_lossy(&greeting).trim().to_owned()
}

/// Sends `len` bytes to and fro; says as whom the server saw us.
pub(crate) fn exchange(netns: &Netns, address: &str, len: usize) -> Result<String, ErrorKind> {
    let address: SocketAddr = address.parse().unwrap();
    netns.run(|| {
        let mut stream =
            TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| error.kind())?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let seen_as = greeting(&mut stream);
        let data: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
        let mut writer = stream.try_clone().unwrap();
        let sent = data.clone();
        let writing = std::thread::spawn(move || {
            writer.write_all(&sent).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        writing.join().unwrap();
        assert!(back == data, "{} of {} bytes came back, or not the same", back.len(), data.len());
        Ok(seen_as)
    })
}

/// A datagram socket that is connected.
pub(crate) fn connected(address: &str) -> UdpSocket {
    let any = if address.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" };
    let socket = UdpSocket::bind(any).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(address).unwrap();
    socket
}

/// One datagram to and fro.
pub(crate) fn ask(socket: &UdpSocket, len: usize) -> std::io::Result<()> {
    let data: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
    socket.send(&data)?;
    let mut back = vec![0; len + 1];
    let got = socket.recv(&mut back)?;
    assert!(back[..got] == data[..], "{got} bytes of {len} came back, or not the same");
    Ok(())
}

/// One datagram to and fro through a connected socket.
pub(crate) fn datagram(netns: &Netns, address: &str, len: usize) -> Result<(), ErrorKind> {
    netns.run(|| ask(&connected(address), len).map_err(|error| error.kind()))
}

/// Sets a number at a socket.
pub(crate) fn set_option(socket: &UdpSocket, level: i32, option: i32, value: i32) {
    // SAFETY: the descriptor is the socket's, the value an int that lives through the call.
    let done = unsafe {
        let value = (&raw const value).cast();
        libc::setsockopt(socket.as_raw_fd(), level, option, value, size_of::<i32>() as u32)
    };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}
