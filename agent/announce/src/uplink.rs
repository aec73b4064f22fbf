//! One uplink at work: carries packets between the kernel and the [`Segment`], which decides everything.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::announcer::Desired;
use crate::frames::FrameSocket;
use crate::groups::Groups;
use crate::link::LinkWatch;
use crate::multicast::HeartbeatSocket;
use crate::packet::arp;
use crate::segment::{Link, Output, Segment};
use crate::timing::RENEW;

/// Pause after sockets could not be opened.
const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// Heartbeats in a row that cannot be sent before somebody is told: an address may not be ready yet.
const MUTE_HEARTBEATS_MAX: u32 = 20;

/// One uplink, and what is open on it.
pub(crate) struct Uplink {
    name: String,
    segment: Arc<Mutex<Segment>>,
    sockets: Sockets,
    /// The interface as it is; the segment is told only while everything that it needs is open.
    link: Option<Link>,
    retry_at: Option<Instant>,
    failed: bool,
    mute_heartbeats: u32,
}

/// What is open; nothing is that is not wanted.
#[derive(Default)]
struct Sockets {
    link_index: u32,
    heartbeats: [Option<HeartbeatSocket>; 2],
    arp: Option<FrameSocket>,
    ndp: Option<FrameSocket>,
    groups: Groups,
    renew_at: Option<Instant>,
}

impl Uplink {
    pub(crate) fn new(name: &str, segment: Arc<Mutex<Segment>>) -> Self {
        Self {
            name: name.to_owned(),
            segment,
            sockets: Sockets::default(),
            link: None,
            retry_at: None,
            failed: false,
            mute_heartbeats: 0,
        }
    }

    /// Works until nobody desires anything any more.
    pub(crate) async fn run(mut self, mut links: LinkWatch, mut desired: watch::Receiver<Desired>) {
        self.link = links.now().await;
        self.segment.lock().set_link(self.link, Instant::now());
        self.follow(&desired.borrow_and_update());
        loop {
            let wake_at = self.work();
            tokio::select! {
                // What came in counts before time passes: who was asleep must not judge others by it.
                biased;
                changed = links.changed() => {
                    if let Err(error) = changed {
                        return tracing::error!(uplink = self.name, %error, "addresses are announced no more");
                    }
                    self.link = links.now().await;
                    self.segment.lock().set_link(self.link, Instant::now());
                }
                changed = desired.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.follow(&desired.borrow_and_update());
                }
                received = self.sockets.receive(&self.segment) => match received {
                    // The interface went down: its watch says so.
                    Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => {}
                    Err(error) => self.give_up(&error),
                    Ok(()) => {}
                },
                () = sleep_until(wake_at) => {}
            }
        }
    }

    fn follow(&self, desired: &Desired) {
        let key = desired.key.as_ref();
        self.segment.lock().desire(&desired.addresses, key, Instant::now());
    }

    /// Opens and closes what is wanted, does what is due, and says when to come back.
    fn work(&mut self) -> Option<Instant> {
        let now = Instant::now();
        // The last words before something is closed.
        self.send(now);
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            self.segment.lock().set_link(self.link, now);
        }
        let opened = self.sockets.open(&self.name, &self.segment.lock());
        match opened.and_then(|()| self.sockets.renew(now)) {
            Ok(()) if self.retry_at.is_none() => self.failed = false,
            Ok(()) => {}
            Err(error) => self.give_up(&error),
        }
        let next = self.segment.lock().step(now);
        self.send(now);
        [next, self.retry_at].into_iter().flatten().min()
    }

    fn send(&mut self, now: Instant) {
        let mut segment = self.segment.lock();
        let output = segment.take_output();
        let (errors, heartbeat) = self.sockets.send(&self.name, output);
        segment.counters.send_errors += errors;
        match heartbeat {
            Some(Err(error)) => {
                segment.was_mute(now);
                self.mute_heartbeats += 1;
                if self.mute_heartbeats == MUTE_HEARTBEATS_MAX {
                    tracing::warn!(
                        uplink = self.name, %error,
                        "no heartbeat can be sent here, so no address is announced: the interface needs \
                         an address"
                    );
                }
            }
            Some(Ok(())) => self.mute_heartbeats = 0,
            None => {}
        }
    }

    /// Who cannot hear or speak must not claim: others do, until this has been mended.
    fn give_up(&mut self, error: &io::Error) {
        if !self.failed {
            tracing::error!(uplink = self.name, %error, "cannot announce addresses; trying again");
        }
        self.failed = true;
        let now = Instant::now();
        self.segment.lock().set_link(None, now);
        self.sockets = Sockets::default();
        self.retry_at = Some(now + RETRY_PAUSE);
    }
}

impl Sockets {
    fn open(&mut self, uplink: &str, segment: &Segment) -> io::Result<()> {
        let index = segment.link().map_or(0, |link| link.index);
        if index != self.link_index {
            *self = Self { link_index: index, ..Self::default() };
        }
        set(&mut self.arp, segment.wants_frames(true), || FrameSocket::arp(index))?;
        set(&mut self.ndp, segment.wants_frames(false), || FrameSocket::ndp(index))?;
        let wants = segment.wants_heartbeats();
        let [v4, v6] = &mut self.heartbeats;
        // Where an uplink has one family only, that one does.
        if let Err(error) = set(v4, wants, || HeartbeatSocket::v4(uplink, index)) {
            tracing::debug!(uplink, %error, "no heartbeats over IPv4");
        }
        if let Err(error) = set(v6, wants, || HeartbeatSocket::v6(uplink, index)) {
            tracing::debug!(uplink, %error, "no heartbeats over IPv6");
        }
        Ok(())
    }

    /// Waits for packets, and hands them to the segment.
    async fn receive(&self, segment: &Mutex<Segment>) -> io::Result<()> {
        let now = Instant::now;
        let [v4, v6] = self.heartbeats.each_ref().map(|socket| async {
            match socket {
                Some(socket) => socket.receive(|p| segment.lock().heartbeat(p, now())).await,
                None => pending().await,
            }
        });
        let arp = async {
            match &self.arp {
                Some(socket) => socket.receive(|frame| segment.lock().arp(frame, now())).await,
                None => pending().await,
            }
        };
        let ndp = async {
            match &self.ndp {
                Some(socket) => socket.receive(|frame| segment.lock().ndp(frame, now())).await,
                None => pending().await,
            }
        };
        tokio::select! {
            done = v4 => done,
            done = v6 => done,
            done = arp => done,
            done = ndp => done,
        }
    }

    /// Keeps the heartbeats' groups known to the network.
    fn renew(&mut self, now: Instant) -> io::Result<()> {
        let due = *self.renew_at.get_or_insert(now + RENEW);
        if now < due {
            return Ok(());
        }
        self.renew_at = Some(now + RENEW);
        self.heartbeats.iter().flatten().try_for_each(HeartbeatSocket::renew)
    }

    /// Sends. Returns how much could not be sent, and what became of the last heartbeat if there was one.
    fn send(&mut self, uplink: &str, output: Vec<Output>) -> (u64, Option<io::Result<()>>) {
        let (mut errors, mut heartbeat) = (0, None);
        for output in output {
            let sent = match output {
                Output::Heartbeat(packet) => {
                    let sent = self.send_heartbeat(&packet);
                    errors += u64::from(sent.is_err());
                    heartbeat = Some(sent);
                    continue;
                }
                Output::Frame(frame) => self.send_frame(&frame),
                Output::Join(group) => self.groups.join(group, self.link_index),
                Output::Leave(group) => self.groups.leave(group, self.link_index),
            };
            if let Err(error) = sent {
                tracing::debug!(uplink, %error, "cannot send");
                errors += 1;
            }
        }
        (errors, heartbeat)
    }

    fn send_frame(&self, frame: &[u8]) -> io::Result<()> {
        let is_arp = frame[12..14] == arp::ETHER_TYPE.to_be_bytes();
        let socket = if is_arp { &self.arp } else { &self.ndp };
        socket.as_ref().map_or(Ok(()), |socket| socket.send(frame))
    }

    /// Sent when either family carries it: a segment need not have both.
    fn send_heartbeat(&self, packet: &[u8]) -> io::Result<()> {
        let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
        let mut is_sent = false;
        for socket in self.heartbeats.iter().flatten() {
            match socket.send(packet) {
                Ok(()) => is_sent = true,
                Err(error) => result = Err(error),
            }
        }
        if is_sent { Ok(()) } else { result }
    }
}

/// Opens what is wanted and not open, closes what is open and not wanted.
fn set<T>(
    slot: &mut Option<T>,
    is_wanted: bool,
    open: impl FnOnce() -> io::Result<T>,
) -> io::Result<()> {
    match (is_wanted, slot.is_some()) {
        (true, false) => *slot = Some(open()?),
        (false, true) => *slot = None,
        _ => {}
    }
    Ok(())
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => pending().await,
    }
}
