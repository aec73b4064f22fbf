//! Names that are not the cluster's: asked of the machine's own resolvers, or of whom a stub domain names,
//! and remembered for a while.
//!
//! An upstream that is silent is asked last for some time. One that leads back here, directly or through
//! others, is not asked: each is sent a question that only this process knows, and whoever brings it back
//! has shown the way round. What is under way is bounded; beyond that a client is told at once that it
//! failed.

pub mod cache;
mod exchange;
pub mod message;
mod resolv_conf;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::answer::Reply;
use crate::counts::{Counts, UpstreamOutcome};
use cache::Cache;
use exchange::Failed;
use message::{Asked, reply};
use resolv_conf::ResolvConf;

/// Questions under way at upstreams.
const UNDER_WAY_MAX: usize = 512;
/// For one question to one upstream: three of these are less than the 5 s for which resolvers wait.
const ATTEMPT: Duration = Duration::from_millis(1500);
const ATTEMPTS_MAX: usize = 3;
/// Who was silent is asked after the others for this long.
const SHUNNED_FOR: Duration = Duration::from_secs(10);
/// Who leads back here is not asked for this long, and then tried again.
const LOOPING_FOR: Duration = Duration::from_secs(60);
/// Names that ask whether an upstream leads back here. RFC 6761, 6.2: nobody else has names there.
const PROBE_DOMAIN: &str = "sheave-loop.test.";

/// Whom to ask.
#[derive(Clone, Debug, Default)]
pub struct Upstreams {
    /// The first of these that is there names the machine's resolvers.
    pub resolv_conf: Vec<PathBuf>,
    /// Domains that others answer for.
    pub stub_domains: Vec<(Name, Vec<SocketAddr>)>,
    /// Our own addresses, at any port that is ours: not to be asked.
    pub own: Vec<SocketAddr>,
}

/// Asks others.
#[derive(Debug)]
pub(crate) struct Forwarder {
    stub_domains: Vec<(Name, Vec<SocketAddr>)>,
    own: Vec<SocketAddr>,
    resolvers: Mutex<Resolvers>,
    cache: Mutex<Cache>,
    under_way: Semaphore,
    counts: Arc<Counts>,
}

#[derive(Debug)]
struct Resolvers {
    file: ResolvConf,
    servers: Vec<SocketAddr>,
    silent_since: HashMap<SocketAddr, Instant>,
    looping_since: HashMap<SocketAddr, Instant>,
    /// Names that were sent to find out.
    probes: HashMap<Name, SocketAddr>,
}

impl Forwarder {
    pub(crate) fn new(upstreams: Upstreams, counts: Arc<Counts>) -> Self {
        let Upstreams { resolv_conf, mut stub_domains, own } = upstreams;
        // The longest domain that a name is in counts.
        stub_domains.sort_by_key(|(domain, _)| std::cmp::Reverse(domain.iter().count()));
        Self {
            stub_domains,
            own,
            resolvers: Mutex::new(Resolvers {
                file: ResolvConf::new(resolv_conf),
                servers: Vec::new(),
                silent_since: HashMap::new(),
                looping_since: HashMap::new(),
                probes: HashMap::new(),
            }),
            cache: Mutex::default(),
            under_way: Semaphore::new(UNDER_WAY_MAX),
            counts,
        }
    }

    /// What upstreams say of a name.
    pub(crate) async fn ask(&self, asked: Asked) -> Reply {
        if self.is_probe(&asked.name) {
            return Reply::code(ResponseCode::Refused);
        }
        let servers = self.servers(&asked.name);
        let known = self.cache.lock().get(&asked, Instant::now());
        if let Some(known) = known {
            self.counts.answered_from_cache();
            return reply(known);
        }
        let Ok(_permit) = self.under_way.try_acquire() else {
            self.counts.queried(UpstreamOutcome::Full);
            return Reply::code(ResponseCode::ServFail);
        };
        match self.ask_each(&servers, &asked).await {
            Some(answer) => {
                self.cache.lock().put(asked, &answer, Instant::now());
                reply(answer)
            }
            None => Reply::code(ResponseCode::ServFail),
        }
    }

    /// The first answer that says something; the last one that says nothing, for want of a better.
    async fn ask_each(&self, servers: &[SocketAddr], asked: &Asked) -> Option<Message> {
        let mut useless = None;
        for server in servers.iter().cycle().take(ATTEMPTS_MAX.min(2 * servers.len())) {
            let answer = exchange::ask(*server, &asked.message(), ATTEMPT).await;
            self.counts.queried(outcome(&answer));
            match answer {
                Ok(answer) => {
                    self.resolvers.lock().silent_since.remove(server);
                    match answer.metadata.response_code {
                        ResponseCode::NoError | ResponseCode::NXDomain => return Some(answer),
                        _ => useless = Some(answer),
                    }
                }
                Err(error) => {
                    tracing::debug!(%server, %error, "an upstream has not answered");
                    self.resolvers.lock().silent_since.insert(*server, Instant::now());
                }
            }
        }
        useless
    }

    /// Whom to ask for a name, in order.
    fn servers(&self, name: &Name) -> Vec<SocketAddr> {
        let now = Instant::now();
        let mut resolvers = self.resolvers.lock();
        if let Some(mut servers) = resolvers.file.changed(now) {
            servers.retain(|server| !self.own.contains(server));
            if resolvers.servers != servers {
                tracing::info!(?servers, "names that are not the cluster's are asked of these");
                self.cache.lock().clear();
                resolvers.servers = servers;
            }
            let stubs = self.stub_domains.iter().flat_map(|(_, servers)| servers).copied();
            let all: Vec<SocketAddr> = resolvers.servers.iter().copied().chain(stubs).collect();
            self.probe(&mut resolvers, &all);
        }
        let stub = self.stub_domains.iter().find(|(domain, _)| domain.zone_of(name));
        let mut servers = match stub {
            Some((_, servers)) => servers.clone(),
            None => resolvers.servers.clone(),
        };
        let within = |since: Option<&Instant>, time| {
            since.is_some_and(|at| now.saturating_duration_since(*at) < time)
        };
        let looping: Vec<SocketAddr> = resolvers.looping_since.keys().copied().collect();
        let expired = looping
            .into_iter()
            .filter(|server| !within(resolvers.looping_since.get(server), LOOPING_FOR));
        for server in expired.collect::<Vec<_>>() {
            resolvers.looping_since.remove(&server);
            self.counts.set_upstreams_looping(resolvers.looping_since.len());
            self.probe(&mut resolvers, &[server]);
        }
        servers.retain(|server| !resolvers.looping_since.contains_key(server));
        servers.sort_by_key(|server| within(resolvers.silent_since.get(server), SHUNNED_FOR));
        servers
    }

    /// Asks upstreams what nobody knows, in the background.
    fn probe(&self, resolvers: &mut Resolvers, servers: &[SocketAddr]) {
        resolvers.probes.clear();
        for server in servers.iter().copied() {
            let label = format!("{:016x}", rand::random::<u64>());
            let Ok(name) = Name::from_ascii(format!("{label}.{PROBE_DOMAIN}")) else { continue };
            resolvers.probes.insert(name.clone(), server);
            let mut message = Message::query();
            message.add_query(Query::query(name, RecordType::TXT));
            message.metadata.recursion_desired = true;
            tokio::spawn(async move { exchange::ask(server, &message, ATTEMPT).await.map(drop) });
        }
    }

    /// True for a question of our own that has come back: who was asked leads here.
    fn is_probe(&self, name: &Name) -> bool {
        let mut resolvers = self.resolvers.lock();
        if resolvers.probes.is_empty() {
            return false;
        }
        let Some(server) = resolvers.probes.remove(name) else { return false };
        tracing::warn!(%server, "this upstream asks us what we ask it: it is left out");
        resolvers.looping_since.insert(server, Instant::now());
        self.counts.set_upstreams_looping(resolvers.looping_since.len());
        true
    }
}

/// What an upstream says, once.
///
/// # Errors
/// Why it says nothing, in words.
pub(crate) async fn ask_once(server: SocketAddr, asked: &Asked) -> Result<Reply, String> {
    let answer = exchange::ask(server, &asked.message(), ATTEMPT).await;
    answer.map(reply).map_err(|error| error.to_string())
}

fn outcome(answer: &Result<Message, Failed>) -> UpstreamOutcome {
    match answer {
        Ok(answer) => match answer.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => UpstreamOutcome::Answered,
            _ => UpstreamOutcome::Useless,
        },
        Err(Failed::Silent) => UpstreamOutcome::Silent,
        Err(Failed::Io(_) | Failed::Message) => UpstreamOutcome::Failed,
    }
}
