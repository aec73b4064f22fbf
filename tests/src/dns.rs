//! The smallest DNS client: one question for addresses of IPv4, one datagram, one socket; and again, as a C
//! library's resolver does.
//!
//! It reads no resolv.conf.

use std::io::{Error, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// Type A, class IN (RFC 1035, 3.2).
const A_IN: [u8; 4] = [0, 1, 0, 1];
const HEADER_BYTES: usize = 12;
/// Without EDNS (RFC 1035, 2.3.4).
const ANSWER_BYTES_MAX: usize = 512;

/// What resolvers wait for an answer, and how often they ask (resolv.conf(5)).
const TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 2;

/// The address that a name leads to at the DNS server of a cluster as tests make it.
///
/// # Errors
/// Why the last attempt failed, or that there is another number of addresses.
pub fn resolve(id: u16, name: &str) -> Result<Ipv4Addr, String> {
    let server = SocketAddr::from(([10, 96, 0, 10], 53));
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        match ask(server, id, name, TIMEOUT).as_deref() {
            Ok([address]) => return Ok(*address),
            Ok(addresses) => last = format!("{addresses:?}"),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

/// The addresses that a name leads to; none when it is not there.
///
/// # Errors
/// When no answer comes in time, or it is not one to this question.
pub fn ask(
    server: SocketAddr,
    id: u16,
    name: &str,
    timeout: Duration,
) -> std::io::Result<Vec<Ipv4Addr>> {
    let mut question = [&id.to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in name.split('.') {
        question.push(u8::try_from(label.len()).expect("a label has at most 63 bytes"));
        question.extend(label.as_bytes());
    }
    question.push(0);
    question.extend(A_IN);
    let socket = UdpSocket::bind(if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    socket.set_read_timeout(Some(timeout))?;
    socket.connect(server)?;
    socket.send(&question)?;
    let mut answer = [0; ANSWER_BYTES_MAX];
    let len = socket.recv(&mut answer)?;
    read(&question, &answer[..len])
        .ok_or_else(|| Error::new(ErrorKind::InvalidData, format!("{:?}", &answer[..len])))
}

/// Nothing when it is no answer to the question, or says that it failed.
fn read(question: &[u8], answer: &[u8]) -> Option<Vec<Ipv4Addr>> {
    const NO_ERROR: u8 = 0;
    const NO_SUCH_NAME: u8 = 3;
    let is_answer = answer.get(..2)? == &question[..2]
        && answer.get(HEADER_BYTES..question.len())? == &question[HEADER_BYTES..];
    match answer[3] & 15 {
        NO_ERROR if is_answer => {}
        NO_SUCH_NAME if is_answer => return Some(Vec::new()),
        _ => return None,
    }
    let count = u16::from_be_bytes([answer[6], answer[7]]);
    let mut rest = &answer[question.len()..];
    let mut addresses = Vec::new();
    for _ in 0..count {
        // A pointer to the name, type, class, lifetime, length, data.
        let (record, behind) = rest.split_at_checked(16)?;
        let is_address = record[0] & 0xc0 == 0xc0 && record[2..6] == A_IN && record[11] == 4;
        let data = is_address.then(|| [record[12], record[13], record[14], record[15]]);
        addresses.push(Ipv4Addr::from(data?));
        rest = behind;
    }
    Some(addresses)
}
