//! Changes of one endpoint each, one after the other: from the request, and from when the push server knows of it,
//! until the last node's acknowledgement has come. The server notes the latter two by its own clock, which is
//! this machine's; it is asked for them afterwards, so that asking disturbs nothing.

use super::objects;
use super::progress::{Progress, Service};
use super::server::Server;
use crate::bench::time::{micros, now_micros};
use crate::cluster::wait_for;
use anyhow::{Context, Result};
use std::time::Duration;

/// A node that takes longer has lost its connection.
const LIMIT: Duration = Duration::from_secs(30);
/// Until the server is asked, and from one change to the next.
const PAUSE: Duration = Duration::from_millis(100);
/// From one Service to the next: it has no divisor in common with their number, so that each is changed once.
const STRIDE: usize = 1999;

/// One a change, in milliseconds.
#[derive(Default)]
pub(super) struct Latencies {
    pub(super) push_ms: Vec<f64>,
    pub(super) whole_ms: Vec<f64>,
}

/// Makes so many.
pub(super) fn measure(server: &Server, count: usize) -> Result<Latencies> {
    let mut latencies = Latencies::default();
    for change in 0..count {
        let number = change * STRIDE % objects::SERVICES;
        let before = service(server, number)?.generation;
        std::thread::sleep(PAUSE);
        let sent_us = now_micros()?;
        objects::change(server, number, change % objects::ENDPOINTS)?;
        std::thread::sleep(PAUSE);
        let live = wait_for("all nodes to acknowledge a change", LIMIT, || {
            let is_live =
                |service: &Service| service.generation > before && service.live_at.is_some();
            Ok(Some(service(server, number)?).filter(is_live))
        })?;
        let live_us = micros(live.live_at.as_deref().unwrap_or_default())?;
        latencies.push_ms.push((live_us - micros(&live.known_at)?) / 1e3);
        latencies.whole_ms.push((live_us - sent_us) / 1e3);
    }
    Ok(latencies)
}

fn service(server: &Server, number: usize) -> Result<Service> {
    let progress = Progress::ask(server)?;
    let name = objects::name(number);
    let found = progress.service(objects::NAMESPACE, &name).cloned();
    found.with_context(|| format!("the server does not know {name}"))
}

/// The latency that 99 of 100 do not exceed; 0 without any.
pub(super) fn p99(latencies: &[f64]) -> f64 {
    let mut sorted = latencies.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * 99).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_hundred_may_exceed_the_99th() {
        let latencies: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(p99(&latencies), 198.0);
        assert_eq!((p99(&[7.0]), p99(&[])), (7.0, 0.0));
    }
}
