//! Resolvers to be asked: a real one, and one that lies.

use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, Record};

use crate::bind;

/// dnsmasq on a free port of the loopback, which knows what its flags say and nothing else.
pub(crate) struct Dnsmasq {
    pub(crate) address: SocketAddr,
    process: Child,
}

impl Dnsmasq {
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::start_at(free().port(), flags)
    }

    pub(crate) fn start_at(port: u16, flags: &[&str]) -> Self {
        let own = ["--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null"];
        let listen = ["--listen-address=127.0.0.1", "--bind-interfaces", "--pid-file="];
        let process = Command::new("dnsmasq")
            .args(own)
            .args(listen)
            .args(["--user=", "--log-facility=-"])
            .arg(format!("--port={port}"))
            .args(flags)
            .stdout(Stdio::null())
            .spawn()
            .expect("dnsmasq runs");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        // It listens for connections as soon as for datagrams.
        let limit = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(address).is_err() {
            assert!(Instant::now() < limit, "dnsmasq does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Self { address, process }
    }
}

/// Where nobody listens, neither for datagrams nor for connections: one that has ended (TIME_WAIT) keeps others from
/// its port for a minute.
pub(crate) fn free() -> SocketAddr {
    bind("127.0.0.1:0".parse().unwrap()).udp.local_addr().unwrap()
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Answers each question with another id, as if it were another question, from another port, with rubbish,
/// and at last with 192.0.2.7.
pub(crate) fn liar() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok((length, client)) = socket.recv_from(&mut bytes) {
            let question = Message::from_vec(&bytes[..length]).unwrap();
            let answer = |last| {
                let mut message = question.clone().into_response();
                let name = question.queries[0].name().clone();
                let data = RData::A(A([192, 0, 2, last].into()));
                message.add_answer(Record::from_rdata(name, 60, data));
                message
            };
            let mut of_another = answer(1);
            of_another.metadata.id = of_another.metadata.id.wrapping_add(1);
            let mut to_another = answer(2);
            to_another.queries[0].set_name(Name::from_ascii("www.example.org.").unwrap());
            let no_response = question.clone();
            let lies = [of_another, to_another, no_response];
            for lie in lies.map(|lie| lie.to_vec().unwrap()) {
                socket.send_to(&lie, client).unwrap();
            }
            socket.send_to(&[0xff; 7], client).unwrap();
            other.send_to(&answer(3).to_vec().unwrap(), client).unwrap();
            socket.send_to(&answer(7).to_vec().unwrap(), client).unwrap();
        }
    });
    address
}
