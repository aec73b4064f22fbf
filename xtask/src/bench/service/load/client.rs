//! Loads over TCP: new connections, and requests of one.

use super::message::{Answer, LEN, QUESTION};
use super::{Exchanges, connect};
use anyhow::{Context, Result};
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddrV4, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// After a failure, so that a server that refuses is not asked a million times.
const AFTER_FAILURE: Duration = Duration::from_millis(10);

/// What one client has seen.
#[derive(Default)]
struct Seen {
    took: Vec<Duration>,
    failed: u64,
    failure: Option<String>,
}

/// A connection after the other by each client: opened, one request, closed by both. What is timed is the opening.
pub(super) fn connections(
    server: SocketAddrV4,
    clients: usize,
    lasts: Duration,
) -> Result<Exchanges> {
    repeated(clients, lasts, || {
        Ok(move || {
            let began = Instant::now();
            let mut stream = connect(server)?;
            let took = began.elapsed();
            ask(&mut stream)?;
            // Both ends close in order: the socket outlives the server's side, so that nothing is reset.
            stream.shutdown(Shutdown::Write)?;
            match stream.read(&mut [0; 1])? {
                0 => Ok(took),
                _ => Err(io::Error::other("the server says more than was asked")),
            }
        })
    })
}

/// A request after the other over one connection.
pub(super) fn requests(server: SocketAddrV4, lasts: Duration) -> Result<Exchanges> {
    let seen = repeated(1, lasts, || {
        let mut stream = connect(server)?;
        stream.set_nodelay(true)?;
        Ok(move || {
            let began = Instant::now();
            ask(&mut stream)?;
            Ok(began.elapsed())
        })
    })?;
    Ok(seen)
}

/// One request over a connection.
pub(super) fn ask(stream: &mut TcpStream) -> io::Result<Answer> {
    stream.write_all(&[QUESTION; LEN])?;
    let mut answer = [0; LEN];
    stream.read_exact(&mut answer)?;
    Ok(Answer::decode(&answer))
}

/// Exchanges of so many clients at a time. `start` makes what a client does again and again.
fn repeated<F>(
    clients: usize,
    lasts: Duration,
    start: impl Fn() -> io::Result<F>,
) -> Result<Exchanges>
where
    F: FnMut() -> io::Result<Duration> + Send,
{
    let exchanges = (0..clients).map(|_| start()).collect::<io::Result<Vec<F>>>();
    let exchanges = exchanges.context("the server does not answer")?;
    let began = Instant::now();
    let seen: Vec<Seen> = thread::scope(|scope| {
        let work = |exchange: F| scope.spawn(move || repeat(exchange, began + lasts));
        let workers: Vec<_> = exchanges.into_iter().map(work).collect();
        let seen = workers.into_iter().map(|worker| worker.join().expect("it only counts"));
        seen.collect()
    });
    Ok(sum(seen, began.elapsed()))
}

fn repeat(mut exchange: impl FnMut() -> io::Result<Duration>, until: Instant) -> Seen {
    let mut seen = Seen::default();
    while Instant::now() < until {
        match exchange() {
            Ok(took) => seen.took.push(took),
            Err(error) => {
                seen.failed += 1;
                seen.failure.get_or_insert_with(|| error.to_string());
                thread::sleep(AFTER_FAILURE);
            }
        }
    }
    seen
}

fn sum(all: Vec<Seen>, lasted: Duration) -> Exchanges {
    let failed = all.iter().map(|seen| seen.failed).sum();
    let failure = all.iter().find_map(|seen| seen.failure.clone());
    let mut took: Vec<Duration> = all.into_iter().flat_map(|seen| seen.took).collect();
    took.sort_unstable();
    Exchanges {
        count: took.len() as u64,
        failed,
        failure,
        seconds: lasted.as_secs_f64(),
        p50_us: quantile_us(&took, 0.5),
        p99_us: quantile_us(&took, 0.99),
    }
}

/// Of sorted times; 0 without any.
fn quantile_us(sorted: &[Duration], share: f64) -> f64 {
    let index = (sorted.len() as f64 * share) as usize;
    sorted.get(index).map_or(0.0, |took| took.as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_all_clients_together() {
        let seen = |range: std::ops::Range<u64>| Seen {
            took: range.map(Duration::from_micros).collect(),
            ..Seen::default()
        };
        let both = sum(vec![seen(50..100), seen(0..50)], Duration::from_secs(2));
        assert_eq!((both.count, both.seconds), (100, 2.0));
        assert_eq!((both.p50_us.round(), both.p99_us.round()), (50.0, 99.0));
    }
}
