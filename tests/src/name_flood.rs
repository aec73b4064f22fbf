//! As many DNS questions as a server answers: some are always under way, and each answer makes room for one more.
//! Many are sent and received with one system call, so that it is the server that is measured.
//!
//! One datagram each, from one socket; what is lost is given up and not asked again.

use std::collections::BTreeMap;
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg, sendmmsg};
use serde::{Deserialize, Serialize};

/// Datagrams of one system call.
const DATAGRAMS_MAX: usize = 64;
/// Without EDNS (RFC 1035, 2.3.4).
const ANSWER_BYTES_MAX: usize = 512;
/// Header, and the byte with the response code in it (RFC 1035, 4.1.1).
const HEADER_BYTES: usize = 12;
const CODE: usize = 3;
/// After which a question is given up.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How often that is looked at, when nothing is answered.
const PATIENCE: Duration = Duration::from_millis(100);

/// What is asked, and how long.
#[derive(Debug)]
pub struct NameFlood {
    /// Who is asked.
    pub server: SocketAddr,
    /// Messages, whose identifiers are put in; asked in turn, again and again.
    pub questions: Vec<Vec<u8>>,
    /// Questions under way at a time.
    pub window: usize,
    /// How long new ones are asked.
    pub duration: Duration,
}

/// What became of it.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Questions that were answered.
    pub answered: u64,
    /// Questions that were not, within a second.
    pub lost: u64,
    /// From the first question to the last answer.
    pub seconds: f64,
    /// Answers by response code (RFC 1035, 4.1.1).
    pub codes: BTreeMap<u8, u64>,
}

/// A question for a line as dnsperf reads them: a name and `A` or `AAAA`.
///
/// # Errors
/// The line, when it is none.
pub fn question(line: &str) -> Result<Vec<u8>, String> {
    let unreadable = || format!("{line:?} is no name with A or AAAA");
    let (name, kind) = line.split_once(' ').ok_or_else(unreadable)?;
    let kind: u8 = match kind {
        "A" => 1,
        "AAAA" => 28,
        _ => return Err(unreadable()),
    };
    // Recursion is desired, one question.
    let mut question = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length));
        question.push(length.ok_or_else(unreadable)?);
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, kind, 0, 1]);
    Ok(question)
}

impl NameFlood {
    /// Asks.
    ///
    /// # Errors
    /// When the socket fails; a server that does not listen is one that answers nothing.
    pub fn run(&self) -> std::io::Result<Report> {
        let socket = UdpSocket::bind(if self.server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
        socket.connect(self.server)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let begun = Instant::now();
        let mut asking = Asking::new(socket, &self.questions);
        while begun.elapsed() < self.duration {
            asking.send(self.window)?;
            asking.receive()?;
        }
        while asking.under_way > 0 {
            asking.receive()?;
        }
        asking.report.seconds = (asking.last - begun).as_secs_f64();
        Ok(asking.report)
    }
}

/// A socket, and which of its questions wait for an answer.
struct Asking {
    socket: UdpSocket,
    questions: Vec<Vec<u8>>,
    next: usize,
    /// When each identifier's question was sent, while it waits.
    sent_at: Vec<Option<Instant>>,
    next_id: u16,
    under_way: usize,
    answers: Box<[[u8; ANSWER_BYTES_MAX]]>,
    last: Instant,
    report: Report,
}

impl Asking {
    fn new(socket: UdpSocket, questions: &[Vec<u8>]) -> Self {
        Self {
            socket,
            questions: questions.to_vec(),
            next: 0,
            sent_at: vec![None; 1 << 16],
            next_id: 0,
            under_way: 0,
            answers: vec![[0; ANSWER_BYTES_MAX]; DATAGRAMS_MAX].into(),
            last: Instant::now(),
            report: Report::default(),
        }
    }

    /// Asks until so many are under way.
    fn send(&mut self, window: usize) -> std::io::Result<()> {
        while self.under_way < window {
            // No question twice in a call: each holds its identifier.
            let most = (self.questions.len() - self.next).min(DATAGRAMS_MAX);
            let count = (window - self.under_way).min(most);
            let batch = &mut self.questions[self.next..self.next + count];
            let now = Instant::now();
            for question in &mut *batch {
                question[..2].copy_from_slice(&self.next_id.to_be_bytes());
                self.sent_at[usize::from(self.next_id)] = Some(now);
                self.next_id = self.next_id.wrapping_add(1);
            }
            let slices: Vec<_> = batch.iter().map(|question| [IoSlice::new(question)]).collect();
            let mut headers = MultiHeaders::<()>::preallocate(count, None);
            let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::empty());
            let sent = sendmmsg(fd, &mut headers, &slices, vec![None; count], [], flags);
            // What was not sent is given up like what was lost.
            match sent {
                Ok(_) | Err(Errno::ECONNREFUSED | Errno::ENOBUFS) => {}
                Err(error) => return Err(error.into()),
            }
            self.under_way += count;
            self.next = (self.next + count) % self.questions.len();
        }
        Ok(())
    }

    /// Waits for an answer, and takes what else is there.
    fn receive(&mut self) -> std::io::Result<()> {
        let mut slices: Vec<_> =
            self.answers.iter_mut().map(|answer| [IoSliceMut::new(answer)]).collect();
        let mut headers = MultiHeaders::<()>::preallocate(slices.len(), None);
        let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::MSG_WAITFORONE);
        let received = match recvmmsg(fd, &mut headers, slices.iter_mut(), flags, None) {
            Ok(received) => received.map(|message| message.bytes).collect::<Vec<_>>(),
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => {
                self.give_up();
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.last = Instant::now();
        for (answer, bytes) in self.answers.iter().zip(received) {
            let id = usize::from(u16::from_be_bytes([answer[0], answer[1]]));
            if bytes < HEADER_BYTES || self.sent_at[id].take().is_none() {
                continue;
            }
            self.under_way -= 1;
            self.report.answered += 1;
            *self.report.codes.entry(answer[CODE] & 15).or_default() += 1;
        }
        Ok(())
    }

    fn give_up(&mut self) {
        for sent_at in &mut self.sent_at {
            if sent_at.is_some_and(|at| at.elapsed() > TIMEOUT) {
                *sent_at = None;
                self.under_way -= 1;
                self.report.lost += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers each question but every tenth with what it was asked, and every third says that there is no
    /// such name.
    fn server() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut message = [0; 512];
            for number in 0_u32.. {
                let (length, client) = socket.recv_from(&mut message).unwrap();
                if number % 10 != 9 {
                    message[CODE] = if number % 3 == 0 { 3 } else { 0 };
                    socket.send_to(&message[..length], client).unwrap();
                }
            }
        });
        address
    }

    fn flood(server: SocketAddr, duration: Duration) -> Report {
        let lines = ["web.default.svc.cluster.local A", "web.default.svc.cluster.local AAAA"];
        let questions = lines.iter().map(|line| question(line).unwrap()).collect();
        NameFlood { server, questions, window: 16, duration }.run().unwrap()
    }

    #[test]
    fn each_question_is_answered_or_lost() {
        let report = flood(server(), Duration::from_millis(1500));
        // Sixteen places, each lost one takes one of them for a second.
        assert!(report.answered > 100 && report.lost >= 16, "{report:?}");
        // One more where the machine had a second's pause.
        assert!(report.lost >= (report.answered + report.lost) / 10, "{report:?}");
        assert_eq!(report.codes.values().sum::<u64>(), report.answered);
        assert!(report.codes[&3] > report.answered / 4, "{report:?}");
    }

    #[test]
    fn where_nobody_listens_all_is_lost() {
        let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let report = flood(free, Duration::from_millis(10));
        assert_eq!((report.answered, report.lost), (0, 16));
    }

    #[test]
    fn what_is_no_question_is_named() {
        let question_of = |line| question(line).unwrap_err();
        for line in ["web", "web MX", "a..b A", ""] {
            assert!(question_of(line).contains(&format!("{line:?}")), "{line}");
        }
        let asked = question("web.test. AAAA").unwrap();
        assert_eq!(&asked[HEADER_BYTES..], b"\x03web\x04test\x00\x00\x1c\x00\x01");
    }
}
