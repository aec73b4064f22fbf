//! Messages to and from upstreams: the question that is put, what of the bytes that come is its answer, and
//! what that says to a client. Pure.

use hickory_proto::op::{Edns, Message, MessageType, Query};
use hickory_proto::rr::{Name, RecordType};

use crate::answer::Reply;
use crate::request::UDP_BYTES_MAX;

/// A question as it is put to an upstream. Names are equal whatever their case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    /// As the client writes it.
    pub name: Name,
    /// What of it.
    pub record_type: RecordType,
    /// With DNSSEC's records.
    pub wants_dnssec: bool,
    /// Whoever can check DNSSEC's records need not.
    pub checking_disabled: bool,
}

impl Asked {
    /// As a message, with an id that nobody can guess.
    pub fn message(&self) -> Message {
        let mut message = Message::query();
        message.add_query(Query::query(self.name.clone(), self.record_type));
        message.metadata.recursion_desired = true;
        message.metadata.checking_disabled = self.checking_disabled;
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_BYTES_MAX).set_dnssec_ok(self.wants_dnssec);
        message.set_edns(edns);
        message
    }
}

/// What these bytes say to the question; nothing when they are no answer to it.
pub fn answer_to(question: &Message, bytes: &[u8]) -> Option<Message> {
    let answer = Message::from_vec(bytes).ok()?;
    let is_answer = answer.metadata.message_type == MessageType::Response
        && answer.metadata.id == question.metadata.id
        && answer.queries == question.queries;
    is_answer.then_some(answer)
}

/// What a client is told.
pub fn reply(answer: Message) -> Reply {
    Reply {
        code: answer.metadata.response_code,
        is_authoritative: false,
        answers: answer.answers,
        authorities: answer.authorities,
        additionals: answer.additionals,
    }
}
