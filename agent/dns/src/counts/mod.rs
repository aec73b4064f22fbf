//! What the server counts: fixed arrays of numbers that any thread adds to without a lock. Who reads them,
//! and how they are written down, is not known here.
//!
//! A reader may find one number newer than another: each is right, and none is ever taken back.

mod labels;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use labels::{CodeLabel, DropReason, Transport, TypeLabel, UpstreamOutcome, ZoneLabel};

/// Upper bounds of durations, in microseconds: the zone answers in tens of them, upstreams in thousands.
const BOUNDS_US: [u64; 18] = [
    10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000,
    500_000, 1_000_000, 2_000_000, 5_000_000,
];

const ZONES: usize = ZoneLabel::ALL.len();
const RESPONSES: usize = ZONES * TypeLabel::ALL.len() * CodeLabel::ALL.len() * Transport::ALL.len();

/// A response, by what is counted of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// Who knew the answer.
    pub zone: ZoneLabel,
    /// What was asked for.
    pub record_type: TypeLabel,
    /// How it was answered.
    pub code: CodeLabel,
    /// How it went.
    pub transport: Transport,
}

/// Durations, by how long they were.
#[derive(Clone, Debug, PartialEq)]
pub struct Durations {
    /// Upper bound in seconds, the last without end, and how many are below it and not below the one before.
    pub buckets: Vec<(f64, u64)>,
    /// All together, in seconds.
    pub sum_s: f64,
}

/// All that is counted.
#[derive(Debug)]
pub struct Counts {
    responses: [AtomicU64; RESPONSES],
    durations: [Buckets; ZONES],
    dropped: [AtomicU64; DropReason::ALL.len()],
    queries: [AtomicU64; UpstreamOutcome::ALL.len()],
    cache_answers: AtomicU64,
    upstreams_looping: AtomicU64,
}

#[derive(Debug)]
struct Buckets {
    counts: [AtomicU64; BOUNDS_US.len() + 1],
    sum_ns: AtomicU64,
}

impl Default for Counts {
    fn default() -> Self {
        let buckets = || Buckets { counts: zeros(), sum_ns: AtomicU64::new(0) };
        Self {
            responses: zeros(),
            durations: [buckets(), buckets(), buckets()],
            dropped: zeros(),
            queries: zeros(),
            cache_answers: AtomicU64::new(0),
            upstreams_looping: AtomicU64::new(0),
        }
    }
}

fn zeros<const N: usize>() -> [AtomicU64; N] {
    [const { AtomicU64::new(0) }; N]
}

fn add(number: &AtomicU64, more: u64) {
    number.fetch_add(more, Ordering::Relaxed);
}

fn read(number: &AtomicU64) -> u64 {
    number.load(Ordering::Relaxed)
}

impl Response {
    fn index(self) -> usize {
        let of_type = self.zone as usize * TypeLabel::ALL.len() + self.record_type as usize;
        let of_code = of_type * CodeLabel::ALL.len() + self.code as usize;
        of_code * Transport::ALL.len() + self.transport as usize
    }

    /// Every one that there can be, in the order of their indices.
    fn all() -> impl Iterator<Item = Self> {
        ZoneLabel::ALL.iter().flat_map(|zone| {
            TypeLabel::ALL.iter().flat_map(move |record_type| {
                CodeLabel::ALL.iter().flat_map(move |code| {
                    Transport::ALL.iter().map(move |transport| Self {
                        zone: *zone,
                        record_type: *record_type,
                        code: *code,
                        transport: *transport,
                    })
                })
            })
        })
    }
}

/// For the server.
impl Counts {
    /// A response has gone, so long after its question came.
    pub fn responded(&self, response: Response, took: Duration) {
        add(&self.responses[response.index()], 1);
        let buckets = &self.durations[response.zone as usize];
        let took_us = took.as_micros();
        let bucket = BOUNDS_US.partition_point(|bound| u128::from(*bound) < took_us);
        add(&buckets.counts[bucket], 1);
        add(&buckets.sum_ns, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// A question gets no response.
    pub fn dropped(&self, reason: DropReason) {
        add(&self.dropped[reason as usize], 1);
    }

    /// An upstream was asked, or would have been.
    pub fn queried(&self, outcome: UpstreamOutcome) {
        add(&self.queries[outcome as usize], 1);
    }

    /// What an upstream said before was said again.
    pub fn answered_from_cache(&self) {
        add(&self.cache_answers, 1);
    }

    /// So many upstreams are left out.
    pub fn set_upstreams_looping(&self, count: usize) {
        self.upstreams_looping.store(count as u64, Ordering::Relaxed);
    }
}

/// For readers.
impl Counts {
    /// Responses, those that there were.
    pub fn responses(&self) -> impl Iterator<Item = (Response, u64)> {
        let counts = Response::all().zip(&self.responses);
        counts.map(|(response, count)| (response, read(count))).filter(|(_, count)| *count > 0)
    }

    /// From the receipt of a question until its response was handed over.
    pub fn durations(&self, zone: ZoneLabel) -> Durations {
        let Buckets { counts, sum_ns } = &self.durations[zone as usize];
        let bounds = BOUNDS_US.iter().map(|bound| Duration::from_micros(*bound).as_secs_f64());
        let bounds = bounds.chain([f64::INFINITY]);
        Durations {
            buckets: bounds.zip(counts.iter().map(read)).collect(),
            sum_s: Duration::from_nanos(read(sum_ns)).as_secs_f64(),
        }
    }

    /// Questions without a response.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> {
        DropReason::ALL.iter().copied().zip(self.dropped.iter().map(read))
    }

    /// Questions to upstreams.
    pub fn upstream_queries(&self) -> impl Iterator<Item = (UpstreamOutcome, u64)> {
        UpstreamOutcome::ALL.iter().copied().zip(self.queries.iter().map(read))
    }

    /// Questions that were answered by what an upstream had said before.
    pub fn cache_answers(&self) -> u64 {
        read(&self.cache_answers)
    }

    /// Upstreams that lead back here.
    pub fn upstreams_looping(&self) -> u64 {
        read(&self.upstreams_looping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_response_has_a_number_of_its_own() {
        let indices: Vec<usize> = Response::all().map(Response::index).collect();
        assert_eq!(indices, (0..RESPONSES).collect::<Vec<_>>());
    }

    #[test]
    fn durations_are_counted_below_their_bound() {
        let counts = Counts::default();
        let response = Response {
            zone: ZoneLabel::Reverse,
            record_type: TypeLabel::Ptr,
            code: CodeLabel::NoError,
            transport: Transport::Udp,
        };
        for took_us in [0, 10, 11, 5_000_000, 9_000_000] {
            counts.responded(response, Duration::from_micros(took_us));
        }
        assert_eq!(counts.responses().collect::<Vec<_>>(), [(response, 5)]);
        let Durations { buckets, sum_s } = counts.durations(ZoneLabel::Reverse);
        let found: Vec<_> = buckets.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(found, [(0.000_01, 2), (0.000_02, 1), (5.0, 1), (f64::INFINITY, 1)]);
        assert_eq!(sum_s, 14.000_021);
        assert_eq!(counts.durations(ZoneLabel::Cluster).sum_s, 0.0);
    }
}
