//! `/flows`: what happens to flows from now on, a line of JSON each: opened, moved, refused, dropped, and
//! translated at a socket.
//!
//! One thread reads the kernel's ring for all who follow, and only while somebody does. A follower that is
//! slower than the traffic misses records, is told how many, and holds nobody up.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;
use sheave_abi::event::Event;
use sheave_abi::order::Addr;
use sheave_abi::service::FrontendKey;
use sheave_abi::trace::Record;
use sheave_core::dump::{ip, protocol_name, socket_addr};
use sheave_dataplane::{Dataplane, MapError, Records};
use tokio::sync::broadcast;

use super::{Answers, Names, Query, Unanswered, is_named};

/// Records that wait for a follower, at most: 256 KiB for all of them together.
const WAITING_MAX: usize = 4096;
/// How often the reader looks whether anybody still follows.
const LOOK_MS: u16 = 500;
/// How old names may be.
const NAMES_AGE_MAX: Duration = Duration::from_secs(5);

/// The one who reads the ring, while somebody follows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader(Arc<Mutex<Option<broadcast::Sender<Record>>>>);

impl Reader {
    /// Joins those who follow; the first starts the reading.
    fn follow(&self, answers: &Answers) -> Result<broadcast::Receiver<Record>, Unanswered> {
        let mut sender = self.0.lock();
        if let Some(sender) = &*sender {
            return Ok(sender.subscribe());
        }
        let records = Records::open(&answers.bpffs_dir)?;
        let (started, receiver) = broadcast::channel(WAITING_MAX);
        answers.set_traced(true)?;
        *sender = Some(started);
        let (reader, answers) = (self.clone(), answers.clone());
        std::thread::spawn(move || reader.read(records, &answers));
        Ok(receiver)
    }

    fn read(&self, mut records: Records, answers: &Answers) {
        loop {
            while let Some(record) = records.next() {
                if let Some(sender) = &*self.0.lock() {
                    // Nobody there: seen below.
                    let _ = sender.send(record);
                }
            }
            let waited = records.wait(None, LOOK_MS);
            let mut sender = self.0.lock();
            let is_followed = sender.as_ref().is_some_and(|sender| sender.receiver_count() > 0);
            if !is_followed || waited.is_err() {
                if let Err(error) = answers.set_traced(false) {
                    tracing::warn!(%error, "the programs still report packets");
                }
                *sender = None;
                return;
            }
        }
    }
}

/// The records of one follower, as lines.
pub(crate) struct Lines {
    records: broadcast::Receiver<Record>,
    show: Show,
}

/// Follows, for as long as the value lives.
pub(crate) fn follow(answers: &Answers, query: &Query) -> Result<Lines, Unanswered> {
    let agent = answers.agent.as_ref().ok_or(Unanswered::AgentAway)?;
    let show = Show::new(answers, query)?;
    Ok(Lines { records: agent.reader.follow(answers)?, show })
}

impl Lines {
    /// The next line that is wanted. `None`: the reading has ended.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            let line = match self.records.recv().await {
                Ok(record) => self.show.line(&record),
                Err(broadcast::error::RecvError::Lagged(lost)) => Some(lost_line(lost)),
                Err(broadcast::error::RecvError::Closed) => return None,
            };
            if let Some(line) = line {
                return Some(line);
            }
        }
    }
}

/// Prints lines until whoever reads them is gone: without an agent, who would be the reader otherwise.
pub(crate) fn print(answers: &Answers, query: &Query) -> Result<(), Unanswered> {
    use std::io::Write as _;
    let mut show = Show::new(answers, query)?;
    let mut records = Records::open(&answers.bpffs_dir)?;
    answers.set_traced(true)?;
    let mut output = std::io::stdout();
    loop {
        while let Some(record) = records.next() {
            let Some(line) = show.line(&record) else { continue };
            if output.write_all(line.as_bytes()).and_then(|()| output.flush()).is_err() {
                return Ok(answers.set_traced(false)?);
            }
        }
        if !records.wait(Some(std::io::stdout().as_fd()), LOOK_MS).unwrap_or(false) {
            return Ok(answers.set_traced(false)?);
        }
    }
}

impl Answers {
    /// Under the lock of the one who writes `SETTINGS`, if there is one.
    fn set_traced(&self, traced: bool) -> Result<(), MapError> {
        match &self.agent {
            Some(agent) => agent.reconciler.lock().dataplane().set_traced(traced),
            None => self.maps()?.set_traced(traced),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    time: String,
    event: &'static str,
    drop: bool,
    protocol: &'static str,
    /// At a socket an address alone, since it has no port yet; `netns N` where even that is not known.
    source: String,
    source_pod: Option<String>,
    destination: String,
    destination_pod: Option<String>,
    service: Option<String>,
    backend: Option<String>,
    backend_pod: Option<String>,
    /// Whose hook it was; none for a socket's.
    interface: Option<String>,
    what: &'static str,
}

fn lost_line(lost: u64) -> String {
    format!("{}\n", serde_json::json!({ "lost": lost }))
}

/// How one follower wants to see records.
struct Show {
    answers: Answers,
    maps: Dataplane,
    names: Names,
    names_at: Instant,
    service: Option<String>,
    address: Option<Addr>,
    interfaces: HashMap<u32, Option<String>>,
    /// Addresses by the cookie of their network namespace, as old as the names.
    namespaces: HashMap<u64, Vec<Addr>>,
}

impl Show {
    fn new(answers: &Answers, query: &Query) -> Result<Self, Unanswered> {
        let address = match query.get("address") {
            Some(text) => Some(text.parse().map(sheave_core::plan::addr).map_err(|_| {
                Unanswered::Invalid(format!("--address {text:?} is no IP address"))
            })?),
            None => None,
        };
        Ok(Self {
            answers: answers.clone(),
            maps: answers.maps()?,
            names: answers.names(),
            names_at: Instant::now(),
            service: query.get("service").cloned(),
            address,
            interfaces: HashMap::new(),
            namespaces: HashMap::new(),
        })
    }

    /// `None`: not wanted, or of a version that says what this one does not know.
    fn line(&mut self, record: &Record) -> Option<String> {
        let event = Event::ALL.iter().copied().find(|event| *event as u32 == record.event)?;
        if self.names_at.elapsed() > NAMES_AGE_MAX {
            (self.names, self.names_at) = (self.answers.names(), Instant::now());
            self.namespaces.clear();
        }
        let source = self.source(record);
        if self.address.is_some_and(|wanted| source != Ok(wanted) && wanted != record.dst) {
            return None;
        }
        let key = FrontendKey::new(record.dst, record.dst_port, record.protocol as u8);
        let service = self.names.owner(&key).map(super::service_name);
        if let Some(wanted) = &self.service
            && !service.as_ref().is_some_and(|service| is_named(service, wanted))
        {
            return None;
        }
        let backend = match record.backend {
            0 => None,
            id => self.maps.backend(id).ok().flatten(),
        };
        let line = Line {
            time: time_of(record.time_ns),
            event: event.name(),
            drop: event.is_drop(),
            protocol: protocol_name(record.protocol as u8),
            source: match source {
                Ok(address) if record.ifindex == 0 => ip(address).to_string(),
                Ok(address) => socket_addr(address, record.src_port).to_string(),
                Err(cookie) => format!("netns {cookie}"),
            },
            source_pod: source.ok().and_then(|address| self.names.pods.at(ip(address))),
            destination: socket_addr(record.dst, record.dst_port).to_string(),
            destination_pod: self.names.pods.at(ip(record.dst)),
            service,
            backend: backend.map(|b| socket_addr(b.addr, b.port).to_string()),
            backend_pod: backend.and_then(|b| self.names.pods.at(ip(b.addr))),
            interface: self.interface(record.ifindex),
            what: event.sentence(),
        };
        let text = serde_json::to_string(&line).expect("strings and flags always serialise");
        Some(text + "\n")
    }

    /// Who sent or dialled: of the addresses of a socket's namespace the one of the destination's family.
    /// `Err`: only the namespace is known, by its cookie.
    fn source(&mut self, record: &Record) -> Result<Addr, u64> {
        let Some(cookie) = record.src.netns_cookie() else { return Ok(record.src) };
        if let Entry::Vacant(unknown) = self.namespaces.entry(cookie) {
            // Also for one that has no entry: it is not looked for again before the names are.
            unknown.insert(Vec::new());
            for (address, cookie) in self.maps.namespaces().unwrap_or_default() {
                let addresses = self.namespaces.entry(cookie).or_default();
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        let known = self.namespaces.get(&cookie).into_iter().flatten();
        let mut of_family = known.filter(|address| address.is_v4() == record.dst.is_v4());
        of_family.next().copied().ok_or(cookie)
    }

    fn interface(&mut self, ifindex: u32) -> Option<String> {
        let maps = &self.maps;
        let known = self.interfaces.entry(ifindex).or_insert_with(|| maps.interface_name(ifindex));
        known.clone()
    }
}

/// The programs' clock starts with the machine.
fn time_of(time_ns: u64) -> String {
    let age_ns = sheave_dataplane::now_ns().saturating_sub(time_ns);
    let at = jiff::Timestamp::now() - Duration::from_nanos(age_ns);
    format!("{at:.3}")
}
