//! Changes of one endpoint each, one after the other: from the request, and from when the push server knows of it,
//! until the last node's acknowledgement has come. The server notes the latter two by its own clock, which is
//! this machine's; it is asked for them afterwards, so that asking disturbs nothing.

use super::objects;
use super::progress::{Progress, Service};
use super::server::Server;
use crate::cluster::wait_for;
use anyhow::{Context, Result};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
        let sent_us = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as f64;
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

/// Microseconds since 1970 of a time like `2026-01-02T03:04:05.000006Z`.
fn micros(time: &str) -> Result<f64> {
    parse_micros(time).with_context(|| format!("{time:?} is not a time in UTC with microseconds"))
}

fn parse_micros(time: &str) -> Option<f64> {
    let (date, clock) = time.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut clock = clock.splitn(3, ':');
    let (hour, minute) = (clock.next()?.parse::<i64>().ok()?, clock.next()?.parse::<i64>().ok()?);
    let second: f64 = clock.next()?.parse().ok()?;
    let minutes = (days_since_1970(year, month, day) * 24 + hour) * 60 + minute;
    Some((minutes as f64 * 60.0 + second) * 1e6)
}

/// In the Gregorian calendar, with years that begin in March: the day that may be missing is the last then.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_microsecond() {
        assert_eq!(parse_micros("1970-01-01T00:00:00.000001Z"), Some(1.0));
        assert_eq!(parse_micros("2000-03-01T00:00:00.5Z"), Some(951_868_800_500_000.0));
        assert_eq!(parse_micros("2026-11-30T08:00:00.123456Z"), Some(1_796_025_600_123_456.0));
        assert_eq!(parse_micros("2026-11-30"), None);
    }

    #[test]
    fn one_of_a_hundred_may_exceed_the_99th() {
        let latencies: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(p99(&latencies), 198.0);
        assert_eq!((p99(&[7.0]), p99(&[])), (7.0, 0.0));
    }
}
