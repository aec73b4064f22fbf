//! What upstreams have said, for as long as they allow: two generations of entries. What is asked for moves
//! to the younger one; when that is full, the older one is dropped whole. So it is bounded without a list
//! of who was used when.

use std::collections::HashMap;
use std::mem;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RData;

use super::message::Asked;

/// Of one generation, keys and messages.
const GENERATION_BYTES_MAX: usize = 1 << 20;
/// What an entry takes beside its texts.
const ENTRY_BYTES: usize = 128;
/// An answer longer than this is not kept.
const MESSAGE_BYTES_MAX: usize = 4096;
/// Upstreams may allow more.
const TTL_MAX: Duration = Duration::from_secs(3600);
/// That there is nothing is believed for less.
const NEGATIVE_TTL_MAX: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
struct Entry {
    message: Box<[u8]>,
    since: Instant,
    until: Instant,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Cache {
    young: HashMap<Asked, Entry>,
    old: HashMap<Asked, Entry>,
    young_bytes: usize,
}

impl Cache {
    /// What was said, with the time that is left.
    pub fn get(&mut self, asked: &Asked, now: Instant) -> Option<Message> {
        if let Some(entry) = self.old.remove(asked) {
            self.keep(asked.clone(), entry);
        }
        let entry = self.young.get(asked).filter(|entry| now < entry.until)?;
        let mut message = Message::from_vec(&entry.message).ok()?;
        let age_s = now.saturating_duration_since(entry.since).as_secs();
        let age_s = u32::try_from(age_s).unwrap_or(u32::MAX);
        let sections = [&mut message.answers, &mut message.authorities, &mut message.additionals];
        for record in sections.into_iter().flatten() {
            record.ttl = record.ttl.saturating_sub(age_s);
        }
        Some(message)
    }

    /// Keeps what was said, if it may be kept.
    pub fn put(&mut self, asked: Asked, message: &Message, now: Instant) {
        let Some(ttl) = ttl(message).filter(|ttl| !ttl.is_zero()) else { return };
        let Some(bytes) = message.to_vec().ok().filter(|b| b.len() <= MESSAGE_BYTES_MAX) else {
            return;
        };
        self.old.remove(&asked);
        self.keep(asked, Entry { message: bytes.into(), since: now, until: now + ttl });
    }

    fn keep(&mut self, asked: Asked, entry: Entry) {
        let bytes = ENTRY_BYTES + asked.name.len() + entry.message.len();
        if self.young_bytes + bytes > GENERATION_BYTES_MAX {
            self.old = mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        if let Some(before) = self.young.insert(asked.clone(), entry) {
            self.young_bytes -= ENTRY_BYTES + asked.name.len() + before.message.len();
        }
    }

    /// Other upstreams may say something else.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// How long a response may be kept; nothing when it may not be.
fn ttl(message: &Message) -> Option<Duration> {
    let seconds = |ttl| Duration::from_secs(u64::from(ttl));
    let has_nothing = message.answers.is_empty();
    match message.metadata.response_code {
        ResponseCode::NoError if !has_nothing => {
            let ttl = message.answers.iter().map(|record| record.ttl).min()?;
            Some(seconds(ttl).min(TTL_MAX))
        }
        // RFC 2308, 5: by the SOA that came with it, and not at all without.
        ResponseCode::NoError | ResponseCode::NXDomain => {
            message.authorities.iter().find_map(|record| match &record.data {
                RData::SOA(soa) => Some(seconds(soa.minimum.min(record.ttl)).min(NEGATIVE_TTL_MAX)),
                _ => None,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::OpCode;
    use hickory_proto::rr::rdata::{A, SOA};
    use hickory_proto::rr::{Name, Record, RecordType};

    use super::*;

    fn asked(name: &str) -> Asked {
        Asked {
            name: Name::from_ascii(name).unwrap(),
            record_type: RecordType::A,
            wants_dnssec: false,
            checking_disabled: false,
        }
    }

    fn said(ttl_s: u32) -> Message {
        let mut message = Message::response(1, OpCode::Query);
        let data = RData::A(A([192, 0, 2, 1].into()));
        message.add_answer(Record::from_rdata(Name::from_ascii("a.").unwrap(), ttl_s, data));
        message
    }

    fn nothing(minimum_s: u32) -> Message {
        let mut message = Message::response(1, OpCode::Query);
        message.metadata.response_code = ResponseCode::NXDomain;
        let soa = SOA::new(Name::root(), Name::root(), 1, 1, 1, 1, minimum_s);
        message.add_authority(Record::from_rdata(Name::root(), 3600, RData::SOA(soa)));
        message
    }

    #[test]
    fn an_answer_is_kept_as_long_as_it_may_be_and_grows_old() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.put(asked("a."), &said(10), now);
        let later = cache.get(&asked("a."), now + Duration::from_secs(4)).unwrap();
        assert_eq!(later.answers[0].ttl, 6);
        assert!(cache.get(&asked("a."), now + Duration::from_secs(10)).is_none());
        cache.put(asked("b."), &said(0), now);
        assert!(cache.get(&asked("b."), now).is_none());
    }

    #[test]
    fn that_there_is_nothing_is_kept_only_with_an_soa_and_not_for_long() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.put(asked("a."), &nothing(5), now);
        assert!(cache.get(&asked("a."), now + Duration::from_secs(4)).is_some());
        assert!(cache.get(&asked("a."), now + Duration::from_secs(5)).is_none());
        cache.put(asked("b."), &nothing(3600), now);
        assert!(cache.get(&asked("b."), now + NEGATIVE_TTL_MAX).is_none());
        let mut without = nothing(5);
        without.authorities.clear();
        cache.put(asked("c."), &without, now);
        assert!(cache.get(&asked("c."), now).is_none());
        let mut failed = said(10);
        failed.metadata.response_code = ResponseCode::ServFail;
        cache.put(asked("d."), &failed, now);
        assert!(cache.get(&asked("d."), now).is_none());
    }

    #[test]
    fn what_is_used_stays_when_much_else_comes() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.put(asked("used."), &said(3600), now);
        for number in 0..40_000 {
            cache.put(asked(&format!("n{number}.")), &said(3600), now);
            assert!(cache.get(&asked("used."), now).is_some());
            assert!(cache.young_bytes <= GENERATION_BYTES_MAX);
        }
        assert!(cache.get(&asked("n0."), now).is_none(), "it is bounded");
        assert!(cache.get(&asked("n39999."), now).is_some());
    }
}
