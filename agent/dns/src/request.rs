//! Messages: what of a datagram is a question, and the bytes of its response.
//!
//! Bytes are read and written by hickory-proto. A response is never answered, nor is what is too short to
//! have a header; everything else gets what the RFCs say.

use hickory_proto::ProtoError;
use hickory_proto::op::{
    Edns, Header, Message, MessageType, Metadata, OpCode, Query, ResponseCode, emit_message_parts,
};
use hickory_proto::rr::{DNSClass, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, BinEncodable, BinEncoder};

use crate::answer::Reply;
use crate::counts::{DropReason, Response, Transport, TypeLabel, ZoneLabel};

/// The largest datagram that is sent, and asked for: it fits a packet everywhere.
pub(crate) const UDP_BYTES_MAX: u16 = 1232;
/// What every client takes by datagram (RFC 1035, 4.2.1).
const UDP_BYTES_MIN: u16 = 512;
/// The length of a message over TCP has two bytes.
pub(crate) const TCP_BYTES_MAX: u16 = u16::MAX;

/// A question.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) metadata: Metadata,
    /// Nothing when it could not be read.
    pub(crate) query: Option<Query>,
    pub(crate) edns: Option<Edns>,
}

/// What a message is.
#[derive(Debug)]
pub(crate) enum Received {
    /// Nothing that is answered.
    Ignored,
    /// To be answered with a code alone.
    Refused(Request, ResponseCode),
    /// To be answered.
    Asked(Request, Query),
}

/// Reads a message.
pub(crate) fn read(bytes: &[u8]) -> Received {
    let mut decoder = BinDecoder::new(bytes);
    let Ok(Header { metadata, counts }) = Header::read(&mut decoder) else {
        return Received::Ignored;
    };
    if metadata.message_type == MessageType::Response {
        return Received::Ignored;
    }
    let mut request = Request { metadata, query: None, edns: None };
    if metadata.op_code != OpCode::Query {
        return Received::Refused(request, ResponseCode::NotImp);
    }
    // RFC 9619: one question, and a question has no answers with it.
    if counts.queries != 1 || counts.answers != 0 || counts.authorities != 0 {
        return Received::Refused(request, ResponseCode::FormErr);
    }
    let Ok(query) = Query::read(&mut decoder) else {
        return Received::Refused(request, ResponseCode::FormErr);
    };
    request.query = Some(query.clone());
    let additionals = usize::from(counts.additionals);
    match Message::read_records(&mut decoder, additionals, true, OpCode::Query) {
        Ok((_, edns, _)) => request.edns = edns,
        Err(_) => return Received::Refused(request, ResponseCode::FormErr),
    }
    if request.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
        return Received::Refused(request, ResponseCode::BADVERS);
    }
    let is_transfer = matches!(query.query_type(), RecordType::AXFR | RecordType::IXFR);
    if query.query_class() != DNSClass::IN || is_transfer {
        return Received::Refused(request, ResponseCode::Refused);
    }
    Received::Asked(request, query)
}

impl Request {
    /// True when the client wants DNSSEC's records.
    pub(crate) fn wants_dnssec(&self) -> bool {
        self.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok)
    }

    /// How long a response may be.
    fn limit(&self, transport: Transport) -> u16 {
        match (transport, &self.edns) {
            (Transport::Tcp, _) => TCP_BYTES_MAX,
            (Transport::Udp, Some(edns)) => edns.max_payload().clamp(UDP_BYTES_MIN, UDP_BYTES_MAX),
            (Transport::Udp, None) => UDP_BYTES_MIN,
        }
    }

    /// Writes the response in place of what `bytes` holds. What cannot be put into a message is answered
    /// with SERVFAIL.
    pub(crate) fn respond(
        &self,
        reply: &Reply,
        zone: ZoneLabel,
        transport: Transport,
        bytes: &mut Vec<u8>,
    ) -> Result<Response, DropReason> {
        let limit = self.limit(transport);
        let failed = Reply::code(ResponseCode::ServFail);
        let written = [reply, &failed].into_iter().find(|reply| self.fit(reply, limit, bytes));
        let reply = written.ok_or(DropReason::Unwritable)?;
        let record_type = self.query.as_ref().map(Query::query_type);
        Ok(Response {
            zone,
            record_type: record_type.map_or(TypeLabel::Other, TypeLabel::from),
            code: reply.code.into(),
            transport,
        })
    }

    /// Writes as much of a reply as fits, and says whether that could be done.
    fn fit(&self, reply: &Reply, limit: u16, bytes: &mut Vec<u8>) -> bool {
        let all = Sections { reply, answers: reply.answers.len(), additionals: true, cut: false };
        let Some(written) = self.write(&all, limit, bytes) else { return false };
        if !written.metadata.truncation {
            return true;
        }
        // What was not asked for is left out first, and says nothing about the rest (RFC 2181, 9).
        let fewer = Sections { additionals: false, ..all };
        let Some(written) = self.write(&fewer, limit, bytes) else { return false };
        if !written.metadata.truncation {
            return true;
        }
        // As many as fit with the OPT record, for clients that do not ask again by TCP.
        let fit = usize::from(written.counts.answers).saturating_sub(1);
        self.write(&Sections { answers: fit, cut: true, ..fewer }, limit, bytes).is_some()
    }

    fn write(&self, sections: &Sections<'_>, limit: u16, bytes: &mut Vec<u8>) -> Option<Header> {
        let Sections { reply, answers, additionals, cut } = *sections;
        let mut metadata = Metadata::response_from_request(&self.metadata);
        metadata.response_code = reply.code;
        metadata.authoritative = reply.is_authoritative;
        metadata.recursion_available = true;
        metadata.truncation = cut;
        let edns = self.edns.as_ref().map(|asked| {
            let mut edns = Edns::new();
            edns.set_max_payload(UDP_BYTES_MAX).set_dnssec_ok(asked.flags().dnssec_ok);
            edns
        });
        let none: &[Record] = &[];
        let authorities = if cut { none } else { &reply.authorities };
        bytes.clear();
        let mut encoder = BinEncoder::new(bytes);
        encoder.set_max_size(limit);
        let written = emit_message_parts(
            &metadata,
            &mut self.query.as_ref().map(Question).iter(),
            &mut reply.answers[..answers].iter(),
            &mut authorities.iter(),
            &mut (if additionals { &reply.additionals[..] } else { none }).iter(),
            edns.as_ref(),
            None,
            &mut encoder,
        );
        written.ok()
    }
}

/// The question, written as hickory-proto writes it, but for what is remembered of its name: all of it, which the
/// records of most answers point to, and not each of its ends with an allocation for each.
struct Question<'a>(&'a Query);

impl BinEncodable for Question<'_> {
    fn emit(&self, encoder: &mut BinEncoder<'_>) -> Result<(), ProtoError> {
        let start = encoder.offset();
        for label in self.0.name().iter() {
            encoder.emit_character_data(label)?;
        }
        let end = encoder.offset();
        encoder.emit(0)?;
        encoder.store_label_pointer(start, end);
        self.0.query_type().emit(encoder)?;
        self.0.query_class().emit(encoder)
    }
}

/// How much of a reply is written.
#[derive(Clone, Copy)]
struct Sections<'a> {
    reply: &'a Reply,
    answers: usize,
    additionals: bool,
    cut: bool,
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::A;
    use hickory_proto::rr::{Name, RData};
    use proptest::prelude::*;

    use super::*;

    fn question(payload: Option<u16>) -> Message {
        let mut message = Message::query();
        let name = Name::from_ascii("db.default.svc.cluster.local.").unwrap();
        message.add_query(Query::query(name, RecordType::A));
        message.metadata.recursion_desired = true;
        if let Some(payload) = payload {
            let mut edns = Edns::new();
            edns.set_max_payload(payload);
            message.set_edns(edns);
        }
        message
    }

    fn many(count: u8) -> Reply {
        let name = Name::from_ascii("db.default.svc.cluster.local.").unwrap();
        let address = |last| RData::A(A(std::net::Ipv4Addr::new(10, 244, 0, last)));
        let records = (0..count).map(|last| Record::from_rdata(name.clone(), 5, address(last)));
        let records: Vec<Record> = records.collect();
        Reply {
            additionals: records.iter().take(3).cloned().collect(),
            answers: records,
            ..Reply::code(ResponseCode::NoError)
        }
    }

    fn respond(question: &Message, reply: &Reply, transport: Transport) -> Message {
        let Received::Asked(request, _) = read(&question.to_vec().unwrap()) else {
            panic!("it is a question");
        };
        let mut bytes = Vec::new();
        request.respond(reply, ZoneLabel::Other, transport, &mut bytes).unwrap();
        assert!(bytes.len() <= usize::from(request.limit(transport)));
        Message::from_vec(&bytes).unwrap()
    }

    #[test]
    fn a_response_says_what_was_asked() {
        let question = question(Some(4096));
        let response = respond(&question, &many(2), Transport::Udp);
        assert_eq!(response.metadata.id, question.metadata.id);
        assert_eq!(response.queries, question.queries);
        assert!(response.metadata.recursion_desired && response.metadata.recursion_available);
        assert_eq!((response.answers.len(), response.additionals.len()), (2, 2));
        assert_eq!(response.edns.unwrap().max_payload(), UDP_BYTES_MAX);
    }

    #[test]
    fn what_does_not_fit_is_cut_at_a_record_and_said_so() {
        for payload in [None, Some(512), Some(700), Some(4096)] {
            let response = respond(&question(payload), &many(200), Transport::Udp);
            assert!(response.metadata.truncation);
            assert!(response.answers.len() > 20, "{}", response.answers.len());
            assert_eq!(response.edns.is_some(), payload.is_some(), "{payload:?}");
            let response = respond(&question(payload), &many(200), Transport::Tcp);
            assert!(!response.metadata.truncation);
            assert_eq!(response.answers.len(), 200);
        }
        // 28 addresses fill 512 bytes: additional ones do not, and that is no truncation.
        let response = respond(&question(None), &many(28), Transport::Udp);
        assert!(!response.metadata.truncation);
        assert_eq!((response.answers.len(), response.additionals.len()), (28, 0));
    }

    #[test]
    fn what_is_no_question_is_refused_by_the_book_or_ignored() {
        let code = |message: &Message| match read(&message.to_vec().unwrap()) {
            Received::Refused(_, code) => Some(code),
            _ => None,
        };
        let mut update = question(None);
        update.metadata.op_code = OpCode::Update;
        assert_eq!(code(&update), Some(ResponseCode::NotImp));
        let mut twice = question(None);
        twice.add_query(twice.queries[0].clone());
        assert_eq!(code(&twice), Some(ResponseCode::FormErr));
        let mut answered = question(None);
        answered.add_answer(many(1).answers[0].clone());
        assert_eq!(code(&answered), Some(ResponseCode::FormErr));
        let mut later = question(Some(512));
        later.edns.as_mut().unwrap().set_version(1);
        assert_eq!(code(&later), Some(ResponseCode::BADVERS));
        let mut chaos = question(None);
        chaos.queries[0].set_query_class(DNSClass::CH);
        assert_eq!(code(&chaos), Some(ResponseCode::Refused));
        let mut transfer = question(None);
        transfer.queries[0].set_query_type(RecordType::AXFR);
        assert_eq!(code(&transfer), Some(ResponseCode::Refused));

        let response = question(None).into_response().to_vec().unwrap();
        assert!(matches!(read(&response), Received::Ignored));
        assert!(matches!(read(&response[..11]), Received::Ignored));
        let cut = &question(None).to_vec().unwrap()[..20];
        assert!(matches!(read(cut), Received::Refused(_, ResponseCode::FormErr)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_answered_within_bounds(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..600), is_query: bool) {
            if is_query && bytes.len() > 12 {
                // The header of a question with EDNS, and whatever follows.
                bytes[2..12].copy_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
            }
            let mut response = Vec::new();
            match read(&bytes) {
                Received::Ignored => {}
                Received::Refused(request, code) => {
                    let reply = Reply::code(code);
                    request.respond(&reply, ZoneLabel::Other, Transport::Udp, &mut response).unwrap();
                    prop_assert!(Message::from_vec(&response).is_ok());
                }
                Received::Asked(request, _) => {
                    let reply = many(9);
                    request.respond(&reply, ZoneLabel::Other, Transport::Udp, &mut response).unwrap();
                    prop_assert!(Message::from_vec(&response).is_ok());
                }
            }
            prop_assert!(response.len() <= usize::from(UDP_BYTES_MAX));
        }
    }
}
