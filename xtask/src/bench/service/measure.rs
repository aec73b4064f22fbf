//! One load over one way: what is run, and the values that come of it.

use super::load::{Datagrams, Exchanges, Who};
use super::server::load_words;
use super::site::Route;
use super::ways::Way;
use crate::bench::rounds::Plan;
use crate::cluster::output_of;
use crate::{process, traffic};
use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use std::net::Ipv4Addr;
use std::time::Duration;

/// A server closes its side before it takes the next.
const BETWEEN: Duration = Duration::from_millis(200);

/// What is run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Load {
    /// So many TCP streams of iperf3.
    Streams(u32),
    /// New connections by so many clients.
    Connections(u32),
    /// Requests over one connection.
    Requests,
    Datagrams,
}

pub(super) const LOADS: [Load; 6] = [
    Load::Streams(1),
    Load::Streams(8),
    Load::Connections(1),
    Load::Connections(16),
    Load::Requests,
    Load::Datagrams,
];

/// A value, of something, in a unit.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Value {
    pub(super) what: String,
    pub(super) unit: &'static str,
    pub(super) value: f64,
}

/// That a way leads where it should: by TCP and UDP to the server of its place, and to the peer that it should have.
pub(super) fn check(route: &Route) -> Result<()> {
    let who: Who = run(route, &["who", &route.load.to_string()], 1)
        .with_context(|| format!("{}: {} does not answer", route.way.name(), route.load))?;
    judge(route.way, route.peer, &who)
}

fn judge(way: Way, expected: Ipv4Addr, who: &Who) -> Result<()> {
    let (name, place) = (way.name(), way.place().name());
    for (protocol, answered) in [("TCP", &who.tcp), ("UDP", &who.udp)] {
        ensure!(answered == place, "{name}: by {protocol}, {answered} answers and not {place}");
    }
    let peer = who.peer.ip();
    ensure!(*peer == expected, "{name}: the client is connected to {peer} and not to {expected}");
    Ok(())
}

/// Runs a load once.
pub(super) fn measure(route: &Route, load: Load, plan: Plan<'_>) -> Result<Vec<Value>> {
    let values = match load {
        Load::Streams(count) => streams(route, count, plan),
        Load::Connections(clients) => connections(route, clients, plan.seconds),
        Load::Requests => requests(route, plan.seconds),
        Load::Datagrams => datagrams(route, plan.seconds),
    };
    std::thread::sleep(BETWEEN);
    values.with_context(|| route.way.name())
}

fn streams(route: &Route, count: u32, plan: Plan<'_>) -> Result<Vec<Value>> {
    let mut words = traffic::iperf3_words(route.stream, plan.seconds);
    let more = ["--parallel", &count.to_string(), "--congestion", plan.congestion];
    words.extend(more.map(str::to_owned));
    let (report, busy) = busy(|| output_of(&mut (route.client)(&words)?))?;
    let gbit = traffic::received_gbit(&report)?;
    let what = match count {
        1 => "one TCP stream".to_owned(),
        _ => format!("{count} TCP streams"),
    };
    Ok(vec![
        value(&what, "Gbit/s", traffic::received_gbit_s(&report)?),
        value(&format!("{what}, processor time"), "ms a Gbit", busy.as_secs_f64() * 1e3 / gbit),
    ])
}

fn connections(route: &Route, clients: u32, seconds: u32) -> Result<Vec<Value>> {
    let words = ["connections", &route.load.to_string(), &clients.to_string()];
    let (seen, busy) = busy(|| run::<Exchanges>(route, &words, seconds))?;
    answered(&seen)?;
    let what = match clients {
        1 => "connections of one client".to_owned(),
        _ => format!("connections of {clients} clients"),
    };
    let (count, busy_us) = (seen.count as f64, busy.as_secs_f64() * 1e6);
    Ok(vec![
        value(&what, "thousand/s", count / seen.seconds / 1e3),
        value(&format!("{what}, connect, median"), "us", seen.p50_us),
        value(&format!("{what}, connect, 99 of 100 within"), "us", seen.p99_us),
        value(&format!("{what}, processor time"), "us each", busy_us / count),
    ])
}

fn requests(route: &Route, seconds: u32) -> Result<Vec<Value>> {
    let seen: Exchanges = run(route, &["requests", &route.load.to_string()], seconds)?;
    answered(&seen)?;
    Ok(vec![
        value("requests over one connection, median", "us", seen.p50_us),
        value("requests over one connection, 99 of 100 within", "us", seen.p99_us),
    ])
}

fn datagrams(route: &Route, seconds: u32) -> Result<Vec<Value>> {
    let words = ["datagrams", &route.load.to_string()];
    let (seen, busy) = busy(|| run::<Datagrams>(route, &words, seconds))?;
    ensure!(seen.received > 0, "no datagram arrived of {} that were sent", seen.sent);
    let received = seen.received as f64;
    Ok(vec![
        value("datagrams received", "thousand/s", received / seen.seconds / 1e3),
        value("datagrams received, processor time", "us each", busy.as_secs_f64() * 1e6 / received),
    ])
}

fn value(what: &str, unit: &'static str, value: f64) -> Value {
    Value { what: what.to_owned(), unit, value }
}

/// Whatever failed is a fault of the way, and no figure.
fn answered(seen: &Exchanges) -> Result<()> {
    let failure = seen.failure.as_deref().unwrap_or("no reason");
    ensure!(seen.failed == 0, "{} of {} failed: {failure}", seen.failed, seen.failed + seen.count);
    ensure!(seen.count > 0, "nothing was answered");
    Ok(())
}

/// Runs a load's client, and reads what it says.
fn run<T: DeserializeOwned>(route: &Route, words: &[&str], seconds: u32) -> Result<T> {
    let seconds = seconds.to_string();
    let words = load_words(&[words, &["--seconds", &seconds]].concat())?;
    let said = output_of(&mut (route.client)(&words)?)?;
    serde_json::from_str(&said).with_context(|| format!("{said:?} is no report"))
}

/// With the time that the whole machine was busy: most of what a packet costs is nobody's process.
fn busy<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let before = process::busy_time()?;
    let done = work()?;
    Ok((done, process::busy_time()?.saturating_sub(before)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_that_leads_elsewhere_is_told_from_one_that_does_not() {
        let (pod, service) = ([10, 244, 0, 4].into(), [10, 96, 8, 1].into());
        let who = |udp: &str, peer: Ipv4Addr| Who {
            tcp: "node-1".to_owned(),
            udp: udp.to_owned(),
            peer: std::net::SocketAddrV4::new(peer, 5300),
        };
        assert!(judge(Way::Socket, pod, &who("node-1", pod)).is_ok());
        let said = |expected, who| judge(Way::Socket, expected, &who).unwrap_err().to_string();
        assert_eq!(
            said(pod, who("nftables", pod)),
            "Sheave by socket: by UDP, nftables answers and not node-1"
        );
        // Translated by its packets.
        assert_eq!(
            said(pod, who("node-1", service)),
            "Sheave by socket: the client is connected to 10.96.8.1 and not to 10.244.0.4"
        );
    }

    #[test]
    fn a_load_with_a_failure_gives_no_figure() {
        let seen = |count, failed| Exchanges {
            count,
            failed,
            failure: Some("Connection refused".to_owned()),
            seconds: 1.0,
            p50_us: 1.0,
            p99_us: 1.0,
        };
        assert!(answered(&seen(9, 0)).is_ok());
        let said = |seen| answered(&seen).unwrap_err().to_string();
        assert_eq!(said(seen(9, 1)), "1 of 10 failed: Connection refused");
        assert_eq!(said(seen(0, 0)), "nothing was answered");
    }
}
