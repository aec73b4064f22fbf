//! Any bytes as a client's question to the DNS server, and as what an upstream says to one. Promised is,
//! whatever they are:
//!
//! - a response is a message that a client can read, to its question and no longer than it takes;
//! - it says the same over both transports, unless it says that it is cut;
//! - of an upstream only what answers the question is believed, and all of that is passed on;
//! - what is remembered is what was said, and is forgotten in time.
//!
//! Responses are read with hickory-proto, as the server's own tests do.

mod zone;

use std::time::{Duration, Instant};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::Record;
use sheave_dns::answer::Reply;
use sheave_dns::counts::{CodeLabel, Response, Transport};
use sheave_dns::forward::cache::Cache;
use sheave_dns::forward::message::{answer_to, reply};
use sheave_dns::respond::{Next, Pending, respond};

use crate::Input;
use zone::{questions, zone};

/// What every client takes, and what none is sent more of, by datagram.
const UDP_BYTES: [u16; 2] = [512, 1232];
/// Nothing is remembered for longer.
const REMEMBERED_MAX: Duration = Duration::from_secs(3600);

/// Does what the bytes say.
///
/// # Panics
/// When a promise is broken.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    match input.byte() % 2 {
        0 => ask(input.rest()),
        _ => {
            let questions = questions();
            let which = usize::from(input.byte()) % questions.len();
            say(&questions[which], input.rest());
        }
    }
}

/// A client asks.
fn ask(question: &[u8]) {
    let [udp, tcp] = [Transport::Udp, Transport::Tcp].map(|transport| {
        let mut response = Vec::new();
        match respond(zone(), question, transport, &mut response) {
            Next::Drop(_) => None,
            Next::Respond(written) => Some(check(question, written, &response)),
            // Whoever is asked says nothing.
            Next::Ask(pending) => {
                Some(tell(*pending, question, Reply::code(ResponseCode::NXDomain), transport))
            }
        }
    });
    match (udp, tcp) {
        (Some(udp), Some(tcp)) => same(&udp, &tcp),
        (udp, tcp) => assert_eq!(udp, tcp, "one transport is answered, and the other is not"),
    }
}

/// A client asks, and an upstream says this.
fn say(question: &[u8], said: &[u8]) {
    let [udp, tcp] = [Transport::Udp, Transport::Tcp].map(|transport| {
        let mut response = Vec::new();
        let Next::Ask(pending) = respond(zone(), question, transport, &mut response) else {
            panic!("upstreams are asked");
        };
        let asked = pending.asked();
        let mut put = asked.message();
        // One that the upstream can know.
        put.metadata.id = u16::from_be_bytes([0, 1].map(|at| said.get(at).copied().unwrap_or(0)));
        let answer = answer_to(&put, said)?;
        assert!(answer.metadata.message_type == MessageType::Response);
        assert_eq!(answer.queries, put.queries);

        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.put(asked.clone(), &answer, now);
        if let Some(known) = cache.get(&asked, now) {
            assert_eq!(known.metadata.response_code, answer.metadata.response_code);
            assert_eq!(known.answers, answer.answers);
            let later = cache.get(&asked, now + Duration::from_secs(1));
            assert!(later.is_none_or(|later| is_older(&later.answers, &known.answers)));
            assert!(cache.get(&asked, now + REMEMBERED_MAX).is_none(), "it is kept for ever");
        }
        let (code, answers) = (answer.metadata.response_code, answer.answers.clone());
        let told = tell(*pending, question, reply(answer), transport);
        if told.metadata.response_code == code && !told.metadata.truncation {
            assert!(told.answers.ends_with(&answers), "an answer is left out");
        }
        Some(told)
    });
    if let (Some(udp), Some(tcp)) = (udp, tcp) {
        same(&udp, &tcp);
    }
}

/// The same records with less time.
fn is_older(later: &[Record], known: &[Record]) -> bool {
    let is_one =
        |(later, known): (&Record, &Record)| later.data == known.data && later.ttl < known.ttl;
    later.len() == known.len() && later.iter().zip(known).all(is_one)
}

fn tell(pending: Pending, question: &[u8], reply: Reply, transport: Transport) -> Message {
    let mut response = Vec::new();
    let written = pending.respond(reply, transport, &mut response);
    check(question, written.expect("there is room for a code"), &response)
}

/// What is true of every response.
fn check(question: &[u8], written: Response, response: &[u8]) -> Message {
    let message = Message::from_vec(response).expect("a client can read it");
    let header = message.metadata;
    assert!(header.message_type == MessageType::Response);
    assert_eq!(header.id.to_be_bytes(), question[..2]);
    let code = CodeLabel::from(header.response_code);
    assert_eq!(code, written.code, "{:?} is counted as another code", header.response_code);
    // Opcode and RD are the question's.
    assert_eq!(response[2] & 0b0111_1001, question[2] & 0b0111_1001);
    if let Ok(question) = Message::from_vec(question) {
        // Of what is no question, nothing but the header is looked at.
        let is_unread = matches!(code, CodeLabel::NotImp | CodeLabel::FormErr);
        let had_edns = question.edns.is_some();
        assert!(message.edns.is_some() == had_edns || had_edns && is_unread);
        assert!(message.queries.is_empty() || message.queries == question.queries);
        let [least, most] = UDP_BYTES;
        let takes = question.edns.map_or(least, |edns| edns.max_payload().clamp(least, most));
        assert!(written.transport == Transport::Tcp || response.len() <= usize::from(takes));
    }
    assert!(written.transport == Transport::Tcp || response.len() <= usize::from(UDP_BYTES[1]));
    message
}

/// One question, over both transports.
fn same(udp: &Message, tcp: &Message) {
    assert!(!tcp.metadata.truncation, "nothing here fills a message over TCP");
    assert_eq!(udp.queries, tcp.queries);
    if udp.metadata.truncation {
        assert!(tcp.answers.starts_with(&udp.answers));
    } else {
        assert_eq!(udp.metadata.response_code, tcp.metadata.response_code);
        assert_eq!(udp.answers, tcp.answers);
        assert_eq!(udp.authorities, tcp.authorities);
    }
}
