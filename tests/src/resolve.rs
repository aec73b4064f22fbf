//! Questions for names from the machine itself, as a C library's resolver asks them.

use std::net::UdpSocket;
use std::time::Duration;

/// As resolvers have it: so long for an answer, and so often.
const TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 2;

/// Asks the cluster's DNS for the IPv4 address of a name, from a socket of its own. The error of the last
/// attempt.
///
/// # Errors
/// Without an answer, or with one that is a failure or has no address.
pub fn ask(id: u16, name: &str) -> Result<(), String> {
    let mut question = [&id.to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in name.split('.') {
        question.push(u8::try_from(label.len()).map_err(|_| format!("{label} is too long"))?);
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let socket = UdpSocket::bind("0.0.0.0:0").map_err(|error| error.to_string())?;
    socket.set_read_timeout(Some(TIMEOUT)).map_err(|error| error.to_string())?;
    socket.connect("10.96.0.10:53").map_err(|error| error.to_string())?;
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        let mut answer = [0; 512];
        match socket.send(&question).and_then(|_| socket.recv(&mut answer)) {
            // One answer, without an error.
            Ok(len) if len > 12 && answer[..2] == question[..2] && answer[3] & 15 == 0 => {
                return match answer[7] {
                    1 => Ok(()),
                    count => Err(format!("{count} answers")),
                };
            }
            Ok(len) => last = format!("{:?}", &answer[..len]),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}
