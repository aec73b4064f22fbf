//! From the bytes of a question to those of its response, as far as the zone knows the answer. Pure: who
//! has to ask upstreams does so in between.

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, Record};

use crate::answer::{Answer, Reply, answer};
use crate::counts::{DropReason, Response, Transport, ZoneLabel};
use crate::direct;
use crate::forward::message::Asked;
use crate::request::{self, Received, Request};
use crate::reverse;
use crate::zone::Zone;

/// What is to be done with a message.
#[derive(Debug)]
pub enum Next {
    /// Nothing, for this reason.
    Drop(DropReason),
    /// The response has been written.
    Respond(Response),
    /// Others have to be asked first.
    Ask(Box<Pending>),
}

/// A question to which others know the answer, or the rest of it.
#[derive(Debug)]
pub struct Pending {
    request: Request,
    query: Query,
    /// How the name leads to `target`.
    before: Vec<Record>,
    target: Name,
}

/// Answers what the zone knows into `response`.
pub fn respond(zone: &Zone, message: &[u8], transport: Transport, response: &mut Vec<u8>) -> Next {
    let directly = match transport {
        Transport::Udp => direct::respond(zone, message, response),
        // Connections are for answers that need room.
        Transport::Tcp => None,
    };
    directly.map_or_else(|| by_message(zone, message, transport, response), Next::Respond)
}

/// Likewise, by way of a message.
pub(crate) fn by_message(
    zone: &Zone,
    message: &[u8],
    transport: Transport,
    response: &mut Vec<u8>,
) -> Next {
    response.clear();
    let (request, query) = match request::read(message) {
        Received::Ignored => return Next::Drop(DropReason::Malformed),
        Received::Refused(request, code) => {
            let reply = Reply::code(code);
            return request.respond(&reply, ZoneLabel::Other, transport, response).into();
        }
        Received::Asked(request, query) => (request, query),
    };
    let turn = usize::from(request.metadata.id);
    let (before, target) = match answer(zone, query.name(), query.query_type(), turn) {
        Answer::Reply(reply) => {
            let is_reverse = reverse::address(query.name()).is_some();
            let zone = if is_reverse { ZoneLabel::Reverse } else { ZoneLabel::Cluster };
            return request.respond(&reply, zone, transport, response).into();
        }
        // Who does not want others to be asked is told what is known here: nothing.
        Answer::Forward if !request.metadata.recursion_desired => {
            let reply = Reply::code(ResponseCode::Refused);
            return request.respond(&reply, ZoneLabel::Other, transport, response).into();
        }
        Answer::Forward => (Vec::new(), query.name().clone()),
        Answer::Follow { reply, target } => (reply.answers, target),
    };
    Next::Ask(Box::new(Pending { request, query, before, target }))
}

impl Pending {
    /// What upstreams are to be asked.
    pub fn asked(&self) -> Asked {
        Asked {
            name: self.target.clone(),
            record_type: self.query.query_type(),
            wants_dnssec: self.request.wants_dnssec(),
            checking_disabled: self.request.metadata.checking_disabled,
        }
    }

    /// Answers with what they have said.
    ///
    /// # Errors
    /// When that cannot be put into a message.
    pub fn respond(
        self,
        mut reply: Reply,
        transport: Transport,
        response: &mut Vec<u8>,
    ) -> Result<Response, DropReason> {
        reply.answers.splice(..0, self.before);
        let written = self.request.respond(&reply, ZoneLabel::Other, transport, response)?;
        if Message::from_vec(response).is_ok() {
            return Ok(written);
        }
        // An upstream's record that was read may still be none that a client can read.
        let failed = Reply::code(ResponseCode::ServFail);
        self.request.respond(&failed, ZoneLabel::Other, transport, response)
    }
}

impl From<Result<Response, DropReason>> for Next {
    fn from(written: Result<Response, DropReason>) -> Self {
        match written {
            Ok(response) => Self::Respond(response),
            Err(reason) => Self::Drop(reason),
        }
    }
}
